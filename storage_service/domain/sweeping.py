"""What is left over when a process dies, and who tidies it? Any replica, once a second, in small bites."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from kit import metrics
from storage_service.domain import called_off, hearing, media_work, receipts, summary_work, undelivered
from storage_service.domain.asks import Wanted
from storage_service.domain.changes import Changes
from storage_service.domain.deliveries import Deliveries
from storage_service.domain.delivery_work import DeliveryRows, by_delivery
from storage_service.domain.last_resort import LastResort
from storage_service.domain.media_work import FetchingRows
from storage_service.domain.mutations import GUARDED, Mutations
from storage_service.domain.rows import Key, Lane, Receipt, Turn
from storage_service.domain.summary_work import SummingRows
from storage_service.domain.turn_work import TurnRows
from storage_service.domain.turns import Turns
from storage_service.domain.words import OPEN_TURN

# A receipt whose delivery is not known after this time is about something that we did not send.
LATEST_RECEIPT = timedelta(minutes=10)
# Nobody asks the same thing again after this time; a request id that comes back later is a new request.
LATEST_REPEAT = timedelta(days=7)
# Longer than any chat's limit looks back.
LATEST_PACE = timedelta(hours=1)
MEDIA_BITE = 10
# Pieces are of 256 KiB at most: on SQLite everybody waits while they are removed.
MEDIA_BITE_PIECES = 16


class SweepRows(TurnRows, DeliveryRows, SummingRows, FetchingRows, Protocol):
    """What sweeping needs of a transaction. Each gives at most `most`, oldest first."""

    async def expired_turns(self, most: int) -> Sequence[Key]: ...
    async def overdue_turns(self, most: int) -> Sequence[Key]: ...
    async def expired_deliveries(self, most: int) -> Sequence[Key]: ...
    async def unmatched(self, since: datetime, most: int) -> Sequence[Receipt]: ...
    async def freed(self, most: int) -> Sequence[Lane]: ...
    async def forget_raw(self, before: datetime, most: int) -> int: ...
    async def forget_receipts(self, before: datetime, most: int) -> int: ...
    async def forget_requests(self, before: datetime, most: int) -> int: ...
    async def forget_paces(self, before: datetime, most: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Sweeper:
    """One bite of each kind; returns how much it found, so that a full bite is followed by another."""

    new_id: Callable[[], str]
    fallback_text: str
    most_leases: int = 5
    keep_raw: timedelta = timedelta(days=7)
    keep_media: timedelta = timedelta(days=30)
    bite: int = 200
    mutations: Mutations = GUARDED

    async def expired_turns(self, rows: SweepRows) -> int:
        """A lease without its worker: back to the head of its lane, or ended when that happened too often."""
        keys = sorted(await rows.expired_turns(self.bite))
        lanes, turns, resorts = await self._locked(rows, keys)
        words = await _holding_words(rows, lanes, turns=turns)
        moves = Turns(rows.now, self.new_id, Changes(), self.mutations)
        for key, turn in turns.items():
            lane = lanes[key]
            if turn.state != "running" or turn.expires_at is None or turn.expires_at > rows.now:
                continue
            if turn.attempts >= self.most_leases and key not in words:
                moves.fail(lane, turn, reason="turn_exhausted", resort=resorts[lane.key])
            else:
                moves.take_back(lane, turn, due_at=rows.now)
        await rows.write(moves.changes)
        return len(keys)

    async def overdue_turns(self, rows: SweepRows) -> int:
        """No silence: the person is told, whoever still works on it; and a human is asked for when it happens again.

        But who says STOP is not told to try again: that waits until an agent hears it.
        """
        keys = sorted(await rows.overdue_turns(self.bite))
        lanes, turns, resorts = await self._locked(rows, keys)
        words = await _holding_words(rows, lanes, turns=turns)
        moves = Turns(rows.now, self.new_id, Changes(), self.mutations)
        for key, turn in turns.items():
            if turn.state not in OPEN_TURN or turn.deadline_at > rows.now:
                continue
            if key in words:
                moves.put_off(lanes[key], turn)
            else:
                moves.fail(lanes[key], turn, reason="turn_deadline", resort=resorts[lanes[key].key])
        await rows.write(moves.changes)
        return len(keys)

    async def expired_deliveries(self, rows: SweepRows) -> int:
        keys = sorted(await rows.expired_deliveries(self.bite))
        if not keys:
            return 0
        lanes, deliveries = await rows.locked_deliveries(keys)
        tried = await rows.attempts(keys)
        policies = await rows.policies(sorted({(d.tenant_id, d.account_id) for d in deliveries.values()}))
        early = await rows.early(keys, [])
        moves = Deliveries(rows.now, Changes(), policies, by_delivery(tried), early, self.new_id, self.mutations)
        moves.askers = await undelivered.askers(rows, early, attempts=tried)
        leaving = {lane.key for lane in lanes.values()} if receipts.may_leave(early) else set()
        moves.unsent = await called_off.unsent(rows, leaving, deliveries=deliveries)
        for key, delivery in deliveries.items():
            if delivery.expires_at is not None and delivery.expires_at <= rows.now:
                moves.expire(lanes[key], delivery)
        await called_off.end_turns(rows, moves.turns)
        await rows.write(moves.changes)
        # No sender counts these: who called is gone.
        metrics.deliveries_abandoned.inc(sum(delivery.state == "unknown" for delivery in deliveries.values()))
        return len(keys)

    async def expired_summaries(self, rows: SweepRows) -> int:
        """Again, a few times, and then never: nobody is told of a summary that failed."""
        return await summary_work.expired(rows, self.bite)

    async def unmatched_receipts(self, rows: SweepRows) -> int:
        """A receipt and the record of its send may be written at the same moment, neither seeing the other."""
        waiting = await rows.unmatched(rows.now - LATEST_RECEIPT, self.bite)
        targets = await rows.targets(waiting) if waiting else []
        if not targets:
            return 0
        lanes = await rows.lanes(sorted({(tenant_id, chat) for tenant_id, _, chat in targets}))
        known = await receipts.read(rows, waiting, targets=targets, lanes=lanes)
        changes = Changes()
        for receipt in waiting:
            receipt.matched = receipts.join(receipt, known, changes=changes, now=rows.now)
            if receipt.matched:
                changes.matched.append(receipt)
        await called_off.end_turns(rows, Turns(rows.now, self.new_id, changes, self.mutations))
        await rows.write(changes)
        return len(changes.matched)

    async def freed_lanes(self, rows: SweepRows) -> int:
        """Lanes of an account that is active again."""
        lanes = await rows.freed(self.bite)
        changes = Changes()
        for lane in lanes:
            lane.delivery_parked = False
            lane.delivery_due_at = rows.now if lane.open_deliveries and not lane.sending_delivery_id else None
            changes.sending_lanes[lane.id] = lane
        await rows.write(changes)
        return len(lanes)

    async def old_raw_payloads(self, rows: SweepRows) -> int:
        return await rows.forget_raw(rows.now - self.keep_raw, self.bite)

    async def old_receipts(self, rows: SweepRows) -> int:
        """About what we did not send, or send no more: they name somebody by the provider's id, as a body does."""
        return await rows.forget_receipts(rows.now - max(self.keep_raw, LATEST_RECEIPT), self.bite)

    async def old_media(self, rows: SweepRows) -> int:
        """A few at a time: each may be of many megabytes."""
        before = rows.now - self.keep_media
        gone, is_full = await media_work.expire(rows, before, most=MEDIA_BITE, most_pieces=MEDIA_BITE_PIECES)
        return self.bite if is_full else gone

    async def old_requests(self, rows: SweepRows) -> int:
        return await rows.forget_requests(rows.now - LATEST_REPEAT, self.bite)

    async def old_paces(self, rows: SweepRows) -> int:
        return await rows.forget_paces(rows.now - LATEST_PACE, self.bite)

    async def _locked(
        self, rows: SweepRows, keys: Sequence[Key]
    ) -> tuple[Mapping[Key, Lane], Mapping[Key, Turn], dict[Key, LastResort]]:
        lanes, turns = await rows.locked_turns(keys)
        unique = sorted({lane.key for lane in lanes.values()})
        settings = await rows.settings(unique) if unique else {}
        return lanes, turns, {key: LastResort.of(settings[key], self.fallback_text) for key in unique}


async def _holding_words(rows: SweepRows, lanes: Mapping[Key, Lane], *, turns: Mapping[Key, Turn]) -> set[Key]:
    """The turns by which a contact leaves or comes back. Of a conversation one may run and one wait: one at a time."""
    found: set[Key] = set()
    for runs in (True, False):
        some = [key for key, turn in turns.items() if (lanes[key].running_turn_id == turn.id) is runs]
        wanted = [Wanted(*lanes[key].key, turns[key].id, turns[key].first_seq, 0, 0) for key in some]
        heard = await rows.heard(wanted) if wanted else {}
        said = {key: [each.message.text for each in heard[lanes[key].key].own] for key in some}
        found |= {key for key in some if hearing.holds_a_word(lanes[key], said[key])}
    return found
