"""How does a lease look on the wire? The rows of a turn or a delivery as the contract's messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from google.protobuf.timestamp_pb2 import Timestamp

from kit.moments import put, stamp
from parley.chat.v1.message_pb2 import TURN_KIND_ANSWER, TURN_KIND_SUMMARY, Attachment
from parley.chat.v1.message_pb2 import Message as ChatMessage
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, TurnSetting
from storage_service.domain import second_tries
from storage_service.domain.rows import Delivery, Lane, Message, Turn
from storage_service.domain.summaries import Summary
from storage_service.domain.words import OWNER, ROLE

# id, seq, role, text, attachments, provider_at, created_at, turn_id, provider_message_id, correlation_id, traceparent
SAID = 11


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
    attachments: Sequence[Attachment] = ()
    may_wait: bool = False  # its account is stopped, or has no calls left: look at its pace first
    said_by_human: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """What is read for a delivery that is about to be written: its account, and the message that it answers."""

    account_state: str
    provider_message_id: str
    metadata: Mapping[str, str]


def said(row: Sequence[Any], *, own: bool, conversation_id: str, provider_at: datetime, created_at: datetime) -> Said:
    message = ChatMessage(
        id=row[0],
        seq=row[1],
        role=ROLE[row[2]],
        text=row[3],
        attachments=attachments(row[4]),
        turn_id=row[7] or "",
        provider_message_id=row[8] or "",
        correlation_id=row[9],
        conversation_id=conversation_id,
    )
    put(message.provider_at, provider_at)
    put(message.created_at, created_at)
    return Said(own, message, row[10])


def said_now(message: Message) -> Said:
    """A message of the turn that is about to be written."""
    at = {"provider_at": message.provider_at, "created_at": message.created_at}
    what = (message.id, message.seq, message.role, message.text, message.attachments, None, None)
    about = (message.turn_id, message.provider_message_id, message.correlation_id, message.traceparent)
    return said((*what, *about), own=True, conversation_id=message.conversation_id, **at)


def turn(lane: Lane, turn: Turn, *, setting: TurnSetting, own: Sequence[Said], history: Sequence[Said]) -> LeasedTurn:
    _set(setting, lane)
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
        kind=TURN_KIND_ANSWER,
        second_try=second_tries.is_one(turn),
    )


def remember(turn: LeasedTurn, history: Sequence[Said]) -> None:
    """What was said before a turn that was leased without it."""
    turn.history.extend(each.message for each in sorted(history, key=_place))


def context(lane: Lane, *, setting: TurnSetting, said: Sequence[Said]) -> LeasedTurn:
    """What a turn would bring, if there were one now."""
    _set(setting, lane)
    return LeasedTurn(
        tenant_id=lane.tenant_id,
        conversation_id=lane.id,
        messages=[each.message for each in sorted((s for s in said if s.own), key=_spoken_at)],
        history=[each.message for each in sorted((s for s in said if not s.own), key=_place)],
        setting=setting,
        channel=lane.channel,
        kind=TURN_KIND_ANSWER,
    )


def summary(lane: Lane, job: Summary, *, setting: TurnSetting, history: Sequence[Said]) -> LeasedTurn:
    """It answers nothing: what is to be summarised is its history, and the summary so far stands in the setting."""
    _set(setting, lane)
    return LeasedTurn(
        tenant_id=job.tenant_id,
        turn_id=job.id,
        conversation_id=job.conversation_id,
        epoch=job.epoch,
        expires_at=stamp(job.expires_at),
        deadline_at=stamp(job.deadline_at),
        history=[each.message for each in history],
        setting=setting,
        attempts=job.attempts - 1,
        correlation_id=job.correlation_id,
        traceparent=job.traceparent,
        channel=lane.channel,
        kind=TURN_KIND_SUMMARY,
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
        attachments=head.attachments,
        correlation_id=row.correlation_id,
        traceparent=row.traceparent,
        created_at=stamp(row.created_at),
        last_inbound_at=_stamp(lane.last_inbound_at),
        last_template_at=_stamp(lane.last_template_at),
        window_closed_at=_stamp(lane.window_closed_at),
        turn_id=row.turn_id or "",
        said_by_human=head.said_by_human,
    )


def attachments(document: str | None) -> list[Attachment]:
    """As they stand in a message's row."""
    return [Attachment(**each) for each in orjson.loads(document)] if document else []


def _set(setting: TurnSetting, lane: Lane) -> None:
    """What the lane knows better than what was read beside it; and nothing from before the context began."""
    setting.owner, setting.owner_epoch, setting.agent_id = OWNER[lane.owner], lane.owner_epoch, lane.agent_id
    setting.failed_in_row, setting.turns_in_hour = lane.failed_in_row, lane.turns_in_hour
    if lane.context_seq and setting.summary_seq <= lane.context_seq:
        setting.summary, setting.summary_seq = "", 0
    if lane.context_seq and lane.model_conversation_seq <= lane.context_seq:
        setting.model_conversation = ""


def _spoken_at(said: Said) -> tuple[int, int, int]:
    message = said.message
    return message.provider_at.seconds, message.provider_at.nanos, message.seq


def _place(said: Said) -> int:
    return said.message.seq


def _stamp(when: datetime | None) -> Timestamp | None:
    return stamp(when) if when else None
