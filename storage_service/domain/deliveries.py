"""How does a leased delivery move? Attempted, ended; an attempt stands in the rows before the provider is called."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from kit.errors import InvalidField, StateConflict
from kit.moments import seconds
from parley.storage.v1.conversation_change_pb2 import HandOff
from parley.storage.v1.delivery_requests_pb2 import AttemptRecord
from storage_service.domain import attempting, called_off, receipts, reply_windows
from storage_service.domain.called_off import CALLED_OFF, lost, went_no_further
from storage_service.domain.changes import Changes
from storage_service.domain.holding import let_go
from storage_service.domain.mutations import GUARDED, Mutations
from storage_service.domain.other_chats import SAID_ELSEWHERE, Other, say, why_not_again
from storage_service.domain.pacing import PACED, Paces, count_call
from storage_service.domain.rows import Attempt, Delivery, Key, Lane, Receipt
from storage_service.domain.standing import after, standing
from storage_service.domain.turns import Done, Turns
from storage_service.domain.words import OUTCOME, UNAUTHORIZED


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
    paces: Paces = field(default_factory=Paces)
    askers: Set[Key] = frozenset()  # accounts that want a human when a reply did not arrive
    others: Mapping[Key, Other] = field(default_factory=dict)  # where it may be said instead, by delivery

    moves: ClassVar[Mapping[str, Move]]

    def record(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord, worker_id: str) -> Done:
        outcome = OUTCOME.get(item.outcome)
        if outcome is None:  # an enum of the contract is open: a newer sender may say what this version has no name for
            return Done(error=InvalidField([("outcome", "is not a known value")]))
        item = attempting.unnamed(item) if lane.is_erased else item
        stored = self.attempts.get(delivery.key, [])
        if self.mutations.fencing and attempting.is_told(delivery, item, worker_id=worker_id, stored=stored):
            # Said again, because the answer was lost: whether the next part has begun is all that matters now.
            return Done(duplicate=True, error=lost(delivery) if item.begin_next and not delivery.begun else None)
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
        attempt = self._close(lane, delivery, item=item, outcome=outcome)
        if outcome == "rejected":
            delivery.state, delivery.reason = attempting.refused(delivery, item, attempts=self.attempts)
            self._note_opt_out(lane, delivery, item=item)
        else:
            delivery.parts_sent, delivery.provider_message_id = item.part + 1, item.provider_message_id
            if delivery.parts_sent >= delivery.parts:
                delivery.state, delivery.reason = "sent", ""
            reply_windows.spend_template(lane, attempt, changes=self.changes, now=self.now)
            self._hear(lane, delivery, attempt=attempt, overtaken={delivery.key})
        self._note(delivery)
        return Done(error=lost(delivery) if item.begin_next else None)

    def begin(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord) -> Done:
        if delivery.begun or item.part != delivery.parts_sent:
            return Done(error=StateConflict("another part is next"))
        wait = self._begin(lane, delivery, part=item.part, item=item)
        self._note(delivery)
        return Done(wait=wait)

    def sent(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord) -> Done:
        attempt = self._close(lane, delivery, item=item, outcome="sent")
        self.paces.ended(delivery, attempt, item=item, at=self.now)
        reply_windows.spend_template(lane, attempt, changes=self.changes, now=self.now)
        wait: timedelta | None = None
        missing = delivery.parts_sent < item.part  # what came before was refused meanwhile, and is decided anew
        following = after(item.part, self.attempts.get(delivery.key, ()))
        elsewhere = missing or following > item.part + 1  # it goes on with another part than the sender thinks
        delivery.parts_sent = delivery.parts_sent if missing else min(following, item.parts)
        delivery.part_attempts = 0
        delivery.parts, delivery.provider_message_id = item.parts, item.provider_message_id
        if missing:
            self._put_back(lane, delivery, due_at=self.now)
        elif delivery.parts_sent >= delivery.parts:
            self._leave(lane, delivery, state="sent")
        elif delivery.reason in CALLED_OFF:
            self._leave(lane, delivery, state="failed", reason=delivery.reason)
        elif elsewhere:
            self._put_back(lane, delivery, due_at=self.now)
        elif item.begin_next:
            wait = self._begin(lane, delivery, part=item.part + 1, item=item)
        self._touch(lane, delivery)
        self._hear(lane, delivery, attempt=attempt)
        gone = item.begin_next and (elsewhere or went_no_further(delivery))
        return Done(error=lost(delivery) if gone else None, wait=wait)

    def retry(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord) -> Done:
        attempt = self._close(lane, delivery, item=item, outcome="retry")
        if not self.paces.ended(delivery, attempt, item=item, at=self.now):
            delivery.part_attempts = max(0, delivery.part_attempts - 1)
        if item.window_closed:
            reply_windows.note_closed(lane, attempt, changes=self.changes, now=self.now)
            delivery.part_attempts = 0
        due_at = self.now + timedelta(seconds=seconds(item.retry_after))
        due_at, why = self.paces.next_try(delivery, item=item, due_at=due_at)
        self._put_back(lane, delivery, due_at=due_at, reason=why)
        self._touch(lane, delivery)
        return Done()

    def rejected(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord) -> Done:
        self._note_opt_out(lane, delivery, item=item)
        anew = reply_windows.is_open_again(lane, delivery, why=item.hand_off)
        if delivery.begun:  # Else no call was made: there is nothing more to know of it.
            attempt = self._close(lane, delivery, item=item, outcome="rejected")
            self.paces.ended(delivery, attempt, item=item, at=self.now)
        if anew:
            self._put_back(lane, delivery, due_at=self.now)
        elif say(self.others.get(delivery.key), delivery, item=item, moves=self.turns):
            self._leave(lane, delivery, state="failed", reason=SAID_ELSEWHERE)
        else:
            state, reason = attempting.refused(delivery, item, attempts=self.attempts)
            self._leave(lane, delivery, state=state, reason=reason)
            if state == "failed" and item.HasField("hand_off"):
                self._ask_a_human(lane, delivery, why=item.hand_off)
        self._touch(lane, delivery)
        return Done()

    def unknown(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord) -> Done:
        attempt = self._close(lane, delivery, item=item, outcome="unknown")
        self.paces.ended(delivery, attempt, item=item, at=self.now)
        self.doubt(lane, delivery, attempt=attempt, reason=item.reason or "unknown")
        return Done()

    def doubt(self, lane: Lane, delivery: Delivery, *, attempt: Attempt | None, reason: str) -> None:
        """Nobody knows whether the provider took it: a receipt may say, else the account's policy decides."""
        reply_windows.spend_template(lane, attempt, changes=self.changes, now=self.now)
        resend = self.policies.get((delivery.tenant_id, delivery.account_id)) == "resend"
        first = attempting.is_first_doubt(attempt, stored=self.attempts.get(delivery.key, ()))
        if resend and first and reason != attempting.GAVE_UP and delivery.reason not in CALLED_OFF:
            self._put_back(lane, delivery, due_at=self.now + attempting.RESEND_AFTER)
        else:
            self._leave(lane, delivery, state="unknown", reason=reason)
        self._touch(lane, delivery)
        self._hear(lane, delivery, attempt=attempt)

    def unauthorized(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord) -> Done:
        self._close(lane, delivery, item=item, outcome="unauthorized")
        self._put_back(lane, delivery, due_at=self.now)
        lane.park()
        self.changes.paused[delivery.tenant_id, delivery.account_id] = (UNAUTHORIZED, None)
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

    def again(self, lane: Lane, delivery: Delivery, *, attempts_seen: int | None = None) -> None:
        """A person wants a failed or unknown delivery sent after all, as the next of its lane: from the first part on
        that was not taken, or did not arrive. Not where it was called for since they looked."""
        next_part = standing(self.attempts.get(delivery.key, ())).next_part
        if refusal := why_not_again(lane, delivery, next_part=next_part, attempts_seen=attempts_seen):
            raise StateConflict(refusal)
        delivery.parts_sent, delivery.part_attempts = next_part, 0
        let_go(delivery, self.now)
        lane.queue_delivery(self.now)
        self._touch(lane, delivery)

    def _begin(self, lane: Lane, delivery: Delivery, *, part: int, item: AttemptRecord) -> timedelta | None:
        """None when it begins, else how long it must wait, at the head of its lane."""
        delivery.parts = item.parts
        if self.paces.too_early(lane, delivery, item=item, part=part, at=self.now):
            self._put_back(lane, delivery, due_at=delivery.due_at, reason=PACED)
            self.changes.sending_lanes[lane.id] = lane
            return delivery.due_at - self.now
        delivery.expires_at = self.now + timedelta(seconds=delivery.lease_seconds)
        if not self.mutations.attempt_record:
            return None
        delivery.state, delivery.begun = "sending", True
        delivery.reason = "" if delivery.reason == PACED else delivery.reason
        delivery.attempts += 1
        delivery.part_attempts += 1
        self.changes.new_attempts.append(attempting.begun(delivery, part, item=item, now=self.now))
        return None

    def _close(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord, outcome: str) -> Attempt | None:
        delivery.begun = False
        attempt = self._current(delivery)
        if attempt is None:
            return None
        attempting.end(attempt, item, outcome=outcome, now=self.now)
        count_call(lane, attempt, item=item)
        delivery.provider_code = item.provider_code
        self.changes.attempts[delivery.id, attempt.number] = attempt
        return attempt

    def _current(self, delivery: Delivery) -> Attempt | None:
        stored = self.attempts.get(delivery.key, [])
        return attempting.current(delivery, fresh=self.changes.new_attempts, stored=stored)

    def _hear(
        self, lane: Lane, delivery: Delivery, *, attempt: Attempt | None, overtaken: Set[Key] = frozenset()
    ) -> None:
        stored = self.attempts.get(delivery.key, ())
        if attempt is None or not (self.early or any(each.receipt for each in stored)):
            return
        fresh = [each for each in self.changes.new_attempts if each.delivery_id == delivery.id]
        own = [*stored, *fresh]
        known = receipts.Known({delivery.key: delivery}, {lane.key: lane}, own, self.unsent, self.askers, overtaken)
        receipts.conclude(delivery, known, entry_id=self.new_id(), changes=self.changes, now=self.now)
        receipts.join_early(self.early, known, changes=self.changes, now=self.now)

    def _put_back(self, lane: Lane, delivery: Delivery, *, due_at: datetime, reason: str = "") -> None:
        """Keeps its place at the head of the lane, unless it was called off meanwhile: then it has ended."""
        if delivery.reason in CALLED_OFF:
            self._leave(lane, delivery, state="failed", reason=delivery.reason)
            return
        let_go(delivery, due_at)
        delivery.reason = reason
        lane.return_delivery(due_at)

    def _leave(self, lane: Lane, delivery: Delivery, *, state: str, reason: str = "") -> None:
        """The delivery has ended and its lane goes on."""
        delivery.state, delivery.reason = state, reason
        delivery.expires_at, delivery.begun = None, False
        lane.end_delivery(self.now)

    def _ask_a_human(self, lane: Lane, delivery: Delivery, *, why: HandOff) -> None:
        entry_id = self.new_id()
        reply_windows.hand_over(lane, delivery, why=why, entry_id=entry_id, changes=self.changes, now=self.now)

    @property
    def turns(self) -> Turns:
        """What they move in turns."""
        return Turns(self.now, self.new_id, self.changes, self.mutations)

    def _note_opt_out(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord) -> None:
        """Unless they wrote since: it may be the word with which they came back."""
        if item.opted_out and not lane.opted_out and not reply_windows.was_heard_since(lane, delivery):
            called_off.opt_out(lane, delivery, unsent=self.unsent.get(lane.key, ()), changes=self.changes, now=self.now)

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
