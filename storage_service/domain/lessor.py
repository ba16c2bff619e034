"""How does a worker wait for work? One long poll per worker, one transaction for all who ask at the same moment.

What is taken from the database is owned by an ask from that moment on: an ask whose caller is gone gives it back at
once. The lease's own deadline is only the net.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from kit import logs
from kit.errors import ParleyError
from storage_service.domain.turn_work import Ask
from storage_service.domain.wakeups import Bell

Given = TypeVar("Given")

FIRST_POLL_SECONDS, LAST_POLL_SECONDS = 0.25, 1.0
MOST_AT_ONCE = 256
# After a fill of BUSY leases or more the next begins at least this long after it.
BUSY, BREATH_SECONDS = 8, 0.02


@dataclass(frozen=True, slots=True)
class Filled(Generic[Given]):
    """What each ask was given, and in how many seconds more will be due (None: unknown)."""

    given: Sequence[list[Given]]
    due_in_seconds: float | None


@dataclass(slots=True)
class _Waiting(Generic[Given]):
    ask: Ask
    until: float
    future: asyncio.Future[list[Given]]


class Lessor(Generic[Given]):
    """Hands out leases of one kind."""

    def __init__(
        self,
        fill: Callable[[Sequence[Ask]], Awaitable[Filled[Given]]],
        give_back: Callable[[str, Sequence[Given]], Awaitable[None]],
        *,
        bell: Bell,
    ) -> None:
        self._fill = fill
        self._give_back = give_back
        self._bell = bell
        self._waiting: list[_Waiting[Given]] = []
        self._returning: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def lease(self, ask: Ask, wait_seconds: float) -> list[Given]:
        if self._stopping:
            return []
        loop = asyncio.get_running_loop()
        waiting = _Waiting[Given](ask, loop.time() + wait_seconds, loop.create_future())
        self._waiting.append(waiting)
        self._bell.ring()
        try:
            return await waiting.future
        except asyncio.CancelledError:
            if waiting.future.done() and not waiting.future.cancelled() and not waiting.future.exception():
                self.take_back(ask.worker_id, waiting.future.result())
            waiting.future.cancel()
            raise

    async def run(self) -> None:
        """Serves those who ask, until stopped."""
        poll_seconds = FIRST_POLL_SECONDS
        while not self._stopping:
            self._bell.hush()
            breath = asyncio.get_running_loop().time() + BREATH_SECONDS
            filled = await self._serve()
            if filled is not None and any(filled.given):
                poll_seconds = FIRST_POLL_SECONDS
                if sum(len(each) for each in filled.given) >= BUSY:
                    await self._breathe(breath)
                continue
            due_in = filled.due_in_seconds if filled and filled.due_in_seconds is not None else poll_seconds
            await self._bell.wait(max(0.01, min(poll_seconds, due_in, self._patience(poll_seconds))))
            poll_seconds = min(LAST_POLL_SECONDS, poll_seconds * 2)

    async def _breathe(self, until: float) -> None:
        """Between large fills: what becomes ready meanwhile goes together, at a fraction of the cost each."""
        if not self._stopping:
            await asyncio.sleep(max(0.0, until - asyncio.get_running_loop().time()))

    async def stop(self) -> None:
        """Answers everybody with nothing, and waits until what was taken in vain is back."""
        self._stopping = True
        self._bell.ring()
        for each in self._waiting:
            if not each.future.done():
                each.future.set_result([])
        self._waiting.clear()
        while self._returning:
            await asyncio.wait(self._returning)

    def take_back(self, worker_id: str, given: Sequence[Given]) -> None:
        """Gives back what never reached its worker."""
        if not given:
            return
        task = asyncio.get_running_loop().create_task(self._return(worker_id, given))
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)

    async def _serve(self) -> Filled[Given] | None:
        """One round: fills whoever waits, and lets those go whose time is over. None when nobody asks."""
        self._waiting = [each for each in self._waiting if not each.future.done()]
        asking = self._waiting[:MOST_AT_ONCE]
        if not asking:
            return None
        try:
            filled = await self._fill([each.ask for each in asking])
        except ParleyError as error:
            self._refuse(asking, error)
            return None
        for each, given in zip(asking, filled.given, strict=True):
            self._hand_over(each, given)
        return filled

    def _hand_over(self, waiting: _Waiting[Given], given: list[Given]) -> None:
        if waiting.future.done():  # Its call was cancelled while this was taken for it.
            self.take_back(waiting.ask.worker_id, given)
        elif given or asyncio.get_running_loop().time() >= waiting.until:
            waiting.future.set_result(given)

    def _refuse(self, asking: Sequence[_Waiting[Given]], error: ParleyError) -> None:
        for each in asking:
            if not each.future.done():
                each.future.set_exception(error)

    def _patience(self, most_seconds: float) -> float:
        """Until the first caller's time is over."""
        now = asyncio.get_running_loop().time()
        return min((each.until - now for each in self._waiting if not each.future.done()), default=most_seconds)

    async def _return(self, worker_id: str, given: Sequence[Given]) -> None:
        try:
            await self._give_back(worker_id, given)
        except ParleyError as error:
            logs.get("storage").warning("lease.not_returned", reason=error.name, count=len(given))
