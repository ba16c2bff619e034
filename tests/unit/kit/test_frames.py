"""Do frames grow with the load, keep everybody's own answer apart, and lose nobody?"""

import asyncio
from collections.abc import Sequence

import pytest

from kit import deadlines
from kit.errors import Internal, Unreachable
from kit.frames import MOST_BYTES, Breath, Frames
from tests.stalls import PATIENCE_SECONDS


class Wire:
    """Records frames, and lets them through one by one when it is slow."""

    def __init__(self, *, slow: bool = False) -> None:
        self.frames: list[list[int]] = []
        self.gate = asyncio.Semaphore(0 if slow else 1_000_000)
        self.under_way = 0
        self.most_under_way = 0

    async def send(self, items: list[int]) -> Sequence[str | Exception]:
        self.frames.append(items)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await self.gate.acquire()
        self.under_way -= 1
        return [ValueError(str(item)) if item < 0 else f"done {item}" for item in items]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_item_that_comes_alone_leaves_at_once() -> None:
    wire = Wire()
    frames = Frames(wire.send, most=10)
    assert [await frames.put(1), await frames.put(2)] == ["done 1", "done 2"]
    assert wire.frames == [[1], [2]]


async def test_what_arrives_meanwhile_is_the_next_frame_in_order_and_no_larger_than_allowed() -> None:
    wire = Wire(slow=True)
    frames = Frames(wire.send, most=4)
    callers = [asyncio.create_task(frames.put(0))]
    await settle()
    callers += [asyncio.create_task(frames.put(n)) for n in range(1, 8)]
    await settle()
    assert wire.frames == [[0]]
    for _ in range(3):
        wire.gate.release()
    assert await asyncio.gather(*callers) == [f"done {n}" for n in range(8)]
    assert wire.frames == [[0], [1, 2, 3, 4], [5, 6, 7]]
    assert wire.most_under_way == 1


async def test_a_frame_is_no_heavier_than_allowed_and_what_is_too_heavy_goes_alone() -> None:
    wire = Wire(slow=True)
    frames = Frames(wire.send, most=9, weigh=lambda item: item * MOST_BYTES // 4)
    callers = [asyncio.create_task(frames.put(0))]
    await settle()
    callers += [asyncio.create_task(frames.put(n)) for n in (1, 2, 1, 1, 5, 4, 1)]
    await settle()
    callers[2].cancel()
    for _ in range(5):
        wire.gate.release()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert wire.frames == [[0], [1, 1, 1], [5], [4], [1]], "who left weighs nothing"
    assert [each for each in outcomes if isinstance(each, str)] == [f"done {n}" for n in (0, 1, 1, 1, 5, 4, 1)]


async def test_as_many_frames_are_under_way_as_allowed() -> None:
    wire = Wire(slow=True)
    frames = Frames(wire.send, most=1, in_flight=3)
    callers = [asyncio.create_task(frames.put(n)) for n in range(5)]
    await settle()
    assert wire.most_under_way == 3
    for _ in range(5):
        wire.gate.release()
    await asyncio.gather(*callers)
    assert sorted(item for frame in wire.frames for item in frame) == [0, 1, 2, 3, 4]


async def test_one_bad_item_fails_alone() -> None:
    outcomes = await asyncio.gather(*(Frames(Wire().send, most=9).put(n) for n in (1,)))
    assert outcomes == ["done 1"]
    frames = Frames(Wire().send, most=9)
    first, bad, last = await asyncio.gather(*(frames.put(n) for n in (1, -2, 3)), return_exceptions=True)
    assert (first, last) == ("done 1", "done 3")
    assert isinstance(bad, ValueError)


async def test_a_failed_frame_fails_its_own_items_and_no_others() -> None:
    calls = 0

    async def send(items: list[int]) -> list[int]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ConnectionError("lost")
        return items

    frames = Frames(send, most=2)
    outcomes = await asyncio.gather(*(frames.put(n) for n in range(4)), return_exceptions=True)
    assert [type(each) for each in outcomes] == [ConnectionError, ConnectionError, int, int]


async def test_a_frame_that_answers_for_too_few_fails_them_all() -> None:
    async def send(items: list[int]) -> list[int]:
        return items[1:]

    frames = Frames(send, most=9)
    outcomes = await asyncio.gather(*(frames.put(n) for n in range(3)), return_exceptions=True)
    assert [type(each) for each in outcomes] == [Internal] * 3


async def test_a_frame_that_is_cancelled_from_inside_fails_its_items_and_the_next_goes_on() -> None:
    calls = 0

    async def send(items: list[int]) -> list[int]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise asyncio.CancelledError
        return items

    frames = Frames(send, most=1)
    outcomes = await asyncio.gather(*(frames.put(n) for n in range(2)), return_exceptions=True)
    assert [type(each) for each in outcomes] == [Unreachable, int]


async def test_a_cancelled_caller_is_dropped_before_its_frame_left_and_sent_after() -> None:
    wire = Wire(slow=True)
    frames = Frames(wire.send, most=9)
    left = asyncio.create_task(frames.put(1))
    await settle()
    waiting = asyncio.create_task(frames.put(2))
    other = asyncio.create_task(frames.put(3))
    await settle()
    left.cancel()
    waiting.cancel()
    await settle()
    wire.gate.release()
    wire.gate.release()
    assert await other == "done 3"
    assert wire.frames == [[1], [3]]


async def test_an_item_put_while_the_last_frame_ends_is_not_forgotten() -> None:
    wire = Wire()
    frames = Frames(wire.send, most=9)

    async def again(n: int) -> None:
        for _ in range(50):
            await frames.put(n)  # The next put runs before the callbacks of the pump that gave the last result.

    async with asyncio.timeout(PATIENCE_SECONDS):
        await again(0)
        await asyncio.gather(*(again(n) for n in range(5)))


async def test_close_sends_what_waits_and_takes_nothing_new() -> None:
    wire = Wire(slow=True)
    frames = Frames(wire.send, most=1)
    callers = [asyncio.create_task(frames.put(n)) for n in range(3)]
    await settle()
    closing = asyncio.create_task(frames.close())
    await settle()
    with pytest.raises(Unreachable):
        await frames.put(9)
    for _ in range(3):
        wire.gate.release()
    await closing
    assert [caller.result() for caller in callers] == ["done 0", "done 1", "done 2"]


async def test_a_frame_does_not_inherit_the_deadline_of_the_caller_who_started_it() -> None:
    async def send(items: list[int]) -> list[float | None]:
        return [deadlines.remaining() for _ in items]

    deadlines.bind(0.001)
    assert await Frames(send, most=1).put(1) is None


async def test_what_comes_in_the_breath_after_a_full_frame_travels_together() -> None:
    sizes: list[int] = []

    async def send(items: list[int]) -> list[int]:
        sizes.append(len(items))
        return items

    frames = Frames[int, int](send, most=8, breath=Breath(0.5, after=8))
    await asyncio.gather(*(frames.put(n) for n in range(8)))
    first = asyncio.create_task(frames.put(1))
    await asyncio.sleep(0.005)
    await asyncio.gather(first, frames.put(2))
    await frames.put(3)
    assert sizes == [8, 2, 1]
    await frames.close()


async def test_a_frame_that_follows_within_a_breath_waits_for_what_else_comes_and_the_first_one_does_not() -> None:
    sizes: list[int] = []

    async def send(items: list[int]) -> list[int]:
        sizes.append(len(items))
        return items

    frames = Frames[int, int](send, most=8, breath=Breath(0.5))
    await frames.put(1)
    assert sizes == [1]
    second = asyncio.create_task(frames.put(2))
    await asyncio.sleep(0.005)
    await asyncio.gather(second, frames.put(3))
    assert sizes == [1, 2]
    await frames.close()
