"""Who has a free hand for attachments? Leases as many as can be fetched at once, and ends in good order."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from kit import logs
from kit.errors import ParleyError
from parley.storage.v1.directory_pb2 import AccountSecrets
from parley.storage.v1.media_service_pb2 import LeaseFetchesResponse
from sender_service.domain.fetching import Load

# Leases at most so many fetches, waiting for some when there are none.
Lease = Callable[[int], Awaitable[LeaseFetchesResponse]]
# Brings one as far as it gets; begins nothing once the event is set.
Carry = Callable[[Load, asyncio.Event], Coroutine[Any, Any, None]]

LONGEST_PAUSE_SECONDS = 1.0  # between tries while storage is away

log = logs.get("media")


class Fetches:
    """The fetching loop of one process."""

    def __init__(self, lease: Lease, carry: Carry, *, concurrency: int, random: Callable[[], float]) -> None:
        self._lease = lease
        self._carry = carry
        self._hands = asyncio.Semaphore(concurrency)
        self._concurrency = concurrency
        self._random = random
        self._running: set[asyncio.Task[None]] = set()
        self._failures, self._has_met = 0, False  # storage, as in deliveries

    async def run(self, stopping: asyncio.Event) -> None:
        """Until it is told to stop; what is under way is then cut off, and another sender begins it anew."""
        stop = asyncio.create_task(stopping.wait())
        try:
            while not stopping.is_set():
                await self._until_free(stop)
                if stopping.is_set():
                    return
                if not await self._begin(stop, stopping=stopping):
                    pause = self._random() * min(LONGEST_PAUSE_SECONDS, 0.1 * 2.0 ** min(self._failures, 8))
                    await asyncio.wait((stop,), timeout=pause)
        finally:
            stop.cancel()
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _until_free(self, stop: "asyncio.Task[bool]") -> None:
        if len(self._running) >= self._concurrency:
            await asyncio.wait((*self._running, stop), return_when=asyncio.FIRST_COMPLETED)

    async def _begin(self, stop: "asyncio.Task[bool]", *, stopping: asyncio.Event) -> bool:
        """One lease, unless we are told to stop first. False when storage could not be asked."""
        call = asyncio.ensure_future(self._lease(self._concurrency - len(self._running)))
        try:
            await asyncio.wait((call, stop), return_when=asyncio.FIRST_COMPLETED)
            if call.done():
                self._start(call.result(), stopping)
                self._has_met = True
        except ParleyError as error:
            self._failures += 1
            if logs.is_worth_a_line(self._failures):
                say = log.warning if self._has_met else log.info
                say("media.lease_failed", error_reason=error.name, failures=self._failures)
            return False
        finally:
            call.cancel()
        self._failures = 0
        return True

    def _start(self, leased: LeaseFetchesResponse, stopping: asyncio.Event) -> None:
        secrets = {each.account.id: each for each in leased.accounts}
        for fetch in leased.fetches:
            load = Load(fetch, secrets.get(fetch.account_id, AccountSecrets()))
            task = asyncio.create_task(self._carry(load, stopping))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("media.fault", exc_info=error)
