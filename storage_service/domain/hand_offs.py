"""Who waits for a human, and why? An entry of the queue for each time that a conversation was handed off."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from kit.moments import seconds
from parley.storage.v1 import conversation_change_pb2 as pb
from storage_service.domain.rows import Lane

DUE_IN = timedelta(minutes=15)
OPERATOR_ASKED = "operator_asked"

REASON = {
    "contact_asked": pb.HAND_OFF_REASON_CONTACT_ASKED,
    "model_asked": pb.HAND_OFF_REASON_MODEL_ASKED,
    "guardrail": pb.HAND_OFF_REASON_GUARDRAIL,
    "repeated_failure": pb.HAND_OFF_REASON_REPEATED_FAILURE,
    "low_confidence": pb.HAND_OFF_REASON_LOW_CONFIDENCE,
    OPERATOR_ASKED: pb.HAND_OFF_REASON_OPERATOR_ASKED,
    "window_closed": pb.HAND_OFF_REASON_WINDOW_CLOSED,
    "not_delivered": pb.HAND_OFF_REASON_NOT_DELIVERED,
}
_WORD = {value: word for word, value in REASON.items()}
NO_ANSWER = pb.HandOff(reason=pb.HAND_OFF_REASON_REPEATED_FAILURE)


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A conversation that waits for a human, about to be written."""

    tenant_id: str
    id: str
    conversation_id: str
    turn_id: str | None
    reason: str
    summary: str
    created_at: datetime
    due_at: datetime


def entry(lane: Lane, turn_id: str | None, *, why: pb.HandOff, entry_id: str, now: datetime) -> QueueEntry:
    """The entry of a turn that hands its conversation off, or of what could not be said in it."""
    reason = _WORD.get(why.reason, "model_asked")
    due_in = timedelta(seconds=seconds(why.due_in)) or DUE_IN
    return QueueEntry(lane.tenant_id, entry_id, lane.id, turn_id, reason, why.summary, now, now + due_in)
