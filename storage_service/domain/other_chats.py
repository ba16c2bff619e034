"""Where may be said what may not be said in its own chat? In another one that the same person opened, and wants.

A person is the same where their phone number is. That they want messages there they said themselves, by writing there;
who opted out there is sent nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import orjson

from parley.storage.v1.delivery_requests_pb2 import AttemptRecord
from storage_service.domain import reply_windows
from storage_service.domain.rows import Delivery, Key, Lane
from storage_service.domain.turns import Turns

SAID_ELSEWHERE = "said_elsewhere"
OPTED_OUT = "the contact wants no messages until they write START"


@dataclass(frozen=True, slots=True)
class Place:
    """A chat as it was found, before its lock, and who said what is to be said there."""

    lane: Key
    chat_id: str
    role: str


@dataclass(frozen=True, slots=True)
class Other:
    """The same, locked."""

    lane: Lane
    role: str


class OtherRows(Protocol):
    """What is read and locked."""

    async def other_chats(self, asked: Sequence[tuple[str, str, str]]) -> Mapping[Key, Place]: ...
    async def deliveries(self, keys: Sequence[Key]) -> Mapping[Key, Delivery]: ...
    async def lanes(self, keys: Sequence[Key]) -> Mapping[Key, Lane]: ...


async def held(rows: OtherRows, items: Sequence[AttemptRecord]) -> Mapping[Key, Other]:
    """Of each delivery that asks for one. Their lanes are locked with the deliveries' own, in the order of all ids."""
    asked = [(each.tenant_id, each.delivery_id, each.other_chat.account_id) for each in items if _asks(each)]
    places = await rows.other_chats(asked) if asked else {}
    if not places:
        return {}
    named = sorted({(each.tenant_id, each.delivery_id) for each in items})
    own = {(each.tenant_id, each.conversation_id) for each in (await rows.deliveries(named)).values()}
    lanes = await rows.lanes(sorted(own | {place.lane for place in places.values()}))
    return {
        key: Other(lanes[place.lane], place.role)
        for key, place in places.items()
        if place.lane in lanes and lanes[place.lane].chat_id == place.chat_id  # else it was erased meanwhile
    }


def shared(others: Mapping[Key, Other], lanes: Iterable[Lane]) -> Mapping[Key, Other]:
    """A lane that is a delivery's own as well is that same one, so that each sees what the other changed."""
    own = {lane.key: lane for lane in lanes}
    return {key: replace(other, lane=own.get(other.lane.key, other.lane)) for key, other in others.items()}


def say(other: Other | None, delivery: Delivery, *, item: AttemptRecord, moves: Turns) -> bool:
    """Says it there, if it may be said there."""
    if other is None or not _may_be_said(other.lane, delivery):
        return False
    message = moves.say(other.lane, other.role, text=item.other_chat.text, correlation_id=delivery.correlation_id)
    message.message_metadata = orjson.dumps({"in_place_of": delivery.id}).decode()
    message.traceparent = delivery.traceparent
    moved = moves.changes.new_deliveries[-1]
    moved.turn_id, moved.traceparent, moved.reply_to_seq = delivery.turn_id, delivery.traceparent, 0
    return True


def why_not_again(lane: Lane, delivery: Delivery, *, next_part: int, attempts_seen: int | None = None) -> str:
    """Why a delivery that has ended is not to be sent after all, as a person wants; "" when it may be."""
    if delivery.state not in {"failed", "unknown"}:
        return f"the delivery is {delivery.state}"
    if refusal := was_tried_since(delivery.attempts, seen=attempts_seen):
        return refusal
    if 0 < delivery.parts <= next_part:
        return "the provider has taken all of it"
    if lane.opted_out:
        return OPTED_OUT
    return "it was said in another chat of theirs" if delivery.reason == SAID_ELSEWHERE else ""


def was_tried_since(attempts: int, *, seen: int | None) -> str:
    """Why what somebody wants of a delivery is made of what they saw before; "" where it is not."""
    if seen in {None, attempts}:
        return ""
    count = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    return f"the delivery has {count} by now, not {seen}: look again"


def _may_be_said(lane: Lane, delivery: Delivery) -> bool:
    has_written, is_wanted = lane.last_inbound_at is not None, not lane.opted_out
    return has_written and is_wanted and reply_windows.may_be_said(lane, delivery)


def _asks(item: AttemptRecord) -> bool:
    return item.HasField("other_chat") and item.HasField("hand_off")
