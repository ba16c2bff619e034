"""How does a delivery move? Leased, attempted, ended; an attempt stands in the rows before the provider is called."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from kit.errors import OwnerChanged, StateConflict
from kit.moments import seconds
from parley.storage.v1.conversation_change_pb2 import HandOff
from parley.storage.v1.delivery_requests_pb2 import AttemptRecord
from storage_service.domain import attempting, called_off, receipts, reply_windows
from storage_service.domain.called_off import CALLED_OFF, lost, went_no_further
from storage_service.domain.changes import Changes
from storage_service.domain.mutations import GUARDED, Mutations
from storage_service.domain.rows import Attempt, Delivery, Key, Lane, Receipt
from storage_service.domain.turns import Done
from storage_service.domain.words import OUTCOME


class Move(Protocol):
    """What a record of one outcome does."""

    def __call__(self, moves: "Deliveries", lane: Lane, delivery: Delivery, /, *, item: AttemptRecord) -> Done: ...


@dataclass(slots=True)
class Deliveries:
    """The moves of one transaction. Lanes are locked; early receipts and policies are read; changes are gathered."""

    now: datetime
    changes: Changes
    policies: Mapping[Key, str]
    attempts: Mapping[Key, list[Attempt]]
    early: Sequence[Receipt]
    new_id: Callable[[], str]
    mutations: Mutations = GUARDED
    # What is still to be sent to people of whom the provider says that they opted out.
    unsent: Mapping[Key, Sequence[Delivery]] = field(default_factory=dict)

    moves: ClassVar[Mapping[str, Move]]

    def lease(self, lane: Lane, delivery: Delivery, *, worker_id: str, lease: timedelta) -> None:
        hold(lane, delivery, worker_id=worker_id, now=self.now, lease=lease)
        self._touch(lane, delivery)

    def record(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord, worker_id: str) -> Done:
        outcome = OUTCOME[item.outcome]
        if self._seen_before(delivery, item, outcome=outcome, worker_id=worker_id):
            return Done(duplicate=True, error=OwnerChanged() if item.begin_next and went_no_further(delivery) else None)
        held = (delivery.leased, delivery.worker_id, delivery.epoch) == (True, worker_id, item.epoch)
        if self.mutations.fencing and not held:
            return self._late(lane, delivery, item=item, outcome=outcome, worker_id=worker_id)
        return self.moves[outcome](self, lane, delivery, item=item)

    def _late(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord, outcome: str, worker_id: str) -> Done:
        """Its lease ended while it called, and what it heard is still true: as good as a receipt, and no more.

        The lane has gone on, so a part that is missing stays missing, and the delivery unknown, until a person decides.
        """
        begun = (delivery.state, delivery.worker_id, delivery.epoch, delivery.parts_sent)
        if begun != ("unknown", worker_id, item.epoch, item.part) or outcome not in {"sent", "rejected"}:
            return Done(error=lost(delivery))
        attempt = self._close(delivery, item, outcome=outcome)
        if outcome == "rejected":
            delivery.state, delivery.reason = "failed", item.reason or "rejected"
            self._note_opt_out(lane, delivery, item=item)
        else:
            delivery.parts_sent, delivery.provider_message_id = item.part + 1, item.provider_message_id
            if delivery.parts_sent >= delivery.parts:
                delivery.state, delivery.reason = "sent", ""
            reply_windows.spend_template(lane, attempt, changes=self.changes, now=self.now)
            self._join_early(lane, delivery, attempt=attempt)
        self._note(delivery)
        return Done(error=lost(delivery) if item.begin_next else None)

    def begin(self, _lane: Lane, delivery: Delivery, *, item: AttemptRecord) -> Done:
        if delivery.begun or item.part != delivery.parts_sent:
            return Done(error=StateConflict("another part is next"))
        self._begin(delivery, item.part, parts=item.parts, template=item.template)
        self._note(delivery)
        return Done()

    def sent(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord) -> Done:
        attempt = self._close(delivery, item, outcome="sent")
        reply_windows.spend_template(lane, attempt, changes=self.changes, now=self.now)
        missing = delivery.parts_sent < item.part  # what came before was refused meanwhile, and is decided anew
        delivery.parts_sent = delivery.parts_sent if missing else item.part + 1
        delivery.part_attempts = 0
        delivery.parts, delivery.provider_message_id = item.parts, item.provider_message_id
        if missing:
            self._put_back(lane, delivery, due_at=self.now)
        elif delivery.parts_sent >= delivery.parts:
            self._leave(lane, delivery, state="sent")
        elif delivery.reason in CALLED_OFF:
            self._leave(lane, delivery, state="failed", reason=delivery.reason)
        elif item.begin_next:
            self._begin(delivery, item.part + 1, parts=item.parts)
        self._touch(lane, delivery)
        self._join_early(lane, delivery, attempt=attempt)
        stopped = missing or went_no_further(delivery)
        return Done(error=lost(delivery) if item.begin_next and stopped else None)

    def retry(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord) -> Done:
        attempt = self._close(delivery, item, outcome="retry")
        if item.window_closed:
            reply_windows.note_closed(lane, attempt, changes=self.changes, now=self.now)
            delivery.part_attempts = 0
        self._put_back(lane, delivery, due_at=self.now + timedelta(seconds=seconds(item.retry_after)))
        self._touch(lane, delivery)
        return Done()

    def rejected(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord) -> Done:
        self._note_opt_out(lane, delivery, item=item)
        anew = item.HasField("hand_off") and reply_windows.was_heard_since(lane, delivery)
        if delivery.begun:  # Else no call was made: there is nothing more to know of it.
            self._close(delivery, item, outcome="rejected")
        if anew:
            self._put_back(lane, delivery, due_at=self.now)
        else:
            self._leave(lane, delivery, state="failed", reason=item.reason or "rejected")
            if item.HasField("hand_off"):
                self._ask_a_human(lane, delivery, why=item.hand_off)
        self._touch(lane, delivery)
        return Done()

    def unknown(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord) -> Done:
        attempt = self._close(delivery, item, outcome="unknown")
        self.doubt(lane, delivery, attempt=attempt, reason=item.reason or "unknown")
        return Done()

    def doubt(self, lane: Lane, delivery: Delivery, *, attempt: Attempt | None, reason: str) -> None:
        """Nobody knows whether the provider took it: a receipt may say, else the account's policy decides."""
        reply_windows.spend_template(lane, attempt, changes=self.changes, now=self.now)
        resend = self.policies.get((delivery.tenant_id, delivery.account_id)) == "resend"
        if resend and delivery.reason not in CALLED_OFF:
            self._put_back(lane, delivery, due_at=self.now)
        else:
            self._leave(lane, delivery, state="unknown", reason=reason)
        self._touch(lane, delivery)
        self._join_early(lane, delivery, attempt=attempt)

    def unauthorized(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord) -> Done:
        self._close(delivery, item, outcome="unauthorized")
        self._put_back(lane, delivery, due_at=self.now)
        lane.park()
        self.changes.paused[delivery.tenant_id, delivery.account_id] = "unauthorized"
        self._touch(lane, delivery)
        return Done()

    def released(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord) -> Done:
        del item  # No call was made: there is nothing more to know of it.
        if delivery.begun:
            return Done(error=StateConflict("an attempt has begun"))
        self._put_back(lane, delivery, due_at=self.now)
        self._touch(lane, delivery)
        return Done()

    def expire(self, lane: Lane, delivery: Delivery) -> None:
        """Its sender is gone. An attempt that had begun may have reached the provider; else nothing happened."""
        if not delivery.begun:
            self._put_back(lane, delivery, due_at=self.now)
            self._touch(lane, delivery)
            return
        attempt = self._current(delivery)
        if attempt:
            attempt.outcome, attempt.reason, attempt.ended_at = "unknown", "lease_expired", self.now
            self.changes.attempts[delivery.id, attempt.number] = attempt
        self.doubt(lane, delivery, attempt=attempt, reason="lease_expired")

    def again(self, lane: Lane, delivery: Delivery) -> None:
        """A person wants a failed or unknown delivery sent after all, as the next of its lane."""
        if delivery.state not in {"failed", "unknown"}:
            raise StateConflict(f"the delivery is {delivery.state}")
        if lane.opted_out:
            raise StateConflict("the contact wants no messages")
        delivery.part_attempts = 0
        self._requeue(delivery, self.now)
        lane.queue_delivery(self.now)
        self._touch(lane, delivery)

    def _begin(self, delivery: Delivery, part: int, *, parts: int, template: bool = False) -> None:
        delivery.expires_at = self.now + timedelta(seconds=delivery.lease_seconds)
        delivery.parts = parts
        if not self.mutations.attempt_record:
            return
        delivery.state, delivery.begun = "sending", True
        delivery.attempts += 1
        delivery.part_attempts += 1
        self.changes.new_attempts.append(attempting.begun(delivery, part, template=template, now=self.now))

    def _close(self, delivery: Delivery, item: AttemptRecord, *, outcome: str) -> Attempt | None:
        delivery.begun = False
        attempt = self._current(delivery)
        if attempt is None:
            return None
        attempt.outcome, attempt.ended_at = outcome, self.now
        attempt.provider_message_id, attempt.provider_code = item.provider_message_id, item.provider_code
        attempt.reason = item.reason
        delivery.provider_code = item.provider_code
        self.changes.attempts[delivery.id, attempt.number] = attempt
        return attempt

    def _current(self, delivery: Delivery) -> Attempt | None:
        fresh = (each for each in reversed(self.changes.new_attempts) if each.delivery_id == delivery.id)
        stored = reversed(self.attempts.get(delivery.key, []))
        return next((each for each in (*fresh, *stored) if each.number == delivery.attempts), None)

    def _join_early(self, lane: Lane, delivery: Delivery, *, attempt: Attempt | None) -> None:
        if attempt is None or not self.early:
            return
        known = [*self.attempts.get(delivery.key, [])]
        if attempt not in known:
            known.append(attempt)
        for receipt in self.early:
            if receipt.matched:
                continue
            receipt.matched = receipts.join(
                receipt,
                {delivery.key: delivery},
                lanes={lane.key: lane},
                attempts=known,
                changes=self.changes,
                now=self.now,
            )
            if receipt.matched:
                self.changes.matched.append(receipt)

    def _seen_before(self, delivery: Delivery, item: AttemptRecord, *, outcome: str, worker_id: str) -> bool:
        """The record of a call that was answered but whose answer was lost."""
        if not self.mutations.fencing or delivery.worker_id != worker_id or delivery.epoch != item.epoch:
            return False
        if outcome == "released":
            return not delivery.leased and delivery.state == "queued"
        if outcome == "rejected" and not delivery.leased and delivery.state == "failed":
            return True
        same = (item.epoch, item.part, outcome)
        return any((each.epoch, each.part, each.outcome) == same for each in self.attempts.get(delivery.key, []))

    def _put_back(self, lane: Lane, delivery: Delivery, *, due_at: datetime) -> None:
        """Keeps its place at the head of the lane, unless it was called off meanwhile: then it has ended."""
        if delivery.reason in CALLED_OFF:
            self._leave(lane, delivery, state="failed", reason=delivery.reason)
            return
        self._requeue(delivery, due_at)
        lane.return_delivery(due_at)

    def _requeue(self, delivery: Delivery, due_at: datetime) -> None:
        delivery.state, delivery.due_at = "queued", due_at
        delivery.expires_at, delivery.begun = None, False
        delivery.reason = ""

    def _leave(self, lane: Lane, delivery: Delivery, *, state: str, reason: str = "") -> None:
        """The delivery has ended and its lane goes on."""
        delivery.state, delivery.reason = state, reason
        delivery.expires_at, delivery.begun = None, False
        lane.end_delivery(self.now)

    def _ask_a_human(self, lane: Lane, delivery: Delivery, *, why: HandOff) -> None:
        entry = reply_windows.hand_over(lane, delivery, why=why, entry_id=self.new_id(), now=self.now)
        if entry is not None:
            self.changes.queue_entries.append(entry)
            self.changes.touch(lane, self.now)

    def _note_opt_out(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord) -> None:
        """Unless they wrote since: it may be the word with which they came back."""
        if item.opted_out and not lane.opted_out and not reply_windows.was_heard_since(lane, delivery):
            unsent = self.unsent.get(lane.key, ())
            called_off.opt_out(lane, delivery, unsent=unsent, changes=self.changes, now=self.now)

    def _note(self, delivery: Delivery) -> None:
        delivery.updated_at = self.now
        self.changes.deliveries[delivery.id] = delivery

    def _touch(self, lane: Lane, delivery: Delivery) -> None:
        self._note(delivery)
        self.changes.sending_lanes[lane.id] = lane


Deliveries.moves = {
    "begun": Deliveries.begin,
    "sent": Deliveries.sent,
    "retry": Deliveries.retry,
    "rejected": Deliveries.rejected,
    "unknown": Deliveries.unknown,
    "unauthorized": Deliveries.unauthorized,
    "released": Deliveries.released,
}


def hold(lane: Lane, delivery: Delivery, *, worker_id: str, now: datetime, lease: timedelta) -> None:
    """A sender has it from now on, and nothing else of its lane is leased meanwhile."""
    delivery.worker_id, delivery.expires_at = worker_id, now + lease
    delivery.lease_seconds = lease.total_seconds()
    delivery.epoch += 1
    lane.hold_delivery(delivery.id)
