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

# What a worker learns of a message that was said before its turn: seq, role, text, attachments, created_at. A long
# conversation brings dozens with each turn, so no more is read of them.
Remembered = tuple[int, str, str, str | None, datetime]
# What stands behind these in the row of a message that a turn is to answer: id, turn_id, provider_message_id,
# correlation_id, traceparent.
ID = 5


@dataclass(frozen=True, slots=True)
class Said:
    """A message that a turn is to answer."""

    message: ChatMessage
    traceparent: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What is read for a turn: the messages that it is to answer, and what was said before them, in any order."""

    own: Sequence[Said]
    before: Sequence[Remembered]


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


def said(row: Sequence[Any], *, conversation_id: str, provider_at: datetime, created_at: datetime) -> Said:
    message = ChatMessage(
        seq=row[0],
        role=ROLE[row[1]],
        text=row[2],
        attachments=attachments(row[3]),
        id=row[ID],
        turn_id=row[6] or "",
        provider_message_id=row[7] or "",
        correlation_id=row[8],
        conversation_id=conversation_id,
    )
    put(message.provider_at, provider_at)
    put(message.created_at, created_at)
    return Said(message, row[9])


def said_now(message: Message) -> Said:
    """A message of the turn that is about to be written."""
    at = {"provider_at": message.provider_at, "created_at": message.created_at}
    what = (message.seq, message.role, message.text, message.attachments, None, message.id)
    about = (message.turn_id, message.provider_message_id, message.correlation_id, message.traceparent)
    return said((*what, *about), conversation_id=message.conversation_id, **at)


def turn(
    lane: Lane, turn: Turn, *, setting: TurnSetting, own: Sequence[Said], before: Sequence[Remembered] = ()
) -> LeasedTurn:
    _set(setting, lane)
    leased = LeasedTurn(
        tenant_id=lane.tenant_id,
        turn_id=turn.id,
        conversation_id=lane.id,
        epoch=turn.epoch,
        expires_at=_stamp(turn.expires_at),
        deadline_at=stamp(turn.deadline_at),
        messages=[each.message for each in sorted(own, key=_spoken_at)],
        setting=setting,
        attempts=turn.attempts - 1,
        correlation_id=turn.correlation_id,
        traceparent=turn.traceparent,
        channel=lane.channel,
        more_waiting=lane.waiting_turn_id is not None,
        kind=TURN_KIND_ANSWER,
        second_try=second_tries.is_one(turn),
    )
    remember(leased, before)
    return leased


def remember(turn: LeasedTurn, before: Sequence[Remembered]) -> None:
    """What was said before a turn, put where its worker reads it."""
    add = turn.history.add
    for seq, role, text, attached, created_at in sorted(before, key=_place):
        message = add(seq=seq, role=ROLE[role], text=text)
        put(message.created_at, created_at)
        if attached:
            message.attachments.extend(attachments(attached))


def context(lane: Lane, *, setting: TurnSetting, own: Sequence[Said], before: Sequence[Remembered]) -> LeasedTurn:
    """What a turn would bring, if there were one now."""
    _set(setting, lane)
    shown = LeasedTurn(
        tenant_id=lane.tenant_id,
        conversation_id=lane.id,
        messages=[each.message for each in sorted(own, key=_spoken_at)],
        setting=setting,
        channel=lane.channel,
        kind=TURN_KIND_ANSWER,
    )
    remember(shown, before)
    return shown


def summary(lane: Lane, job: Summary, *, setting: TurnSetting, before: Sequence[Remembered]) -> LeasedTurn:
    """It answers nothing: what is to be summarised is its history, and the summary so far stands in the setting."""
    _set(setting, lane)
    leased = LeasedTurn(
        tenant_id=job.tenant_id,
        turn_id=job.id,
        conversation_id=job.conversation_id,
        epoch=job.epoch,
        expires_at=stamp(job.expires_at),
        deadline_at=stamp(job.deadline_at),
        setting=setting,
        attempts=job.attempts - 1,
        correlation_id=job.correlation_id,
        traceparent=job.traceparent,
        channel=lane.channel,
        kind=TURN_KIND_SUMMARY,
    )
    remember(leased, before)
    return leased


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
    setting.opted_out = lane.opted_out
    setting.failed_in_row, setting.turns_in_hour = lane.failed_in_row, lane.turns_in_hour
    if lane.context_seq and setting.summary_seq <= lane.context_seq:
        setting.summary, setting.summary_seq = "", 0
    if lane.context_seq and lane.model_conversation_seq <= lane.context_seq:
        setting.model_conversation = ""


def _place(said: Remembered) -> int:
    return said[0]


def _spoken_at(said: Said) -> tuple[int, int, int]:
    message = said.message
    return message.provider_at.seconds, message.provider_at.nanos, message.seq


def _stamp(when: datetime | None) -> Timestamp | None:
    return stamp(when) if when else None
