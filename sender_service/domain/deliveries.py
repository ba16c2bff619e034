"""Who has a free hand? Leases as much work as can be carried at once, no more, and ends it in good order."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from kit import logs
from kit.errors import ParleyError
from kit.frames import UNHURRIED
from parley.storage.v1.delivery_requests_pb2 import LeaseDeliveriesResponse
from parley.storage.v1.directory_pb2 import AccountSecrets
from sender_service.domain.trips import Load

# Leases at most so many deliveries, waiting for some when there are none.
Lease = Callable[[int], Awaitable[LeaseDeliveriesResponse]]
# Carries one of them as far as it gets; begins nothing once the event is set.
Carry = Callable[[Load, asyncio.Event], Coroutine[Any, Any, None]]

CUT_OFF_SECONDS = 3.0  # for calls that were cut off to be recorded as unknown
LONGEST_PAUSE_SECONDS = 1.0  # between tries while storage is away: it is found again within this

log = logs.get("sender")


class Deliveries:
    """The delivery loop of one process."""

    def __init__(
        self,
        lease: Lease,
        carry: Carry,
        *,
        concurrency: int,
        random: Callable[[], float],
        breath_seconds: float = UNHURRIED.seconds,
    ) -> None:
        self._lease = lease
        self._carry = carry
        self._concurrency = concurrency
        self._random = random
        self._breath_seconds = breath_seconds
        self._running: set[asyncio.Task[None]] = set()
        self._hand_free = asyncio.Event()
        self._failures = 0
        self._has_met = False  # storage: a mesh that starts together waits for it, and that is no trouble

    async def run(self, stopping: asyncio.Event) -> None:
        """Delivers until it is told to stop; what is under way then goes on until drain()."""
        stop = asyncio.create_task(stopping.wait())
        try:
            while not stopping.is_set():
                if free := self._concurrency - len(self._running):
                    await self._fetch(free, stop, stopping=stopping)
                else:
                    await self._wait_for_a_hand(stop)
        finally:
            stop.cancel()

    async def drain(self, within_seconds: float) -> None:
        """Lets the calls under way end. What is cut off at last is recorded as unknown, for so it is."""
        if self._running:
            await asyncio.wait(self._running, timeout=within_seconds)
        for task in self._running:
            task.cancel()
        if self._running:
            log.warning("drain.cut_off", deliveries=len(self._running))
            await asyncio.wait(self._running, timeout=CUT_OFF_SECONDS)

    async def _fetch(self, free: int, stop: asyncio.Task[bool], *, stopping: asyncio.Event) -> None:
        """One lease, unless we are told to stop first: then storage takes back what it was about to give. After one
        that brought some, but not all that could be carried, there is a breath."""
        call = asyncio.ensure_future(self._lease(free))
        try:
            await asyncio.wait((call, stop), return_when=asyncio.FIRST_COMPLETED)
            if call.done():
                self._start(call.result(), stopping)
                self._failures, self._has_met = 0, True
                if 0 < len(call.result().deliveries) < free:
                    await asyncio.wait((stop,), timeout=self._breath_seconds)
        except ParleyError as error:
            if logs.is_worth_a_line(self._failures + 1):
                say = log.warning if self._has_met else log.info
                say("lease.failed", error_reason=error.name, failures=self._failures + 1)
            pause = self._random() * min(LONGEST_PAUSE_SECONDS, 0.1 * 2.0 ** min(self._failures, 8))
            self._failures += 1
            await asyncio.wait((stop,), timeout=pause)
        finally:
            call.cancel()

    def _start(self, leased: LeaseDeliveriesResponse, stopping: asyncio.Event) -> None:
        secrets = {each.account.id: each for each in leased.accounts}
        for delivery in leased.deliveries:
            load = Load(delivery, secrets.get(delivery.account_id, AccountSecrets()))
            task = asyncio.create_task(self._carry(load, stopping))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._hand_free.set()
        if not task.cancelled() and (error := task.exception()):
            log.error("delivery.fault", exc_info=error)

    async def _wait_for_a_hand(self, stop: asyncio.Task[bool]) -> None:
        self._hand_free.clear()
        hand = asyncio.ensure_future(self._hand_free.wait())
        await asyncio.wait((hand, stop), return_when=asyncio.FIRST_COMPLETED)
        hand.cancel()
