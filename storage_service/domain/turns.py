"""How does a turn move? Leased, extended, committed, given back; each step checked against the fence."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kit.errors import InvalidField, LeaseLost, OwnerChanged, ParleyError
from parley.storage.v1.conversation_change_pb2 import HandOff
from parley.storage.v1.turn_requests_pb2 import TurnCommit
from storage_service.domain import changing, hand_offs, second_tries, taken_over
from storage_service.domain.changes import Changes
from storage_service.domain.last_resort import LastResort
from storage_service.domain.merging import become_one, may_become_one
from storage_service.domain.mutations import GUARDED, Mutations
from storage_service.domain.new_rows import new_delivery, new_message
from storage_service.domain.rows import Delivery, Key, Lane, Message, Turn
from storage_service.domain.summaries import Origin, wanted
from storage_service.domain.words import TERMINAL

MUST_SPEAK = {"replied", "failed"}


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one item: `moved` says that something was written."""

    duplicate: bool = False
    error: ParleyError | None = None
    expires_at: datetime | None = None
    wait: timedelta | None = None  # of a call that it is too early for


@dataclass(slots=True)
class Turns:
    """The moves of one transaction. The lanes they name are locked, and what changed is gathered."""

    now: datetime
    new_id: Callable[[], str]
    changes: Changes
    mutations: Mutations = GUARDED
    # What is still to be sent in conversations that somebody may opt out of.
    unsent: Mapping[Key, Sequence[Delivery]] = field(default_factory=dict)

    def lease(self, lane: Lane, turn: Turn, *, worker_id: str, lease: timedelta) -> None:
        self.hold(lane, turn, worker_id=worker_id, lease=lease)
        self.changes.leased_turns[turn.id] = turn
        self.changes.leased_lanes[lane.id] = lane

    def hold(self, lane: Lane, turn: Turn, *, worker_id: str, lease: timedelta) -> None:
        """A lease that is written with the turn itself."""
        lane.hold_turn(turn.id)
        turn.state, turn.worker_id, turn.expires_at = "running", worker_id, self.now + lease
        turn.epoch += 1
        turn.attempts += 1

    def extend(self, turn: Turn | None, *, worker_id: str, epoch: int, lease: timedelta) -> Done:
        if turn is None or not self._held(turn, worker_id, epoch=epoch):
            return Done(error=(turn and taken_over.answer(turn, worker_id, epoch=epoch)) or LeaseLost())
        turn.expires_at = self.now + lease
        self.changes.leased_turns[turn.id] = turn
        return Done(expires_at=turn.expires_at)

    def give_back(self, lane: Lane, turn: Turn | None, *, worker_id: str, epoch: int, delay: timedelta) -> Done:
        if turn is not None and (turn.state, turn.epoch, turn.worker_id) == ("returned", epoch, worker_id):
            return Done(duplicate=True)
        if turn is None or not self._held(turn, worker_id, epoch=epoch):
            return Done(error=LeaseLost())
        self.take_back(lane, turn, due_at=self.now + delay)
        return Done()

    def merge(self, lane: Lane, turn: Turn | None, *, waiting: Turn | None, worker_id: str, epoch: int) -> Done:
        """Gives it back with what waits behind it. It was no attempt."""
        done = self.give_back(lane, turn, worker_id=worker_id, epoch=epoch, delay=timedelta())
        if turn is not None and done == Done():
            turn.attempts -= 1
            if waiting is not None and may_become_one(lane, turn):
                become_one(lane, turn, waiting=waiting, changes=self.changes, now=self.now)
        return done

    def unlease(self, lane: Lane, turn: Turn | None, *, worker_id: str, epoch: int) -> None:
        """A lease that never reached its worker counts for nothing."""
        if turn is not None and self._held(turn, worker_id, epoch=epoch):
            turn.attempts -= 1
            self.take_back(lane, turn, due_at=self.now)

    def take_back(self, lane: Lane, turn: Turn, *, due_at: datetime) -> None:
        turn.state, turn.expires_at = "returned", None
        turn.due_at = due_at
        lane.return_turn(due_at)
        self._touch(lane, turn)

    def commit(self, lane: Lane, turn: Turn | None, *, item: TurnCommit, worker_id: str) -> Done:
        state = TERMINAL.get(item.state)
        replies = [text for text in item.replies if text.strip()]
        if state is None or (state in MUST_SPEAK and not replies):
            return Done(error=_malformed(state))
        if refusal := changing.refusal(item, state) or second_tries.refusal(item, state):
            return Done(error=refusal)
        if turn is None:
            return Done(error=LeaseLost())
        if not self._held(turn, worker_id, epoch=item.epoch):
            return self._too_late(turn, item=item, worker_id=worker_id)
        self._pay(turn, item=item)
        if not changing.may_speak(lane, item):
            changing.forget(lane, item=item, changes=self.changes)
            self.end(lane, turn, state="suppressed", reason=taken_over.REASON)
            return Done(error=OwnerChanged())
        if changing.opts_out(item):
            changing.call_off(lane, self.unsent.get(lane.key, ()), changes=self.changes, now=self.now)
        again = second_tries.may_follow(lane, turn, item=item)
        self.end(lane, turn, state=state, reason=item.reason, replies=replies)
        if again:
            second_tries.put(lane, turn, item=item, turn_id=self.new_id(), changes=self.changes, now=self.now)
        changing.keep(lane, turn, item=item, changes=self.changes, now=self.now)
        if state == "handed_off":
            self._hand_off(lane, turn, why=item.change.hand_off)
        if item.wants_summary:
            origin = Origin(turn.correlation_id, turn.traceparent)
            self.changes.wanted_summaries[lane.id] = wanted(lane.key, self.new_id(), origin=origin, now=self.now)
        return Done()

    def _too_late(self, turn: Turn, *, item: TurnCommit, worker_id: str) -> Done:
        error = taken_over.answer(turn, worker_id, epoch=item.epoch)
        if isinstance(error, OwnerChanged) and taken_over.is_unpaid(turn):
            self._pay(turn, item=item)
            self.changes.turns[turn.id] = turn
        return Done(error=error, duplicate=not isinstance(error, LeaseLost))

    def _pay(self, turn: Turn, *, item: TurnCommit) -> None:
        taken_over.note_usage(turn, item)
        changing.count_tokens(item, changes=self.changes, now=self.now)

    def put_off(self, lane: Lane, turn: Turn) -> None:
        """Another deadline for what only the agent can do. Whoever still works on it finds that it was taken back."""
        turn.deadline_at = self.now + timedelta(seconds=turn.deadline_seconds)
        if turn.state == "running":
            self.take_back(lane, turn, due_at=self.now)
        self._touch(lane, turn)

    def fail(self, lane: Lane, turn: Turn, *, reason: str, resort: LastResort) -> None:
        """Ends a turn that nobody will answer any more. Whoever still works on it finds another epoch."""
        turn.epoch += 1
        turn.worker_id = ""
        if lane.owner != "agent":
            self.end(lane, turn, state="suppressed", reason=f"owner_{lane.owner}")
        elif lane.failed_in_row + 1 < resort.most_failures:
            self.end(lane, turn, state="failed", reason=reason, replies=[resort.tell])
        else:
            self.end(lane, turn, state="handed_off", reason=reason, replies=[resort.tell])
            self._hand_off(lane, turn, why=hand_offs.NO_ANSWER)

    def silence(self, lane: Lane, turn: Turn) -> None:
        """Ends a turn that a worker holds, who says nothing by it any more: they may still say what it cost. What the
        model's server keeps of the conversation ends in an answer that nobody is told."""
        self.end(lane, turn, state="suppressed", reason=taken_over.REASON)
        self.changes.model_conversations[lane.id] = (*lane.key, "", lane.next_seq - 1)

    def end(self, lane: Lane, turn: Turn, *, state: str, reason: str = "", replies: Sequence[str] = ()) -> None:
        waited = lane.waiting_turn_id == turn.id
        lane.end_turn(turn.id)
        turn.state, turn.reason = state, reason
        turn.expires_at, turn.ended_at = None, self.now
        if state != "suppressed":
            lane.failed_in_row = lane.failed_in_row + 1 if state == "failed" else 0
        if replies:
            turn.reply_seq, turn.replies = lane.next_seq, len(replies)
        for text in replies:
            message = self.say(lane, "agent", text=text, turn=turn)
            lane.last_reply_seq = message.seq
        if lane.waiting_turn_id and not waited and lane.waiting_turn_id not in self.changes.new_turns:
            self._now_first(lane)
        self._touch(lane, turn)

    def say(self, lane: Lane, role: str, *, text: str, turn: Turn | None = None, correlation_id: str = "") -> Message:
        """Adds a message to the history and its delivery to the lane."""
        message = new_message(lane, role, text=text, message_id=self.new_id(), delivery_id=self.new_id(), now=self.now)
        message.correlation_id = turn.correlation_id if turn else correlation_id
        message.traceparent = turn.traceparent if turn else ""
        message.turn_id = turn.id if turn else None
        reply_to_seq = turn.last_seq if turn else lane.last_inbound_seq
        self.changes.messages.append(message)
        self.changes.new_deliveries.append(new_delivery(message, reply_to_seq))
        lane.queue_delivery(self.now)
        self.changes.touch(lane, self.now)
        return message

    def _hand_off(self, lane: Lane, turn: Turn, *, why: HandOff) -> None:
        lane.give_to("queue")
        entry = hand_offs.entry(lane, turn.id, why=why, entry_id=self.new_id(), now=self.now)
        self.changes.queue_entries.append(entry)

    def _now_first(self, lane: Lane) -> None:
        """The turn that waited behind gets its whole time from here."""
        turn_id, due_at = lane.waiting_turn_id or "", lane.waiting_due_at or self.now
        grown = (lane.tenant_id, turn_id, due_at, lane.waiting_messages, lane.last_inbound_seq, self.now)
        self.changes.waiting[turn_id] = grown

    def _held(self, turn: Turn, worker_id: str, *, epoch: int) -> bool:
        if not self.mutations.fencing:
            return True
        return (turn.state, turn.worker_id, turn.epoch) == ("running", worker_id, epoch)

    def _touch(self, lane: Lane, turn: Turn) -> None:
        self.changes.turns[turn.id] = turn
        self.changes.touch(lane, self.now)


def _malformed(state: str | None) -> ParleyError:
    if state is None:
        return InvalidField([("state", "must be a terminal state")])
    return InvalidField([("replies", f"a turn that ends as {state} needs at least one that is not blank")])
