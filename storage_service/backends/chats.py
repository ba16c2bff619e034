"""How does a remembered message leave the database? As the contract's message, straight from the row."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from kit.moments import stamp
from parley.chat.v1.message_pb2 import Attachment, Message
from parley.storage.v1.turn_requests_pb2 import TurnSetting
from storage_service.domain.leased import Head, Said
from storage_service.domain.rows import Delivery
from storage_service.domain.words import ROLE

# id, seq, role, text, attachments, provider_at, created_at, turn_id, provider_message_id, correlation_id, traceparent
SAID = 11


def said(row: Sequence[Any], *, own: bool, conversation_id: str, provider_at: datetime, created_at: datetime) -> Said:
    message = Message(
        id=row[0],
        seq=row[1],
        role=ROLE[row[2]],
        text=row[3],
        attachments=[Attachment(**each) for each in orjson.loads(row[4])] if row[4] else (),
        provider_at=stamp(provider_at),
        created_at=stamp(created_at),
        turn_id=row[7] or "",
        provider_message_id=row[8] or "",
        correlation_id=row[9],
        conversation_id=conversation_id,
    )
    return Said(own, message, row[10])


def setting(row: Sequence[Any]) -> TurnSetting:
    return TurnSetting(
        system_prompt=row[0],
        prompt_version_id=row[1],
        model=row[2] or "",
        fallback_text=row[3],
        summary=row[4],
        summary_seq=row[5],
        reserve_tokens=row[6],
    )


def head(delivery: Delivery, more: Sequence[Any]) -> Head:
    """`more`: account state, text, the provider's id of the message that it answers, and that message's metadata."""
    return Head(delivery, more[0], more[1], more[2], orjson.loads(more[3]) if more[3] else {})
