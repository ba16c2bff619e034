"""What does storage do for those who bring messages and those who answer them?"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from kit.errors import ParleyError, StorageUnavailable
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from parley.storage.v1.inbox_service_pb2 import Submission, SubmissionResult
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, TurnCommit, TurnLease
from storage_service.domain.accepting import Acceptance
from storage_service.domain.asks import Ask, Handed
from storage_service.domain.database import Database, HotRows
from storage_service.domain.groups import Groups
from storage_service.domain.lessor import Filled, Lessor
from storage_service.domain.pressure import Pressure
from storage_service.domain.turn_work import TurnWork
from storage_service.domain.turns import Done
from storage_service.domain.wakeups import Wakeups


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
        self._accepts = Groups[Submission, SubmissionResult]("accept", self._accept)
        self._commits = Groups[tuple[str, TurnCommit], Done]("commit", self._commit)
        self.turns = Lessor[LeasedTurn](self._fill, self._give_back, bell=wakeups.turns)

    async def close(self) -> None:
        await self.turns.stop()
        await self._accepts.close()
        await self._commits.close()

    async def accept(self, submissions: Sequence[Submission]) -> Sequence[SubmissionResult | ParleyError]:
        """Durable when it returns. Raises, before anything is written, when nothing can be accepted now."""
        self._pressure.check()
        results = await self._accepts.put(submissions)
        if lost := next((each for each in results if isinstance(each, StorageUnavailable)), None):
            raise lost
        return results

    async def lease(self, ask: Ask, wait_seconds: float) -> list[LeasedTurn]:
        return await self.turns.lease(ask, wait_seconds)

    async def commit(self, worker_id: str, items: Sequence[TurnCommit]) -> Sequence[Done]:
        return settled(await self._commits.put([(worker_id, item) for item in items]))

    async def extend(self, worker_id: str, leases: Sequence[TurnLease], *, lease: timedelta) -> Sequence[Done]:
        async def work(rows: HotRows) -> list[Done]:
            return await self._work.extend(rows, leases, worker_id=worker_id, lease=lease)

        return await self._database.run("turns", work)

    async def abandon(self, worker_id: str, leases: Sequence[TurnLease], *, delay: timedelta) -> Sequence[Done]:
        async def work(rows: HotRows) -> list[Done]:
            return await self._work.give_back(rows, leases, worker_id=worker_id, delay=delay)

        return await self._database.run("turns", work)

    async def _accept(self, submissions: Sequence[Submission]) -> Sequence[SubmissionResult | ParleyError]:
        async def work(workers: Sequence[Ask]) -> Handed[SubmissionResult | ParleyError, LeasedTurn]:
            accept = self._acceptance.accept
            return await self._database.run("accept", lambda rows: accept(rows, submissions, workers=workers))

        return await self.turns.handing(work)

    async def _commit(self, commits: Sequence[tuple[str, TurnCommit]]) -> Sequence[Done]:
        async def work(senders: Sequence[Ask]) -> Handed[Done, LeasedDelivery]:
            commit = self._work.commit
            return await self._database.run("turns", lambda rows: commit(rows, commits, senders=senders))

        return await self._deliveries.handing(work)

    async def _fill(self, asks: Sequence[Ask]) -> Filled[LeasedTurn]:
        async def work(rows: HotRows) -> Filled[LeasedTurn]:
            given = await self._work.lease(rows, asks)
            due_at = None if any(given) else (await rows.next_due()).turn_at
            return Filled(given, seconds_until(due_at, rows.now))

        return await self._database.run("lease_turns", work)

    async def _give_back(self, worker_id: str, given: Sequence[LeasedTurn]) -> None:
        await self._database.run("turns", lambda rows: self._work.unlease(rows, given, worker_id=worker_id))


def seconds_until(due_at: datetime | None, now: datetime) -> float | None:
    return (due_at - now).total_seconds() if due_at else None


def settled(results: Sequence[Done | ParleyError]) -> list[Done]:
    """A lost database fails the whole call, because nobody knows what was written; the rest fails item by item."""
    if lost := next((each for each in results if isinstance(each, StorageUnavailable)), None):
        raise lost
    return [Done(error=each) if isinstance(each, ParleyError) else each for each in results]
