"""How do a turn that is given back and the one that waits behind it become one? At once, under their lane's lock."""

from datetime import datetime

from storage_service.domain.asks import MOST_MESSAGES
from storage_service.domain.changes import Changes
from storage_service.domain.rows import Lane, Turn

REASON = "merged"


def may_become_one(lane: Lane, turn: Turn) -> bool:
    """More than a turn may take stays apart: it would have to be parted again."""
    return lane.waiting_turn_id is not None and turn.messages + lane.waiting_messages <= MOST_MESSAGES


def become_one(lane: Lane, turn: Turn, *, waiting: Turn, changes: Changes, now: datetime) -> None:
    """The older one stays, with its deadline, and takes the messages of the other, which ends without an answer."""
    between = (waiting.first_seq, waiting.last_seq)
    changes.moved.append((lane.tenant_id, lane.id, waiting.id, turn.id, *between))
    turn.messages += lane.waiting_messages
    turn.last_seq = waiting.last_seq
    held_until = lane.held_until
    lane.forget_waiting()
    if held_until is not None and held_until > now:  # what its attachments are waited for, it waits for now
        lane.held_until = lane.turn_due_at = held_until
    waiting.state, waiting.reason, waiting.ended_at = "suppressed", REASON, now
    changes.turns[waiting.id] = waiting
