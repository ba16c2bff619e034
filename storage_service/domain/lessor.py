"""How does a worker wait for work? One long poll per worker, one transaction for all who ask at the same moment.

Work that is made while a worker has room goes to it in the transaction that makes it (handing.py), unless older work
may be waiting: then the database is looked at first, longest due before all others. What is taken is owned by an ask
from that moment on: an ask whose caller is gone gives it back at once. The lease's own deadline is only the net.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from kit import logs
from kit.errors import ParleyError
from storage_service.domain.asks import Ask, Handed
from storage_service.domain.rooms import Rooms
from storage_service.domain.wakeups import Bell
from storage_service.domain.weights import MOST_LEASED_BYTES, fitting

Given = TypeVar("Given")
Result = TypeVar("Result")

FIRST_POLL_SECONDS, LAST_POLL_SECONDS = 0.25, 1.0
MOST_AT_ONCE = 256
# So long may work that is made wait for a fill that is under way, to be handed out after it.
FILL_SECONDS = 0.05


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
        others: Callable[[], int],
    ) -> None:
        self._fill = fill
        self._give_back = give_back
        self._bell = bell
        self._waiting: list[_Waiting[Given]] = []
        self._rooms = Rooms[Given](self.take_back, others=others)
        self._offered: set[str] = set()
        self._returning: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._filling = False
        self._round: asyncio.Future[None] | None = None
        # Work that is due may wait in the database: it goes before what is new. It is looked for by then at the latest.
        self._owed, self._look_at = True, 0.0
        # So many are leased at once: when less fitted into the last answer, about as much.
        self._most = MOST_AT_ONCE

    async def lease(self, ask: Ask, wait_seconds: float) -> list[Given]:
        if self._stopping:
            return []
        ask = ask if ask.most <= self._most else replace(ask, most=self._most)
        if kept := self._rooms.enter(ask):
            return kept
        loop = asyncio.get_running_loop()
        waiting = _Waiting[Given](ask, loop.time() + wait_seconds, loop.create_future())
        self._waiting.append(waiting)
        if self._owed or not loop.time() < self._look_at <= waiting.until:
            self._bell.ring()
        try:
            return await waiting.future
        except asyncio.CancelledError:
            self._rooms.leave(ask.worker_id)
            if waiting.future.done() and not waiting.future.cancelled() and not waiting.future.exception():
                self.take_back(ask.worker_id, waiting.future.result())
            waiting.future.cancel()
            raise

    async def handing(self, work: Callable[[Sequence[Ask]], Awaitable[Handed[Result, Given]]]) -> list[Result]:
        """Runs a transaction that may lease what it makes to the asks that it is told of."""
        await self._filled()
        asks = self._offer()
        given: Sequence[list[Given]] = ()
        try:
            handed = await work(asks)
            given = handed.given
        finally:
            self._offered.clear()
            for ask, items in zip(asks, given, strict=False):
                self._put(ask.worker_id, items)
            if self._owed or self._bell.rung:
                self._bell.ring()
        return handed.results

    def expect(self, in_seconds: float) -> None:
        """Something was put back that is due then: it is looked for at that time, and not only at the next poll."""
        loop = asyncio.get_running_loop()
        if loop.time() + in_seconds < self._look_at and not self._stopping:
            self._look_at = loop.time() + in_seconds
            loop.call_later(in_seconds, self._bell.ring)

    async def run(self) -> None:
        """Serves those who ask, until stopped."""
        poll_seconds = FIRST_POLL_SECONDS
        while not self._stopping:
            self._owed |= self._bell.hush()
            filled = await self._serve(poll_seconds)
            if filled is not None and any(filled.given):
                poll_seconds = FIRST_POLL_SECONDS
                continue
            self._owed |= await self._bell.wait(max(0.01, min(poll_seconds, self._patience(poll_seconds))))
            poll_seconds = min(LAST_POLL_SECONDS, poll_seconds * 2)

    async def stop(self) -> None:
        """Answers everybody with nothing, and waits until what was taken in vain is back."""
        self._stopping = True
        self._bell.ring()
        for each in self._waiting:
            if not each.future.done():
                each.future.set_result([])
        self._waiting.clear()
        self._rooms.close()
        while self._returning:
            await asyncio.wait(self._returning)

    def take_back(self, worker_id: str, given: Sequence[Given]) -> None:
        """Gives back what never reached its worker."""
        if not given:
            return
        task = asyncio.get_running_loop().create_task(self._return(worker_id, given))
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)

    def carried(self, worker_id: str, given: list[Given], *, weights: Sequence[int]) -> list[Given]:
        """As many of the first as one answer carries. The rest goes back at once, for whoever asks next."""
        count = len(given) if sum(weights) <= MOST_LEASED_BYTES else fitting(weights, MOST_LEASED_BYTES)
        if count >= len(given):
            self._most = min(2 * self._most, MOST_AT_ONCE)
            return given
        self._most = count
        self.take_back(worker_id, given[count:])
        return given[:count]

    async def _filled(self) -> None:
        """Waits for those who ask to get what is due already: afterwards they may have room for what is new."""
        expected = self._owed or self._bell.rung or self._filling
        if expected and not self._stopping and any(not each.future.done() for each in self._waiting):
            self._round = self._round or asyncio.get_running_loop().create_future()
            await asyncio.wait((self._round,), timeout=FILL_SECONDS)

    def _offer(self) -> list[Ask]:
        """Who would take new work at once; nobody while older work may wait. They are asked for nothing else
        meanwhile."""
        if self._stopping or self._owed or self._bell.rung or self._filling:
            return []
        if asyncio.get_running_loop().time() >= self._look_at:
            return []
        asks = [each.ask for each in self._waiting if not each.future.done()]
        asks = [*asks, *self._rooms.asks()]
        self._offered = {ask.worker_id for ask in asks}
        return asks

    def _put(self, worker_id: str, given: list[Given]) -> None:
        """To the worker's ask, or kept until it asks again."""
        if not given:
            return
        for each in self._waiting:
            if each.ask.worker_id == worker_id and not each.future.done():
                self._answer(each, given)
                return
        if not self._rooms.keep(worker_id, given):
            self.take_back(worker_id, given)

    async def _serve(self, poll_seconds: float) -> Filled[Given] | None:
        """One round: fills whoever waits, and lets those go whose time is over. None when nobody was looked for."""
        self._waiting = [each for each in self._waiting if not each.future.done()]
        asking = [each for each in self._waiting if each.ask.worker_id not in self._offered][:MOST_AT_ONCE]
        now = asyncio.get_running_loop().time()
        if not (self._owed or now >= self._look_at):
            for each in asking:
                self._hand_over(each, [])
            return None
        if not asking:
            self._end_round()
            return None
        self._owed, self._filling = False, True
        try:
            filled = await self._fill([each.ask for each in asking])
        except ParleyError as error:
            self._owed = True
            self._refuse(asking, error)
            return None
        finally:
            self._filling = False
            self._end_round()
        self._note(filled, sum(each.ask.most for each in asking), poll_seconds=poll_seconds)
        for each, given in zip(asking, filled.given, strict=True):
            self._hand_over(each, given)
        return filled

    def _end_round(self) -> None:
        if self._round is not None and not self._round.done():
            self._round.set_result(None)
        self._round = None

    def _note(self, filled: Filled[Given], most: int, *, poll_seconds: float) -> None:
        """Whoever got all that they asked for may have left some."""
        self._owed |= sum(len(each) for each in filled.given) >= most
        due_in = poll_seconds if filled.due_in_seconds is None else min(poll_seconds, filled.due_in_seconds)
        self._look_at = asyncio.get_running_loop().time() + due_in

    def _hand_over(self, waiting: _Waiting[Given], given: list[Given]) -> None:
        if waiting.future.done():  # Its call was cancelled while this was taken for it.
            self.take_back(waiting.ask.worker_id, given)
        elif given or asyncio.get_running_loop().time() >= waiting.until:
            self._answer(waiting, given)

    def _answer(self, waiting: _Waiting[Given], given: list[Given]) -> None:
        waiting.future.set_result(given)
        self._rooms.open(waiting.ask, waiting.ask.most - len(given))

    def _refuse(self, asking: Sequence[_Waiting[Given]], error: ParleyError) -> None:
        for each in asking:
            if not each.future.done():
                each.future.set_exception(error)

    def _patience(self, most_seconds: float) -> float:
        """Until the first caller's time is over, or the database is to be looked at."""
        now = asyncio.get_running_loop().time()
        waits = [each.until - now for each in self._waiting if not each.future.done()]
        if waits and not self._owed:
            waits.append(self._look_at - now)
        return min(waits, default=most_seconds)

    async def _return(self, worker_id: str, given: Sequence[Given]) -> None:
        try:
            await self._give_back(worker_id, given)
        except ParleyError as error:
            logs.get("storage").warning("lease.not_returned", reason=error.name, count=len(given))
