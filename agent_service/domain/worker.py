"""How do turns come and go? Leased for the free slots only, kept alive while they run, committed, or given back.

One lease call is out at a time, and after one that brought turns, but not for each slot, there is a breath. Every turn
is a task that holds a slot until it is committed. What is lost meanwhile is cancelled, and what cannot be finished
before the end is given back for another worker.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from agent_service.domain.draft import Ending
from agent_service.domain.restarts import Restarts
from agent_service.domain.turn import Story
from kit import correlation, logs, metrics, tracing
from kit.errors import (
    DeadlineExceeded,
    InvalidField,
    LeaseLost,
    OwnerChanged,
    ParleyError,
    StorageUnavailable,
    Unreachable,
)
from kit.frames import UNHURRIED
from kit.moments import moment, span
from kit.tasks import cancel
from parley.chat.v1.message_pb2 import TurnState
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, TurnCommit, TurnLease

# What passes by itself. Any other failure of a commit would fail again.
PASSING = (Unreachable, StorageUnavailable, DeadlineExceeded)
REPLIED, SUPPRESSED = TurnState.TURN_STATE_REPLIED, TurnState.TURN_STATE_SUPPRESSED
OUTCOMES = {state: name.removeprefix("TURN_STATE_").lower() for name, state in TurnState.items()}
BROKEN = "internal"  # why a turn failed through a fault of ours
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0


class Inbox(Protocol):
    """Where turns come from. What it refuses it says as a ParleyError."""

    async def lease(self, most: int) -> Sequence[LeasedTurn]:
        """Waits for work, for a while."""

    async def extend(self, leases: Sequence[TurnLease]) -> Sequence[ParleyError | None]:
        """Keeps leases; what was refused, in their order."""

    async def commit(self, commit: TurnCommit) -> None:
        """Ends one turn."""

    async def abandon(self, leases: Sequence[TurnLease], *, merge: bool = False) -> None:
        """Gives leases back, each with the messages that wait behind it if they are to be merged."""

    async def newer(self, turn: LeasedTurn) -> bool:
        """Waits until the contact wrote again. False when that cannot be known."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How many turns at a time, on what lease, and how long the end may take."""

    slots: int
    lease: timedelta
    drain_seconds: float
    random: Callable[[], float]
    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    breath_seconds: float = UNHURRIED.seconds


@dataclass(slots=True)
class Held:
    """A lease that this worker holds, and since when by the loop's clock."""

    lease: TurnLease
    renewed_at: float
    task: asyncio.Task[None]


class Worker:
    """Answers turns until it is told to stop."""

    def __init__(self, inbox: Inbox, story: Story, *, terms: Terms) -> None:
        self._inbox = inbox
        self._story = story
        self._terms = terms
        self._restarts = Restarts(inbox.newer, story.tell)
        self._held: dict[tuple[str, int], Held] = {}
        self._freed = asyncio.Event()
        self._log = logs.get("agent")

    async def run(self, stopping: asyncio.Event) -> None:
        """Leases and answers. Returns when nothing is held any more."""
        heart, leasing = asyncio.create_task(self._beat()), asyncio.create_task(self._lease())
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((heart, leasing, stop), return_when=asyncio.FIRST_COMPLETED)
            await cancel(leasing)
            await self._drain()
        finally:
            await cancel(heart, leasing, stop)
        for task in (heart, leasing):
            # Neither ends by itself: one that did has a fault, which the process must not outlive.
            if not task.cancelled():
                task.result()

    async def _lease(self) -> None:
        pauses, has_met, failures = self._pauses(), False, 0  # storage: a mesh that starts together waits for it
        while True:
            free = self._terms.slots - len(self._held)
            if free <= 0:
                self._freed.clear()
                await self._freed.wait()
                continue
            try:
                leased = await self._lease_once(free)
            except ParleyError as error:
                failures += 1
                if logs.is_worth_a_line(failures):
                    say = self._log.warning if has_met else self._log.info
                    say("turns.unavailable", reason=error.name, failures=failures)
                await self._terms.sleep(next(pauses))
            else:
                pauses, has_met, failures = self._pauses(), True, 0
                if 0 < leased < free:
                    await self._terms.sleep(self._terms.breath_seconds)

    async def _lease_once(self, free: int) -> int:
        call = asyncio.ensure_future(self._inbox.lease(free))
        try:
            turns = await asyncio.shield(call)
        except asyncio.CancelledError:
            # What came in the same moment as the stop is held, and so it is given back.
            call.cancel()
            await asyncio.wait((call,))
            if not call.cancelled() and call.exception() is None:
                self._take_all(call.result())
            raise
        self._take_all(turns)
        return len(turns)

    def _take_all(self, turns: Sequence[LeasedTurn]) -> None:
        for turn in turns:
            self._take(turn)

    def _take(self, turn: LeasedTurn) -> None:
        task = asyncio.create_task(self._work(turn))
        key = (turn.turn_id, turn.epoch)
        self._held[key] = Held(_lease(turn), asyncio.get_running_loop().time(), task)
        task.add_done_callback(lambda _: self._drop(key))

    def _drop(self, key: tuple[str, int]) -> None:
        self._held.pop(key, None)
        self._freed.set()

    async def _work(self, turn: LeasedTurn) -> None:
        correlation.bind(turn.correlation_id, tenant=turn.tenant_id)
        with tracing.linked_span("turn", turn.traceparent, channel=turn.channel):
            self._log.info("turn.leased", turn_id=turn.turn_id, epoch=turn.epoch, messages=len(turn.messages))
            try:
                ending = await self._restarts.tell(turn)
                if ending is None and await self._merged(turn):
                    return
                ending = ending or await self._story.tell(turn)
            except Exception as error:  # A fault of ours must not leave a person without an answer.
                self._log.error("turn.broken", turn_id=turn.turn_id, exc_info=error)
                ending = self._story.failed(turn, BROKEN)
            await self._commit(turn, ending)

    async def _merged(self, turn: LeasedTurn) -> bool:
        """Gives the turn back, to be leased again at once together with what was written since."""
        try:
            await self._inbox.abandon([_lease(turn)], merge=True)
        except LeaseLost as error:
            self._lost(turn, error)
            return True
        except ParleyError as error:
            self._log.warning("turn.not_restarted", turn_id=turn.turn_id, reason=error.name)
            return False
        self._log.info("turn.restarted", turn_id=turn.turn_id)
        return True

    async def _commit(self, turn: LeasedTurn, ending: Ending) -> None:
        """Ends the turn. While storage is away the answer is kept, for as long as anybody waits for it."""
        commit = _commit(turn, ending)
        pauses = self._pauses()
        while True:
            try:
                await self._inbox.commit(commit)
            except PASSING as error:
                if turn.HasField("deadline_at") and self._terms.now() > moment(turn.deadline_at):
                    return self._lost(turn, error)
                await self._terms.sleep(next(pauses))
            except OwnerChanged as error:
                return self._ended(turn, Ending(SUPPRESSED, error.name.lower()))
            except InvalidField as error:
                if ending.reason == BROKEN:
                    return self._lost(turn, error)
                # What storage never takes is not thought of anew until the deadline: the person is told now.
                self._log.error("turn.refused", turn_id=turn.turn_id, reason=error.name)
                ending = self._story.failed(turn, BROKEN)
                commit = _commit(turn, ending)
            except ParleyError as error:
                return self._lost(turn, error)
            else:
                return self._ended(turn, ending)

    def _ended(self, turn: LeasedTurn, ending: Ending) -> None:
        outcome = OUTCOMES[ending.state]
        metrics.turns.labels(outcome=outcome, reason=ending.reason).inc()
        seconds = (self._terms.now() - moment(turn.messages[0].created_at)).total_seconds() if turn.messages else 0.0
        if ending.state == REPLIED and turn.messages:
            metrics.accept_to_commit_seconds.labels(channel=turn.channel).observe(seconds)
        fields = {"turn_id": turn.turn_id, "channel": turn.channel, "model": ending.usage.model}
        self._log.info("turn.ended", outcome=outcome, reason=ending.reason, seconds=round(seconds, 3), **fields)

    def _lost(self, turn: LeasedTurn, error: ParleyError) -> None:
        """Somebody else ends it: the worker that has the lease now, or the sweeper."""
        self._log.warning("turn.lost", turn_id=turn.turn_id, epoch=turn.epoch, reason=error.name)

    async def _beat(self) -> None:
        """Extends, in one call, every lease that is older than a third of its time."""
        third = self._terms.lease.total_seconds() / 3
        while True:
            await asyncio.sleep(third / 2)
            now = asyncio.get_running_loop().time()
            aged = [held for held in self._held.values() if now - held.renewed_at >= third]
            if aged:
                await self._extend(aged, now)

    async def _extend(self, aged: Sequence[Held], now: float) -> None:
        try:
            refusals = await self._inbox.extend([held.lease for held in aged])
        except ParleyError as error:
            self._log.warning("turns.not_extended", reason=error.name)
            return
        for held, refusal in zip(aged, refusals, strict=True):
            if refusal is None:
                held.renewed_at = now
            elif isinstance(refusal, LeaseLost):  # A take-over is another refusal: what the turn costs is still told.
                self._log.warning("turn.lost", turn_id=held.lease.turn_id, reason=refusal.name)
                held.task.cancel()

    async def _drain(self) -> None:
        """Lets end what can, gives back the rest."""
        tasks = [held.task for held in self._held.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=self._terms.drain_seconds)
        left = list(self._held.values())
        if left:
            await cancel(*(held.task for held in left))
            self._log.info("turns.given_back", turns=len(left))
            try:
                await self._inbox.abandon([held.lease for held in left])
            except ParleyError as error:
                self._log.warning("turns.not_given_back", reason=error.name)

    def _pauses(self) -> Iterator[float]:
        """Growing, with full jitter, so that many workers do not come back at once."""
        ceiling = FIRST_PAUSE_SECONDS
        while True:
            yield ceiling * (0.5 + self._terms.random() / 2)
            ceiling = min(2 * ceiling, LONGEST_PAUSE_SECONDS)


def _lease(turn: LeasedTurn) -> TurnLease:
    return TurnLease(tenant_id=turn.tenant_id, turn_id=turn.turn_id, epoch=turn.epoch)


def _commit(turn: LeasedTurn, ending: Ending) -> TurnCommit:
    return TurnCommit(
        tenant_id=turn.tenant_id,
        turn_id=turn.turn_id,
        epoch=turn.epoch,
        owner_epoch=turn.setting.owner_epoch,
        state=ending.state,
        reason=ending.reason,
        replies=ending.replies,
        usage=ending.usage,
        model_conversation=ending.model_conversation,
        change=ending.change,
        wants_summary=ending.wants_summary,
        summary=ending.summary,
        summary_seq=ending.summary_seq,
        try_again_in=None if ending.try_again is None else span(ending.try_again),
    )
