"""Work and its record: turns, deliveries, attempts, receipts.

States are the contract's words in lower case, and one of our own: a turn that was leased and has no
holder any more is "returned" (people see WAITING); it keeps its place before the turn that waits.
"""

from datetime import datetime

from sqlalchemy import Boolean, CheckConstraint, Float, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from storage_service.backends.tables import columns

OPEN_TURN = "state IN ('waiting', 'returned', 'running')"
UNANSWERED_TURN = "state IN ('handed_off', 'suppressed', 'failed')"
OPEN_DELIVERY = "state IN ('queued', 'sending')"
UNDELIVERED = "state IN ('failed', 'unknown')"
# The states the other way round: else SQLite, which has no statistics, might read all that failed, by the other index.
LEFT_TO_DO = "put_aside_as <> state AND state IN ('unknown', 'failed')"
# Which states the partial indexes hold, by the condition that a statement has to repeat.
HELD_TURNS = {
    OPEN_TURN: frozenset({"waiting", "returned", "running"}),
    UNANSWERED_TURN: frozenset({"handed_off", "suppressed", "failed"}),
}
HELD_DELIVERIES = {OPEN_DELIVERY: frozenset({"queued", "sending"}), UNDELIVERED: frozenset({"failed", "unknown"})}
HELD_LEFT_TO_DO = {LEFT_TO_DO: HELD_DELIVERIES[UNDELIVERED]}
# Of what is open there is little, whoever's it is. SQLite, which has no statistics, would read all that the tenant has
# instead; Postgres knows, and might compare each with each.
ON_SQLITE = {
    OPEN_TURN: "id IN (SELECT id FROM turns WHERE state IN ('waiting', 'returned', 'running'))",
    OPEN_DELIVERY: "id IN (SELECT id FROM deliveries WHERE state IN ('queued', 'sending'))",
}


class Turn(SQLModel, table=True):
    """One answer in the making, or made. The partial unique indexes are promise 3."""

    __tablename__ = "turns"
    __table_args__ = (
        Index(
            "uq_turns_waiting",
            "tenant_id",
            "conversation_id",
            unique=True,
            postgresql_where=sql("state = 'waiting'"),
            sqlite_where=sql("state = 'waiting'"),
        ),
        Index(
            "uq_turns_running",
            "tenant_id",
            "conversation_id",
            unique=True,
            postgresql_where=sql("state IN ('running', 'returned')"),
            sqlite_where=sql("state IN ('running', 'returned')"),
        ),
        Index(
            "ix_turns_expires",
            "expires_at",
            postgresql_where=sql("state = 'running'"),
            sqlite_where=sql("state = 'running'"),
        ),
        Index(
            "ix_turns_deadline",
            "deadline_at",
            postgresql_where=sql(OPEN_TURN),
            sqlite_where=sql(OPEN_TURN),
        ),
        Index(
            "ix_turns_unanswered",
            "tenant_id",
            "state",
            "id",
            postgresql_where=sql(UNANSWERED_TURN),
            sqlite_where=sql(UNANSWERED_TURN),
        ),
        # Without the id: an index that holds it rivals the primary key while the planner thinks the table small.
        Index("ix_turns_conversation", "tenant_id", "conversation_id"),
        CheckConstraint(
            "state IN ('waiting', 'returned', 'running', 'replied', 'handed_off', 'suppressed', 'failed')",
            name="ck_turns_state",
        ),
        {"postgresql_with": {"fillfactor": 80}},
    )

    tenant_id: str = columns.primary()
    id: str = columns.primary()
    conversation_id: str = columns.key()
    state: str = columns.text("waiting")
    reason: str = columns.text()
    epoch: int = columns.number()
    worker_id: str = columns.text()
    expires_at: datetime | None = columns.moment(default=None, nullable=True)
    attempts: int = columns.number()
    first_seq: int = columns.number()
    last_seq: int = columns.number()
    messages: int = columns.number()
    reply_seq: int = columns.number()
    replies: int = columns.number()
    deadline_seconds: int = columns.number(120)
    due_at: datetime = columns.moment()
    deadline_at: datetime = columns.moment()
    correlation_id: str = columns.key(default="")
    traceparent: str = columns.key(default="")
    model: str = columns.text()
    backend: str = columns.text()
    input_tokens: int = columns.number()
    output_tokens: int = columns.number()
    cost_micros: int = columns.number()
    model_ms: int = columns.number()
    created_at: datetime = columns.moment()
    ended_at: datetime | None = columns.moment(default=None, nullable=True)


class Delivery(SQLModel, table=True):
    """One message on its way to one chat. seq is its message's place and so its place in the lane."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index(
            "ix_deliveries_lane",
            "tenant_id",
            "conversation_id",
            "seq",
            postgresql_where=sql(OPEN_DELIVERY),
            sqlite_where=sql(OPEN_DELIVERY),
        ),
        Index(
            "ix_deliveries_expires",
            "expires_at",
            postgresql_where=sql("expires_at IS NOT NULL"),
            sqlite_where=sql("expires_at IS NOT NULL"),
        ),
        Index(
            "ix_deliveries_visible",
            "tenant_id",
            "state",
            "id",
            postgresql_where=sql(UNDELIVERED),
            sqlite_where=sql(UNDELIVERED),
        ),
        Index(
            "ix_deliveries_left_to_do",
            "tenant_id",
            "state",
            "id",
            postgresql_where=sql(LEFT_TO_DO),
            sqlite_where=sql(LEFT_TO_DO),
        ),
        UniqueConstraint("tenant_id", "message_id", name="uq_deliveries_message"),
        CheckConstraint(
            "state IN ('queued', 'sending', 'sent', 'delivered', 'read', 'failed', 'unknown')",
            name="ck_deliveries_state",
        ),
        {"postgresql_with": {"fillfactor": 80}},
    )

    tenant_id: str = columns.primary()
    id: str = columns.primary()
    conversation_id: str = columns.key()
    message_id: str = columns.key()
    account_id: str = columns.key()
    turn_id: str | None = columns.key(default=None, nullable=True)
    seq: int = columns.number()
    reply_to_seq: int = columns.number()
    state: str = columns.text("queued")
    reason: str = columns.text()
    provider_code: str = columns.text()
    provider_message_id: str = columns.text()
    epoch: int = columns.number()
    worker_id: str = columns.text()
    expires_at: datetime | None = columns.moment(default=None, nullable=True)
    lease_seconds: float = Field(default=60, sa_type=Float, sa_column_kwargs={"server_default": "60"})
    begun: bool = Field(default=False, sa_type=Boolean, sa_column_kwargs={"server_default": sql("false")})
    due_at: datetime = columns.moment()
    attempts: int = columns.number()
    part_attempts: int = columns.number()
    parts: int = columns.number()
    parts_sent: int = columns.number()
    correlation_id: str = columns.key(default="")
    traceparent: str = columns.key(default="")
    created_at: datetime = columns.moment()
    updated_at: datetime = columns.moment()
    # The state in which a person put it aside; in another one it is aside no more.
    put_aside_as: str = columns.text()
    put_aside_at: datetime | None = columns.moment(default=None, nullable=True)
    put_aside_by: str = columns.text()


class Attempt(SQLModel, table=True):
    """One call to a provider for one part, written before the call. Without an end it may have been taken."""

    __tablename__ = "attempts"
    __table_args__ = (
        Index(
            "ix_attempts_provider_id",
            "tenant_id",
            "account_id",
            "provider_message_id",
            postgresql_where=sql("provider_message_id <> ''"),
            sqlite_where=sql("provider_message_id <> ''"),
        ),
        CheckConstraint(
            "outcome IN ('begun', 'sent', 'retry', 'rejected', 'unknown', 'unauthorized')", name="ck_attempts_outcome"
        ),
    )

    tenant_id: str = columns.primary()
    delivery_id: str = columns.primary()
    number: int = Field(primary_key=True)
    account_id: str = columns.key()
    part: int = columns.number()
    template: bool = Field(default=False, sa_type=Boolean, sa_column_kwargs={"server_default": sql("false")})
    epoch: int = columns.number()
    outcome: str = columns.text("begun")
    provider_message_id: str = columns.key(default="")
    provider_code: str = columns.text()
    reason: str = columns.text()
    receipt: str = columns.text()
    shown: str = columns.text()
    begun_at: datetime = columns.moment()
    ended_at: datetime | None = columns.moment(default=None, nullable=True)


class Receipt(SQLModel, table=True):
    """What a provider said later, kept as it came. Without delivery_id it waits for the delivery it is about."""

    __tablename__ = "receipts"
    __table_args__ = (
        # The same receipt again says nothing new.
        UniqueConstraint(
            "tenant_id",
            "account_id",
            "provider_message_id",
            "delivery_id",
            "part",
            "state",
            "provider_code",
            name="uq_receipts_said",
        ),
        Index("ix_receipts_delivery", "tenant_id", "delivery_id"),
        Index(
            "ix_receipts_unmatched",
            "created_at",
            postgresql_where=sql("NOT matched"),
            sqlite_where=sql("NOT matched"),
        ),
    )

    tenant_id: str = columns.primary()
    id: str = columns.primary()
    account_id: str = columns.key()
    provider_message_id: str = columns.key(default="")
    delivery_id: str = columns.key(default="")
    part: int = columns.number()
    state: str = columns.text()
    provider_code: str = columns.text()
    window_closed: bool = Field(default=False, sa_type=Boolean, sa_column_kwargs={"server_default": sql("false")})
    opted_out: bool = Field(default=False, sa_type=Boolean, sa_column_kwargs={"server_default": sql("false")})
    provider_at: datetime | None = columns.moment(default=None, nullable=True)
    matched: bool = Field(default=False, sa_type=Boolean, sa_column_kwargs={"server_default": sql("false")})
    created_at: datetime = columns.moment()
