"""Does one timer end each of many waits in time, and nothing else?"""

import asyncio

import pytest

from kit.patience import Patience


async def waited(patience: Patience, seconds: float) -> str:
    try:
        with patience.wait():
            await asyncio.sleep(seconds)
    except TimeoutError:
        return "too long"
    return "done"


async def test_each_wait_ends_in_its_own_time() -> None:
    loop, patience = asyncio.get_running_loop(), Patience(0.05)
    began = loop.time()
    first = asyncio.create_task(waited(patience, 10))
    await asyncio.sleep(0.03)
    second, quick = asyncio.create_task(waited(patience, 10)), asyncio.create_task(waited(patience, 0))
    assert [await first, await quick] == ["too long", "done"]
    assert loop.time() - began >= 0.05
    assert not second.done()
    assert await second == "too long"
    assert loop.time() - began >= 0.08


async def test_a_wait_that_is_over_is_not_ended_later() -> None:
    patience = Patience(0.02)
    with patience.wait():
        pass
    await asyncio.sleep(0.05)
    assert await waited(patience, 0) == "done"
    assert await waited(patience, 1) == "too long"


async def test_a_cancel_from_outside_stays_a_cancel() -> None:
    patience = Patience(0.01)
    task = asyncio.create_task(waited(patience, 10))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_task_lives_on_after_a_wait_that_was_too_long() -> None:
    task = asyncio.current_task()
    assert task is not None
    assert await waited(Patience(0.01), 10) == "too long"
    assert task.cancelling() == 0
    await asyncio.sleep(0)
