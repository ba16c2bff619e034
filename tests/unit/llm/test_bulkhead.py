"""Who gets a place, in which order, and does every place come back?"""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import ModelBusy
from llm_service.domain.bulkhead import Bulkhead
from tests.stalls import SHORT_PATIENCE_SECONDS


def soon(seconds: float = 60.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_places_are_given_in_the_order_of_arrival() -> None:
    bulkhead, served = Bulkhead("b", places=2, queue=100), list[int]()

    async def caller(number: int) -> None:
        async with bulkhead.place(until=soon()):
            served.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(caller(number) for number in range(50)))

    assert served == list(range(50))
    assert (bulkhead.taken, bulkhead.waiting) == (0, 0)


async def test_a_newcomer_does_not_overtake_those_who_wait() -> None:
    bulkhead, served = Bulkhead("b", places=1, queue=10), list[str]()
    free = asyncio.Event()

    async def caller(name: str) -> None:
        async with bulkhead.place(until=soon()):
            served.append(name)
            await free.wait()

    async def newcomer() -> None:
        await free.wait()
        async with bulkhead.place(until=soon()):
            served.append("newcomer")

    tasks = [asyncio.create_task(caller(name)) for name in ("first", "second")]
    tasks.append(asyncio.create_task(newcomer()))
    await asyncio.sleep(0.01)
    free.set()
    await asyncio.gather(*tasks)

    assert served == ["first", "second", "newcomer"]


async def test_one_more_than_the_queue_holds_is_told_to_come_again() -> None:
    bulkhead = Bulkhead("b", places=1, queue=1)
    async with bulkhead.place(until=soon()):
        waiting = asyncio.create_task(_pass_through(bulkhead))
        await asyncio.sleep(0)
        with pytest.raises(ModelBusy) as raised:
            await _pass_through(bulkhead)
    await waiting

    assert raised.value.retry_after is not None


async def test_nobody_waits_beyond_the_time_that_they_have() -> None:
    bulkhead = Bulkhead("b", places=1, queue=1)
    async with bulkhead.place(until=soon()):
        with pytest.raises(ModelBusy):
            await _pass_through(bulkhead, seconds=0.01)

        assert bulkhead.waiting == 0
    await _pass_through(bulkhead)


async def test_a_place_that_is_handed_to_somebody_who_just_left_goes_to_the_next() -> None:
    bulkhead = Bulkhead("b", places=1, queue=2)
    async with bulkhead.place(until=soon()):
        leaving, staying = (asyncio.create_task(_pass_through(bulkhead)) for _ in range(2))
        await asyncio.sleep(0)
    leaving.cancel()  # the place is its own already, and it has not run since

    await asyncio.wait_for(staying, SHORT_PATIENCE_SECONDS)
    assert leaving.cancelled()
    assert (bulkhead.taken, bulkhead.waiting) == (0, 0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(("stays", "cancelled", "late", "fails")), max_size=30), st.integers(1, 4))
def test_every_place_comes_back_however_callers_end(ends: list[str], places: int) -> None:
    async def run() -> tuple[int, int, int]:
        bulkhead, most = Bulkhead("b", places=places, queue=8), 0

        async def caller(end: str) -> None:
            nonlocal most
            async with bulkhead.place(until=soon(0.0 if end == "late" else 60.0)):
                most = max(most, bulkhead.taken)
                await asyncio.sleep(0)
                if end == "fails":
                    raise ValueError

        tasks = [asyncio.create_task(caller(end)) for end in ends]
        await asyncio.sleep(0)
        for task, end in zip(tasks, ends, strict=True):
            if end == "cancelled":
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return most, bulkhead.taken, bulkhead.waiting

    most, taken, waiting = asyncio.run(run())
    assert most <= places
    assert (taken, waiting) == (0, 0)


async def _pass_through(bulkhead: Bulkhead, *, seconds: float = 60.0) -> None:
    async with bulkhead.place(until=soon(seconds)):
        pass
