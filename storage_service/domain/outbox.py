"""What does storage do for those who send, and for what providers say of it later?"""

from collections.abc import Callable, Sequence

from kit.errors import ParleyError, StorageUnavailable, as_item
from kit.moments import seconds
from parley.storage.v1.delivery_requests_pb2 import (
    ATTEMPT_OUTCOME_RELEASED,
    ATTEMPT_OUTCOME_RETRY,
    AttemptRecord,
    AttemptResult,
    LeasedDelivery,
)
from parley.storage.v1.outbox_service_pb2 import AccountReceipts
from storage_service.domain import receipts
from storage_service.domain.asks import Ask
from storage_service.domain.database import Database, HotRows
from storage_service.domain.delivery_work import DeliveryWork
from storage_service.domain.groups import Groups
from storage_service.domain.inbox import seconds_until
from storage_service.domain.lessor import Filled, Lessor
from storage_service.domain.wakeups import Wakeups


class Outbox:
    """Hands out deliveries in order and notes what became of them."""

    def __init__(self, database: Database, work: DeliveryWork, *, wakeups: Wakeups, new_id: Callable[[], str]) -> None:
        self._database = database
        self._work = work
        self._new_id = new_id
        self._records = Groups[tuple[str, AttemptRecord], AttemptResult]("record", self._record)
        self._receipts = Groups[AccountReceipts, None]("receipts", self._note)
        bell, others = wakeups.deliveries, database.living_others
        self.deliveries = Lessor[LeasedDelivery](self._fill, self._give_back, bell=bell, others=others)

    async def close(self) -> None:
        await self.deliveries.stop()
        await self._records.close()
        await self._receipts.close()

    async def lease(self, ask: Ask, wait_seconds: float) -> list[LeasedDelivery]:
        return await self.deliveries.lease(ask, wait_seconds)

    async def record(self, worker_id: str, items: Sequence[AttemptRecord]) -> Sequence[AttemptResult]:
        results = await self._records.put([(worker_id, item) for item in items])
        raise_when_lost(results)
        return [AttemptResult(error=as_item(each)) if isinstance(each, ParleyError) else each for each in results]

    async def receipts(self, accounts: Sequence[AccountReceipts]) -> Sequence[ParleyError | None]:
        results = await self._receipts.put(accounts)
        raise_when_lost(results)
        return results

    async def _record(self, records: Sequence[tuple[str, AttemptRecord]]) -> Sequence[AttemptResult]:
        results = await self._database.run("deliveries", lambda rows: self._work.record(rows, records))
        waits = [seconds(each.wait) for each in results if each.HasField("wait")]
        waits += [seconds(item.retry_after) for _, item in records if item.outcome == ATTEMPT_OUTCOME_RETRY]
        if waits:
            self.deliveries.expect(min(waits))
        return results

    async def _note(self, accounts: Sequence[AccountReceipts]) -> Sequence[None]:
        async def work(rows: HotRows) -> Sequence[None]:
            said = [
                row
                for each in accounts
                for row in receipts.rows_of(
                    each.receipts,
                    tenant_id=each.tenant_id,
                    account_id=each.account_id,
                    now=rows.now,
                    new_id=self._new_id,
                )
            ]
            if said:
                await receipts.record(rows, said, new_id=self._new_id)
            return [None] * len(accounts)

        return await self._database.run("deliveries", work)

    async def _fill(self, asks: Sequence[Ask]) -> Filled[LeasedDelivery]:
        async def work(rows: HotRows) -> Filled[LeasedDelivery]:
            given = await self._work.lease(rows, asks)
            full = sum(map(len, given)) >= sum(ask.most for ask in asks)
            due_at = None if full else (await rows.next_due()).delivery_at
            return Filled(given, seconds_until(due_at, rows.now))

        return await self._database.run("lease_deliveries", work)

    async def _give_back(self, worker_id: str, given: Sequence[LeasedDelivery]) -> None:
        records = [(worker_id, _released(each)) for each in given]
        await self._database.run("deliveries", lambda rows: self._work.record(rows, records))


def raise_when_lost(results: Sequence[object]) -> None:
    """A lost database fails the whole call, because nobody knows what was written."""
    if lost := next((each for each in results if isinstance(each, StorageUnavailable)), None):
        raise lost


def _released(given: LeasedDelivery) -> AttemptRecord:
    return AttemptRecord(
        tenant_id=given.tenant_id,
        delivery_id=given.delivery_id,
        epoch=given.epoch,
        parts=1,
        outcome=ATTEMPT_OUTCOME_RELEASED,
    )
