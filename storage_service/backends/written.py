"""Which rows does hot work write, and which of their columns ever change? The plain writes of both dialects follow."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import cache
from typing import Any, get_args, get_type_hints

from storage_service.domain import hand_offs, media, pace, rows, summaries


@dataclass(frozen=True, slots=True)
class Written:
    """A table, the value that stands for its row, its key, what an insert gives and what an update sets.

    Every column costs in both languages, so an insert leaves out what the database's own defaults say.
    """

    table: str
    row: type
    key: tuple[str, ...]
    changing: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    # A row that is there already says the same: leave it.
    again: str = ""
    # A row that is there already, and of which this is true, is written anew; any other is left.
    anew_when: str = ""
    # A row that is there already is written anew.
    anew: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(field.name for field in fields(self.row))

    @property
    def inserted(self) -> tuple[str, ...]:
        return self.given or self.columns

    @property
    def conflict(self) -> str:
        """What an insert says of a row that is there already."""
        if self.anew or self.anew_when:
            values = ", ".join(f"{column} = excluded.{column}" for column in self.inserted if column not in self.key)
            when = f" WHERE {self.table}.{self.anew_when}" if self.anew_when else ""
            return f" ON CONFLICT ({', '.join(self.key)}) DO UPDATE SET {values}{when}"
        return f" ON CONFLICT ({self.again}) DO NOTHING" if self.again else ""


@cache
def _hints(row: type) -> dict[str, Any]:
    """Annotations are words until they are looked up, which takes longer than the rest of opening a database."""
    return get_type_hints(row)


def times_of(row: type, names: Sequence[str]) -> tuple[int, ...]:
    """Where times stand among these columns, for the dialect that has no type for them."""
    hints = _hints(row)
    return tuple(i for i, name in enumerate(names) if datetime in (hints[name], *get_args(hints[name])))


LANES = Written(
    "conversations",
    rows.Lane,
    key=("tenant_id", "id"),
    changing=(
        "owner",
        "owner_epoch",
        "next_seq",
        "last_inbound_seq",
        "last_inbound_at",
        "last_template_at",
        "window_closed_at",
        "chat_free_at",
        "last_reply_seq",
        "context_seq",
        "opted_out_at",
        "failed_in_row",
        "hour_began_at",
        "turns_in_hour",
        "waiting_turn_id",
        "waiting_since",
        "waiting_due_at",
        "waiting_messages",
        "held_until",
        "running_turn_id",
        "turn_due_at",
        "open_deliveries",
        "sending_delivery_id",
        "delivery_due_at",
        "delivery_parked",
        "updated_at",
    ),
)
# A lease of a turn moves these only; a delivery those.
LEASED_LANES = replace(
    LANES,
    changing=(
        "waiting_turn_id",
        "waiting_since",
        "waiting_due_at",
        "waiting_messages",
        "held_until",
        "running_turn_id",
        "turn_due_at",
    ),
)
SENDING_LANES = replace(
    LANES,
    changing=("open_deliveries", "sending_delivery_id", "delivery_due_at", "delivery_parked", "chat_free_at"),
)
MESSAGES = Written("messages", rows.Message, key=("tenant_id", "id"))
TURNS = Written(
    "turns",
    rows.Turn,
    key=("tenant_id", "id"),
    changing=(
        "state",
        "reason",
        "epoch",
        "worker_id",
        "expires_at",
        "attempts",
        "first_seq",
        "last_seq",
        "messages",
        "reply_seq",
        "replies",
        "due_at",
        "deadline_at",
        "correlation_id",
        "traceparent",
        "model",
        "backend",
        "input_tokens",
        "output_tokens",
        "cost_micros",
        "model_ms",
        "ended_at",
    ),
    given=(
        "tenant_id",
        "id",
        "conversation_id",
        "state",
        "reason",
        "epoch",
        "worker_id",
        "expires_at",
        "attempts",
        "first_seq",
        "last_seq",
        "messages",
        "deadline_seconds",
        "due_at",
        "deadline_at",
        "correlation_id",
        "traceparent",
        "created_at",
    ),
)
LEASED_TURNS = replace(
    TURNS,
    changing=(
        "state",
        "epoch",
        "worker_id",
        "expires_at",
        "attempts",
        "first_seq",
        "last_seq",
        "messages",
        "due_at",
        "deadline_at",
    ),
)
DELIVERIES = Written(
    "deliveries",
    rows.Delivery,
    key=("tenant_id", "id"),
    changing=(
        "state",
        "reason",
        "provider_code",
        "provider_message_id",
        "epoch",
        "worker_id",
        "expires_at",
        "lease_seconds",
        "begun",
        "due_at",
        "attempts",
        "part_attempts",
        "parts",
        "parts_sent",
        "updated_at",
    ),
    given=(
        "tenant_id",
        "id",
        "conversation_id",
        "message_id",
        "account_id",
        "turn_id",
        "seq",
        "reply_to_seq",
        "epoch",
        "worker_id",
        "expires_at",
        "lease_seconds",
        "due_at",
        "correlation_id",
        "traceparent",
        "created_at",
        "updated_at",
    ),
)
ATTEMPTS = Written(
    "attempts",
    rows.Attempt,
    key=("tenant_id", "delivery_id", "number"),
    changing=("outcome", "provider_message_id", "provider_code", "reason", "receipt", "shown", "ended_at"),
    given=(
        "tenant_id",
        "delivery_id",
        "number",
        "account_id",
        "part",
        "template",
        "epoch",
        "provider_message_id",
        "shown",
        "begun_at",
    ),
)
RECEIPTS = Written(
    "receipts",
    rows.Receipt,
    key=("tenant_id", "id"),
    changing=("matched",),
    again="tenant_id, account_id, provider_message_id, delivery_id, part, state, provider_code",
)
RAW_PAYLOADS = Written("raw_payloads", rows.RawPayload, key=("tenant_id", "id"))
QUEUE_ENTRIES = Written("queue_entries", hand_offs.QueueEntry, key=("tenant_id", "id"))

SUMMARIES = Written(
    "summaries",
    summaries.Summary,
    key=("tenant_id", "conversation_id"),
    changing=("state", "leased_by", "epoch", "expires_at", "deadline_at", "attempts", "from_seq", "to_seq"),
    anew_when="state = 'ended'",
)
PACES = Written("paces", pace.Pace, key=("tenant_id", "account_id", "recipient"), anew=True)

MEDIA = Written(
    "media",
    media.Media,
    key=("tenant_id", "id"),
    changing=(
        "attachment",
        "state",
        "reason",
        "media_type",
        "size_bytes",
        "pieces",
        "sha256",
        "worker_id",
        "epoch",
        "lease_seconds",
        "attempts",
        "due_at",
        "ended_at",
    ),
)

ALL = (LANES, MESSAGES, TURNS, DELIVERIES, ATTEMPTS, RECEIPTS, RAW_PAYLOADS, SUMMARIES, QUEUE_ENTRIES, PACES, MEDIA)
UPDATED = {each.table: each for each in ALL if each.changing}
UPDATED |= {"leased_lanes": LEASED_LANES, "sending_lanes": SENDING_LANES, "leased_turns": LEASED_TURNS}
BY_ROW = {each.row.__name__: each for each in ALL}
