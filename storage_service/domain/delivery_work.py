"""How do senders take deliveries and say what became of them? One transaction for all that ask at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol

from kit.errors import NotFound, as_item
from kit.moments import span
from parley.storage.v1.delivery_requests_pb2 import (
    ATTEMPT_OUTCOME_SENT,
    ATTEMPT_OUTCOME_UNKNOWN,
    AttemptRecord,
    AttemptResult,
    LeasedDelivery,
)
from storage_service.domain import called_off, leased, other_chats, receipts, undelivered
from storage_service.domain.asks import Ask, share
from storage_service.domain.changes import Changes
from storage_service.domain.deliveries import Deliveries
from storage_service.domain.leased import Head
from storage_service.domain.leasing import Leasing
from storage_service.domain.mutations import GUARDED, Mutations
from storage_service.domain.pace import Pace, PaceKey
from storage_service.domain.pacing import Paces, keys_of
from storage_service.domain.rows import Attempt, Delivery, Key, Lane, Receipt
from storage_service.domain.words import DELIVERY_STATE

MOST_LOOKS = 8


class DeliveryRows(receipts.ReceiptRows, other_chats.OtherRows, Protocol):
    """What delivery work needs of a transaction."""

    async def ready_deliveries(self, most: int) -> Sequence[Lane]: ...
    async def heads(self, keys: Sequence[Key]) -> Mapping[Key, Head]: ...
    async def locked_deliveries(self, keys: Sequence[Key]) -> tuple[Mapping[Key, Lane], Mapping[Key, Delivery]]: ...
    async def early(self, keys: Sequence[Key], provider_ids: Sequence[tuple[str, str, str]]) -> Sequence[Receipt]: ...
    async def policies(self, accounts: Sequence[Key]) -> Mapping[Key, str]: ...
    async def paces(self, keys: Sequence[PaceKey]) -> Mapping[PaceKey, Pace]: ...


@dataclass(frozen=True, slots=True)
class DeliveryWork:
    """The rules of a batch."""

    new_id: Callable[[], str]
    mutations: Mutations = GUARDED

    async def lease(self, rows: DeliveryRows, asks: Sequence[Ask]) -> list[list[LeasedDelivery]]:
        """Looks again while what is found must wait: a thousand lanes of an account that stopped hide nobody's."""
        given: list[list[LeasedDelivery]] = [[] for _ in asks]
        for _ in range(MOST_LOOKS):
            left = [replace(ask, most=ask.most - len(each)) for ask, each in zip(asks, given, strict=True)]
            lanes = await rows.ready_deliveries(sum(ask.most for ask in left))
            found = await self._lease(rows, left, lanes=lanes) if lanes else [[] for _ in asks]
            given = [[*had, *more] for had, more in zip(given, found, strict=True)]
            if sum(map(len, found)) == len(lanes):
                break
        return given

    async def _lease(
        self, rows: DeliveryRows, asks: Sequence[Ask], *, lanes: Sequence[Lane]
    ) -> list[list[LeasedDelivery]]:
        heads = await rows.heads([lane.key for lane in lanes])
        waiting = sorted({(*lane.key[:1], lane.account_id, "") for lane in lanes if _may_wait(heads.get(lane.key))})
        paces = Paces.of(waiting, await rows.paces(waiting)) if waiting else Paces()
        moves = Leasing(rows.now, Changes(), paces)
        filled: dict[int, list[LeasedDelivery]] = {id(ask): [] for ask in asks}
        for lane, ask in share(lanes, asks):
            head = heads.get(lane.key)
            if moves.is_settled(lane, head) or head is None or moves.must_wait(lane, head.delivery):
                continue
            moves.lease(lane, head.delivery, worker_id=ask.worker_id, lease=ask.lease)
            filled[id(ask)].append(leased.delivery(lane, head))
        moves.changes.paces = paces.changed
        await rows.write(moves.changes)
        return [filled[id(ask)] for ask in asks]

    async def record(self, rows: DeliveryRows, records: Sequence[tuple[str, AttemptRecord]]) -> list[AttemptResult]:
        """Each with the worker that brings it, applied in their order."""
        keys = sorted({_named(item) for _, item in records})
        others = await other_chats.held(rows, [item for _, item in records])
        lanes, deliveries = await rows.locked_deliveries(keys)
        moves = await self._moves(rows, deliveries, records=records)
        leaving = {lanes[key].key for _, item in records if item.opted_out and (key := _named(item)) in lanes}
        leaving |= {lane.key for lane in lanes.values()} if receipts.may_leave(moves.early) else set()
        moves.others = other_chats.shared(others, lanes.values())
        moves.unsent = await called_off.unsent(rows, leaving, deliveries=deliveries)
        results = [
            self._record(moves, lanes, deliveries=deliveries, worker_id=worker_id, item=item)
            for worker_id, item in records
        ]
        moves.changes.paces = moves.paces.changed
        await called_off.end_turns(rows, moves.turns)
        await rows.write(moves.changes)
        return results

    def _record(
        self,
        moves: Deliveries,
        lanes: Mapping[Key, Lane],
        *,
        deliveries: Mapping[Key, Delivery],
        worker_id: str,
        item: AttemptRecord,
    ) -> AttemptResult:
        key = _named(item)
        delivery, lane = deliveries.get(key), lanes.get(key)
        if delivery is None or lane is None:
            return AttemptResult(error=as_item(NotFound("no such delivery", metadata={"resource": "delivery"})))
        done = moves.record(lane, delivery, item=item, worker_id=worker_id)
        error = as_item(done.error) if done.error else None
        wait = None if done.wait is None else span(done.wait)
        elsewhere = delivery.reason == other_chats.SAID_ELSEWHERE
        state = DELIVERY_STATE[delivery.state]
        return AttemptResult(error=error, duplicate=done.duplicate, state=state, wait=wait, said_elsewhere=elsewhere)

    async def _moves(
        self, rows: DeliveryRows, deliveries: Mapping[Key, Delivery], *, records: Sequence[tuple[str, AttemptRecord]]
    ) -> Deliveries:
        """Reads the attempts only of those that have some, receipts only when something may have been taken."""
        tried = [key for key, delivery in deliveries.items() if delivery.attempts]
        attempts = by_delivery(await rows.attempts(tried)) if tried else {}
        known = [(item, deliveries.get((item.tenant_id, item.delivery_id))) for _, item in records]
        taken = [(item, delivery) for item, delivery in known if delivery and _may_be_taken(item)]
        named = [(d.tenant_id, d.account_id, item.provider_message_id) for item, d in taken]
        early = await rows.early([d.key for _, d in taken], named) if taken else []
        askers = await undelivered.askers(rows, early, attempts=chain.from_iterable(attempts.values()))
        doubtful = sorted({(d.tenant_id, d.account_id) for item, d in taken if item.outcome == ATTEMPT_OUTCOME_UNKNOWN})
        policies = await rows.policies(doubtful) if doubtful else {}
        paces = await self._paces(rows, known)
        moves = Deliveries(rows.now, Changes(), policies, attempts, early, self.new_id, self.mutations, paces=paces)
        moves.askers = askers
        return moves

    async def _paces(self, rows: DeliveryRows, known: Sequence[tuple[AttemptRecord, Delivery | None]]) -> Paces:
        """Locked last and in their order, so that nobody waits for a lane while others wait for these."""
        keys = sorted({key for item, delivery in known if delivery for key in keys_of(item, delivery)})
        return Paces.of(keys, await rows.paces(keys)) if keys else Paces()


def by_delivery(attempts: Sequence[Attempt]) -> dict[Key, list[Attempt]]:
    """Attempts of each delivery in the order they were made."""
    grouped: dict[Key, list[Attempt]] = {}
    for each in sorted(attempts, key=lambda attempt: attempt.number):
        grouped.setdefault((each.tenant_id, each.delivery_id), []).append(each)
    return grouped


def _may_wait(head: Head | None) -> bool:
    return head is not None and head.may_wait


def _named(item: AttemptRecord) -> Key:
    return item.tenant_id, item.delivery_id


def _may_be_taken(item: AttemptRecord) -> bool:
    return item.outcome in {ATTEMPT_OUTCOME_SENT, ATTEMPT_OUTCOME_UNKNOWN}
