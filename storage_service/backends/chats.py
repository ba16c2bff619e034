"""How do settings and the heads of lanes leave the database? As the contract says them, straight from the row."""

from collections.abc import Sequence
from typing import Any

import orjson

from parley.storage.v1.turn_requests_pb2 import TurnSetting
from storage_service.domain import languages, manners
from storage_service.domain.leased import Answered, Head, attachments
from storage_service.domain.rows import Delivery

PROGRESSIVE = "progressive"  # an account's option


def setting(row: Sequence[Any]) -> TurnSetting:
    return TurnSetting(
        system_prompt=row[0],
        prompt_version_id=row[1],
        model=row[2] or "",
        fallback_text=row[3],
        summary=row[4],
        summary_seq=row[5],
        reserve_tokens=row[6],
        model_conversation=row[7],
        language=languages.read(row[8]) if row[8] else None,
        tenant_tokens_today=row[9],
        manners=manners.read(row[10]) if row[10] else None,
        formatting=row[11],
        progressive=PROGRESSIVE in row[12] and orjson.loads(row[12]).get(PROGRESSIVE) == "on",
        own_model=row[13] or "",
    )


def head(delivery: Delivery, more: Sequence[Any]) -> Head:
    """`more`: account state, text, the provider's id of the message that it answers, that message's metadata, files,
    whether the account may have to wait, and who says it."""
    metadata = orjson.loads(more[3]) if more[3] else {}
    return Head(
        delivery,
        more[0],
        more[1],
        more[2],
        metadata,
        attachments(more[4]),
        may_wait=bool(more[5]),
        said_by_human=more[6] == "operator",
    )


def answered(row: Sequence[Any]) -> Answered:
    """Account state, the provider's id of the message that is answered, and that message's metadata."""
    return Answered(row[0], row[1], orjson.loads(row[2]) if row[2] else {})
