"""How does a lease look on the wire? The rows of a turn or a delivery as the contract's messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from kit.moments import stamp
from parley.chat.v1.message_pb2 import Message as ChatMessage
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, TurnSetting
from storage_service.domain.rows import Delivery, Lane, Turn
from storage_service.domain.words import OWNER


@dataclass(frozen=True, slots=True)
class Said:
    """A remembered message: `own` when the turn is to answer it, else it is history."""

    own: bool
    message: ChatMessage
    traceparent: str


@dataclass(frozen=True, slots=True)
class Head:
    """The first delivery of a lane with what the sender needs to know of it."""

    delivery: Delivery
    account_state: str
    text: str
    reply_to_provider_message_id: str
    reply_metadata: Mapping[str, str]


def turn(lane: Lane, turn: Turn, *, setting: TurnSetting, own: Sequence[Said], history: Sequence[Said]) -> LeasedTurn:
    setting.owner, setting.owner_epoch, setting.agent_id = OWNER[lane.owner], lane.owner_epoch, lane.agent_id
    return LeasedTurn(
        tenant_id=lane.tenant_id,
        turn_id=turn.id,
        conversation_id=lane.id,
        epoch=turn.epoch,
        expires_at=_stamp(turn.expires_at),
        deadline_at=stamp(turn.deadline_at),
        messages=[each.message for each in sorted(own, key=_spoken_at)],
        history=[each.message for each in sorted(history, key=_place)],
        setting=setting,
        attempts=turn.attempts - 1,
        correlation_id=turn.correlation_id,
        traceparent=turn.traceparent,
        channel=lane.channel,
        more_waiting=lane.waiting_turn_id is not None,
    )


def delivery(lane: Lane, head: Head) -> LeasedDelivery:
    row = head.delivery
    return LeasedDelivery(
        tenant_id=row.tenant_id,
        delivery_id=row.id,
        conversation_id=row.conversation_id,
        message_id=row.message_id,
        epoch=row.epoch,
        account_id=row.account_id,
        chat_id=lane.chat_id,
        text=head.text,
        next_part=row.parts_sent,
        attempts=row.part_attempts,
        reply_to_provider_message_id=head.reply_to_provider_message_id,
        reply_metadata=head.reply_metadata,
        correlation_id=row.correlation_id,
        traceparent=row.traceparent,
        created_at=stamp(row.created_at),
        last_inbound_at=_stamp(lane.last_inbound_at),
    )


def _spoken_at(said: Said) -> tuple[int, int, int]:
    message = said.message
    return message.provider_at.seconds, message.provider_at.nanos, message.seq


def _place(said: Said) -> int:
    return said.message.seq


def _stamp(when: datetime | None) -> Timestamp | None:
    return stamp(when) if when else None
