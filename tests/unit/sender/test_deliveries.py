"""Does a sender ask for no more than it can carry, and end in good order?"""

import asyncio
from collections import deque
from functools import partial

import pytest

from kit.errors import StorageUnavailable
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery, LeaseDeliveriesResponse
from sender_service.domain.deliveries import Deliveries
from sender_service.domain.trips import Load
from tests.stalls import SHORT_PATIENCE_SECONDS
from tests.waiting import until


class Hands:
    """A courier that carries until the test lets go."""

    def __init__(self) -> None:
        self.carried: list[str] = []
        self.cut: list[str] = []
        self.let_go = asyncio.Event()

    async def deliver(self, load: Load, _stopping: asyncio.Event) -> None:
        self.carried.append(load.leased.delivery_id)
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cut.append(load.leased.delivery_id)
            raise


class Storage:
    """Gives what waits, and counts what was asked."""

    def __init__(self, waiting: int, failures: int = 0) -> None:
        self.waiting = deque(f"d{number}" for number in range(waiting))
        self.asked: list[int] = []
        self.failures = failures
        self.cancelled = False

    async def lease(self, most: int) -> LeaseDeliveriesResponse:
        self.asked.append(most)
        if self.failures:
            self.failures -= 1
            raise StorageUnavailable
        if not self.waiting:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        taken = [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
        return LeaseDeliveriesResponse(deliveries=[LeasedDelivery(delivery_id=each) for each in taken])


_until = partial(until, within_seconds=SHORT_PATIENCE_SECONDS)


def _loop(storage: Storage, hands: Hands, concurrency: int) -> Deliveries:
    return Deliveries(storage.lease, hands.deliver, concurrency=concurrency, random=lambda: 0.0)


async def test_only_free_hands_are_asked_for() -> None:
    storage, hands, stopping = Storage(5), Hands(), asyncio.Event()
    deliveries = _loop(storage, hands, 3)
    running = asyncio.create_task(deliveries.run(stopping))
    await _until(lambda: len(hands.carried) == 3)
    assert storage.asked == [3]
    hands.let_go.set()
    await _until(lambda: len(hands.carried) == 5)
    assert max(storage.asked) == 3
    stopping.set()
    await running


async def test_the_long_poll_is_ended_when_the_process_stops() -> None:
    storage, hands, stopping = Storage(0), Hands(), asyncio.Event()
    running = asyncio.create_task(_loop(storage, hands, 3).run(stopping))
    await _until(lambda: storage.asked)
    stopping.set()
    await running
    await _until(lambda: storage.cancelled)


async def test_between_two_calls_that_bring_deliveries_there_is_a_breath_which_a_stop_ends() -> None:
    storage, hands, stopping = Storage(2), Hands(), asyncio.Event()
    deliveries = Deliveries(storage.lease, hands.deliver, concurrency=3, random=lambda: 0.0, breath_seconds=3600)
    running = asyncio.create_task(deliveries.run(stopping))
    await _until(lambda: len(hands.carried) == 2)
    storage.waiting.append("d2")
    await asyncio.sleep(0.05)
    assert storage.asked == [3]
    stopping.set()
    await running
    assert hands.carried == ["d0", "d1"]


async def test_storage_that_is_away_is_asked_again() -> None:
    storage, hands, stopping = Storage(1, failures=3), Hands(), asyncio.Event()
    running = asyncio.create_task(_loop(storage, hands, 1).run(stopping))
    await _until(lambda: hands.carried == ["d0"])
    stopping.set()
    await running


async def test_calls_under_way_may_end_before_the_process_does() -> None:
    storage, hands, stopping = Storage(2), Hands(), asyncio.Event()
    deliveries = _loop(storage, hands, 2)
    running = asyncio.create_task(deliveries.run(stopping))
    await _until(lambda: len(hands.carried) == 2)
    stopping.set()
    await running
    draining = asyncio.create_task(deliveries.drain(5))
    await asyncio.sleep(0)
    hands.let_go.set()
    await draining
    assert hands.cut == []


async def test_calls_that_do_not_end_in_time_are_cut_off() -> None:
    storage, hands, stopping = Storage(2), Hands(), asyncio.Event()
    deliveries = _loop(storage, hands, 2)
    running = asyncio.create_task(deliveries.run(stopping))
    await _until(lambda: len(hands.carried) == 2)
    stopping.set()
    await running
    await deliveries.drain(0.01)
    assert sorted(hands.cut) == ["d0", "d1"]


async def test_a_fault_of_our_own_ends_the_loop_instead_of_leaving_it_idle() -> None:
    async def broken(_most: int) -> LeaseDeliveriesResponse:
        raise ZeroDivisionError

    deliveries = Deliveries(broken, Hands().deliver, concurrency=1, random=lambda: 0.0)
    with pytest.raises(ZeroDivisionError):
        await deliveries.run(asyncio.Event())
