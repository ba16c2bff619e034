"""What follows from a closed reply window? What was refused is decided anew, once, and who cannot be told gets a human.

The lane remembers when the last refused text had begun. Who writes after that has opened the window again, so nothing
here must be taken back when they do.
"""

from datetime import datetime, timedelta

from parley.storage.v1.conversation_change_pb2 import HAND_OFF_REASON_WINDOW_CLOSED, HandOff
from storage_service.domain import hand_offs
from storage_service.domain.changes import Changes
from storage_service.domain.holding import let_go
from storage_service.domain.rows import Attempt, Delivery, Lane

WINDOW_CLOSED = "window_closed"


def spend_template(lane: Lane, attempt: Attempt | None, *, changes: Changes, now: datetime) -> None:
    """A template was taken, or may have been: it is the last until the contact writes again."""
    if attempt is not None and attempt.template:
        lane.last_template_at = attempt.begun_at
        changes.touch(lane, now)


def note_closed(lane: Lane, attempt: Attempt | None, *, changes: Changes, now: datetime) -> None:
    """The provider refused free text for the window: that is known of the whole conversation."""
    if attempt is not None:
        lane.window_closed_at = max(lane.window_closed_at or attempt.begun_at, attempt.begun_at)
        changes.touch(lane, now)


def refuse_late(lane: Lane, delivery: Delivery, *, attempt: Attempt, changes: Changes, now: datetime) -> bool:
    """The provider took free text, and says later that the window is closed. False for a template: nothing is left."""
    if attempt.template:
        return False
    note_closed(lane, attempt, changes=changes, now=now)
    attempt.outcome, attempt.reason = "rejected", WINDOW_CLOSED
    if delivery.state in {"queued", "sending"}:  # What is still under way begins there when it is leased again.
        delivery.parts_sent = min(delivery.parts_sent, attempt.part)
    return True


def decide_anew(lane: Lane, delivery: Delivery, *, parts_sent: int, changes: Changes, now: datetime) -> bool:
    """A part that the provider had taken is missing after all. False when the delivery has no need of it any more."""
    if delivery.state not in {"sent", "unknown"} or parts_sent >= delivery.parts:
        return False
    delivery.parts_sent, delivery.updated_at = parts_sent, now
    if not may_be_said(lane, delivery):
        delivery.state, delivery.reason = "failed", WINDOW_CLOSED
        return True
    delivery.part_attempts = 0
    let_go(delivery, now)
    lane.queue_delivery(now)
    changes.touch(lane, now)
    return True


def may_be_said(lane: Lane, delivery: Delivery) -> bool:
    """What a turn said is for the agent to say again, as long as the conversation is the agent's; and who opted out is
    told nothing more."""
    if lane.owner == "none" or lane.opted_out:
        return False
    return lane.owner == "agent" or delivery.turn_id is None


def was_heard_since(lane: Lane, delivery: Delivery) -> bool:
    """Whether the contact wrote after the delivery was leased, or after its attempt began: then the window is open."""
    if lane.last_inbound_at is None or delivery.expires_at is None:
        return False
    return lane.last_inbound_at > delivery.expires_at - timedelta(seconds=delivery.lease_seconds)


def is_open_again(lane: Lane, delivery: Delivery, *, why: HandOff) -> bool:
    """Whether what could not be said for its window may be said after all."""
    return why.reason == HAND_OFF_REASON_WINDOW_CLOSED and was_heard_since(lane, delivery)


def hand_over(lane: Lane, delivery: Delivery, *, why: HandOff, entry_id: str, changes: Changes, now: datetime) -> None:
    """The conversation goes to the queue, if the agent answers it. A human who has it sees for themselves what was not
    sent."""
    if lane.owner != "agent":
        return
    lane.give_to("queue")
    changes.queue_entries.append(hand_offs.entry(lane, delivery.turn_id, why=why, entry_id=entry_id, now=now))
    changes.touch(lane, now)
