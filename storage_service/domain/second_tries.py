"""No answer could be made, and the contact was told so. May the real one still follow? Once, where the agent says so.

What was asked is put into a turn of its own, which waits for its time. Whoever writes meanwhile is answered at once, in
the same turn; the second try then answers all of it.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from kit.errors import InvalidField, ParleyError
from kit.moments import seconds
from parley.storage.v1.turn_requests_pb2 import TurnCommit
from storage_service.domain.changes import Changes
from storage_service.domain.rows import Lane, Turn

# While it is open, the turn says by this that it is one.
REASON = "second_try"


class Spoken(Protocol):
    """A turn, by whoever it is kept."""

    state: str
    reason: str
    replies: int


def refusal(item: TurnCommit, state: str) -> ParleyError | None:
    """Only after a failure is anything tried again."""
    if item.HasField("try_again_in") and state != "failed":
        return InvalidField([("try_again_in", "goes with the state FAILED only")])
    return None


def is_one(turn: Turn) -> bool:
    return turn.reason == REASON


def says_nothing(turn: Spoken) -> bool:
    """Whether it may be a second try that has not spoken yet, or had nothing new to say. Of any other that is so, no
    failed turn has the same messages."""
    return not turn.replies and (turn.reason == REASON or turn.state == "suppressed")


def may_follow(lane: Lane, turn: Turn, *, item: TurnCommit) -> bool:
    """What waits already is answered with all that was said before in sight."""
    return item.HasField("try_again_in") and not is_one(turn) and lane.waiting_turn_id is None


def put(lane: Lane, turn: Turn, *, item: TurnCommit, turn_id: str, changes: Changes, now: datetime) -> None:
    """Takes what the ended turn was to answer into one that waits."""
    due_at = now + timedelta(seconds=seconds(item.try_again_in))
    again = replace(
        _unused(turn),
        id=turn_id,
        state="waiting",
        reason=REASON,
        due_at=due_at,
        deadline_at=due_at + timedelta(seconds=turn.deadline_seconds),
        created_at=now,
        ended_at=None,
    )
    changes.moved.append((lane.tenant_id, lane.id, turn.id, again.id, turn.first_seq, turn.last_seq))
    changes.new_turns[again.id] = again
    lane.wait(again.id, since=due_at, due_at=due_at, messages=turn.messages)
    lane.count_turn(now)


def is_early(lane: Lane, now: datetime) -> bool:
    """Whether nothing but a second try waits: its time has not come, and nobody waits for it by then."""
    return lane.waiting_since is not None and lane.waiting_since > now


def _unused(turn: Turn) -> Turn:
    """The same messages, as if nobody had tried to answer them."""
    tried = replace(turn, epoch=0, worker_id="", attempts=0, reply_seq=0, replies=0, model="", backend="")
    return replace(tried, input_tokens=0, output_tokens=0, cost_micros=0, model_ms=0)
