"""What does storage do for those who bring messages and those who answer them?"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from kit.errors import LeaseLost, ParleyError, StorageUnavailable
from parley.chat.v1.message_pb2 import TURN_KIND_SUMMARY
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from parley.storage.v1.inbox_service_pb2 import Submission, SubmissionResult
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, TurnCommit, TurnLease
from storage_service.domain import handing, summary_work, weights
from storage_service.domain.accepting import Acceptance
from storage_service.domain.asks import Ask, Handed
from storage_service.domain.database import Database, HotRows
from storage_service.domain.groups import Groups
from storage_service.domain.handing import GivenTurn
from storage_service.domain.lessor import Filled, Lessor
from storage_service.domain.pressure import Pressure
from storage_service.domain.turn_work import TurnWork
from storage_service.domain.turns import Done
from storage_service.domain.wakeups import Wakeups

Item = TypeVar("Item")


class Inbox:
    """Accepts messages once and hands them out as turns."""

    def __init__(
        self,
        database: Database,
        acceptance: Acceptance,
        *,
        work: TurnWork,
        pressure: Pressure,
        wakeups: Wakeups,
        deliveries: Lessor[LeasedDelivery],
    ) -> None:
        self._database = database
        self._deliveries = deliveries
        self._acceptance = acceptance
        self._work = work
        self._pressure = pressure
        self._summaries = wakeups.summaries
        self._accepts = Groups[Submission, SubmissionResult]("accept", self._accept)
        self._commits = Groups[tuple[str, TurnCommit], Done]("commit", self._commit)
        others = database.living_others
        self.turns = Lessor[GivenTurn](self._fill, self._give_back, bell=wakeups.turns, others=others)

    async def close(self) -> None:
        await self.turns.stop()
        await self._accepts.close()
        await self._commits.close()

    async def accept(self, submissions: Sequence[Submission]) -> Sequence[SubmissionResult | ParleyError]:
        """Durable when it returns. Raises, before anything is written, when nothing can be accepted now."""
        self._pressure.check()
        refused = {place: error for place, each in enumerate(submissions) if (error := self._refusal(each))}
        taken = [each for place, each in enumerate(submissions) if place not in refused]
        done = iter(await self._accepts.put(taken) if taken else ())
        results = [refused[place] if place in refused else next(done) for place in range(len(submissions))]
        if lost := next((each for each in results if isinstance(each, StorageUnavailable)), None):
            raise lost
        return results

    def _refusal(self, submission: Submission) -> ParleyError | None:
        """Of words only: receipts tell of what was sent, and help."""
        if not submission.comes_again or not submission.messages or submission.receipts:
            return None
        return self._pressure.refusal((submission.tenant_id, submission.account_id))

    async def lease(self, ask: Ask, wait_seconds: float) -> list[LeasedTurn]:
        given = await self.turns.lease(ask, wait_seconds)
        try:
            if any(each.before for each in given):
                await self._database.run("read", lambda rows: handing.remember(rows, given))
        except BaseException:  # Nobody gets them: the call was cancelled, or nothing can be read.
            self.turns.take_back(ask.worker_id, given)
            raise
        heavy = [weights.lightened(each.turn) for each in given]
        return [each.turn for each in self.turns.carried(ask.worker_id, given, weights=heavy)]

    async def commit(self, worker_id: str, items: Sequence[TurnCommit]) -> Sequence[Done]:
        return settled(await self._commits.put([(worker_id, item) for item in items]))

    async def extend(self, worker_id: str, leases: Sequence[TurnLease], *, lease: timedelta) -> Sequence[Done]:
        async def work(rows: HotRows) -> list[Done]:
            return await self._work.extend(rows, leases, worker_id=worker_id, lease=lease)

        async def beside(rows: HotRows, rest: Sequence[TurnLease]) -> list[Done]:
            return await summary_work.extend(rows, rest, worker_id=worker_id, lease=lease)

        return await self._both(await self._database.run("turns", work), leases, beside=beside)

    async def abandon(
        self, worker_id: str, leases: Sequence[TurnLease], *, delay: timedelta, merge: bool = False
    ) -> Sequence[Done]:
        """With `merge` each comes back with what waits behind it, at once; behind a summary nothing waits."""
        after = timedelta() if merge else delay

        async def work(rows: HotRows) -> list[Done]:
            if merge:
                return await self._work.merge(rows, leases, worker_id=worker_id)
            return await self._work.give_back(rows, leases, worker_id=worker_id, delay=delay)

        async def beside(rows: HotRows, rest: Sequence[TurnLease]) -> list[Done]:
            return await summary_work.give_back(rows, rest, worker_id=worker_id, delay=after, counts=not merge)

        return await self._both(await self._database.run("turns", work), leases, beside=beside)

    async def _accept(self, submissions: Sequence[Submission]) -> Sequence[SubmissionResult | ParleyError]:
        async def work(workers: Sequence[Ask]) -> Handed[SubmissionResult | ParleyError, GivenTurn]:
            accept = self._acceptance.accept
            return await self._database.run("accept", lambda rows: accept(rows, submissions, workers=workers))

        return await self.turns.handing(work)

    async def _commit(self, commits: Sequence[tuple[str, TurnCommit]]) -> Sequence[Done]:
        async def work(senders: Sequence[Ask]) -> Handed[Done, LeasedDelivery]:
            commit = self._work.commit
            return await self._database.run("turns", lambda rows: commit(rows, commits, senders=senders))

        return await self._both(await self._deliveries.handing(work), commits, beside=summary_work.commit)

    async def _both(
        self,
        done: Sequence[Done],
        items: Sequence[Item],
        *,
        beside: Callable[[HotRows, Sequence[Item]], Awaitable[list[Done]]],
    ) -> list[Done]:
        """What is no turn that the worker holds may be a summary. Those are looked for only then."""
        lost = [place for place, each in enumerate(done) if isinstance(each.error, LeaseLost)]
        if not lost:
            return list(done)
        rest = [items[place] for place in lost]
        found = await self._database.run("turns", lambda rows: beside(rows, rest))
        instead = dict(zip(lost, found, strict=True))
        return [instead.get(place, each) for place, each in enumerate(done)]

    async def _fill(self, asks: Sequence[Ask]) -> Filled[GivenTurn]:
        """Turns first; then summaries, when it was heard of one and there is room."""
        hoped = self._summaries.hush()

        async def work(rows: HotRows) -> tuple[Filled[GivenTurn], bool]:
            given = await self._work.lease(rows, asks)
            left = [replace(ask, most=ask.most - len(each)) for ask, each in zip(asks, given, strict=True)]
            more = await summary_work.lease(rows, left) if hoped else [[] for _ in asks]
            full = sum(len(each) for each in more) == sum(ask.most for ask in left)
            both = [[*turns, *summaries] for turns, summaries in zip(given, more, strict=True)]
            due_at = None if any(both) else (await rows.next_due()).turn_at
            return Filled([list(map(GivenTurn, each)) for each in both], seconds_until(due_at, rows.now)), full

        full = True
        try:
            filled, full = await self._database.run("lease_turns", work)
        finally:
            if hoped and full:  # There may be more of them.
                self._summaries.ring()
        return filled

    async def _give_back(self, worker_id: str, given: Sequence[GivenTurn]) -> None:
        turns = [each.turn for each in given if each.turn.kind != TURN_KIND_SUMMARY]
        summaries = [lease_of(each.turn) for each in given if each.turn.kind == TURN_KIND_SUMMARY]
        if turns:
            await self._database.run("turns", lambda rows: self._work.unlease(rows, turns, worker_id=worker_id))
        if summaries:
            back, now = summary_work.give_back, timedelta()
            await self._database.run(
                "turns", lambda rows: back(rows, summaries, worker_id=worker_id, delay=now, counts=False)
            )


def lease_of(given: LeasedTurn) -> TurnLease:
    return TurnLease(tenant_id=given.tenant_id, turn_id=given.turn_id, epoch=given.epoch)


def seconds_until(due_at: datetime | None, now: datetime) -> float | None:
    return (due_at - now).total_seconds() if due_at else None


def settled(results: Sequence[Done | ParleyError]) -> list[Done]:
    """A lost database fails the whole call, because nobody knows what was written; the rest fails item by item."""
    if lost := next((each for each in results if isinstance(each, StorageUnavailable)), None):
        raise lost
    return [Done(error=each) if isinstance(each, ParleyError) else each for each in results]
