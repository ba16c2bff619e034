"""What is to be done: turns, deliveries, attempts, receipts."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from storage_service.backends.tables.columns import KEY, Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _attempts()
    _deliveries()
    _deliveries_indexes()
    _receipts()
    _turns()
    _turns_indexes()
    _tell_the_planner()


def downgrade() -> None:
    op.drop_table("turns")
    op.drop_table("receipts")
    op.drop_table("deliveries")
    op.drop_table("attempts")


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("delivery_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("part", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("epoch", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("outcome", sa.Text(), nullable=False, server_default="begun"),
        sa.Column("provider_message_id", KEY, nullable=False),
        sa.Column("provider_code", sa.Text(), nullable=False, server_default=""),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("receipt", sa.Text(), nullable=False, server_default=""),
        sa.Column("begun_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "delivery_id", "number"),
        sa.CheckConstraint(
            "outcome IN ('begun', 'sent', 'retry', 'rejected', 'unknown', 'unauthorized')", name="ck_attempts_outcome"
        ),
    )
    op.create_index(
        "ix_attempts_provider_id",
        "attempts",
        ["tenant_id", "account_id", "provider_message_id"],
        **only("provider_message_id <> ''"),
    )


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("conversation_id", KEY, nullable=False),
        sa.Column("message_id", KEY, nullable=False),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("turn_id", KEY, nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("reply_to_seq", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("state", sa.Text(), nullable=False, server_default="queued"),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("provider_code", sa.Text(), nullable=False, server_default=""),
        sa.Column("provider_message_id", sa.Text(), nullable=False, server_default=""),
        sa.Column("epoch", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("worker_id", sa.Text(), nullable=False, server_default=""),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.Column("lease_seconds", sa.Float(), nullable=False, server_default="60"),
        sa.Column("begun", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("due_at", Moment(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("part_attempts", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("parts", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("parts_sent", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("correlation_id", KEY, nullable=False),
        sa.Column("traceparent", KEY, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint(
            "state IN ('queued', 'sending', 'sent', 'delivered', 'read', 'failed', 'unknown')",
            name="ck_deliveries_state",
        ),
        sa.UniqueConstraint("tenant_id", "message_id", name="uq_deliveries_message"),
        postgresql_with={"fillfactor": 80},
    )


def _deliveries_indexes() -> None:
    op.create_index("ix_deliveries_expires", "deliveries", ["expires_at"], **only("expires_at IS NOT NULL"))
    op.create_index(
        "ix_deliveries_lane",
        "deliveries",
        ["tenant_id", "conversation_id", "seq"],
        **only("state IN ('queued', 'sending')"),
    )
    op.create_index(
        "ix_deliveries_visible", "deliveries", ["tenant_id", "state", "id"], **only("state IN ('failed', 'unknown')")
    )


def _receipts() -> None:
    op.create_table(
        "receipts",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("provider_message_id", KEY, nullable=False),
        sa.Column("delivery_id", KEY, nullable=False),
        sa.Column("part", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("state", sa.Text(), nullable=False, server_default=""),
        sa.Column("provider_code", sa.Text(), nullable=False, server_default=""),
        sa.Column("provider_at", Moment(), nullable=True),
        sa.Column("matched", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint(
            "tenant_id",
            "account_id",
            "provider_message_id",
            "delivery_id",
            "part",
            "state",
            "provider_code",
            name="uq_receipts_said",
        ),
    )
    op.create_index("ix_receipts_delivery", "receipts", ["tenant_id", "delivery_id"])
    op.create_index("ix_receipts_unmatched", "receipts", ["created_at"], **only("NOT matched"))


def _turns() -> None:
    op.create_table(
        "turns",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("conversation_id", KEY, nullable=False),
        sa.Column("state", sa.Text(), nullable=False, server_default="waiting"),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("epoch", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("worker_id", sa.Text(), nullable=False, server_default=""),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("first_seq", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("last_seq", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("messages", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("reply_seq", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("replies", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("deadline_seconds", sa.BigInteger(), nullable=False, server_default="120"),
        sa.Column("due_at", Moment(), nullable=False),
        sa.Column("deadline_at", Moment(), nullable=False),
        sa.Column("correlation_id", KEY, nullable=False),
        sa.Column("traceparent", KEY, nullable=False),
        sa.Column("model", sa.Text(), nullable=False, server_default=""),
        sa.Column("backend", sa.Text(), nullable=False, server_default=""),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("model_ms", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint(
            "state IN ('waiting', 'returned', 'running', 'replied', 'handed_off', 'suppressed', 'failed')",
            name="ck_turns_state",
        ),
        postgresql_with={"fillfactor": 80},
    )


def _turns_indexes() -> None:
    op.create_index("ix_turns_conversation", "turns", ["tenant_id", "conversation_id"])
    op.create_index(
        "ix_turns_deadline", "turns", ["deadline_at"], **only("state IN ('waiting', 'returned', 'running')")
    )
    op.create_index("ix_turns_expires", "turns", ["expires_at"], **only("state = 'running'"))
    op.create_index(
        "uq_turns_running",
        "turns",
        ["tenant_id", "conversation_id"],
        unique=True,
        **only("state IN ('running', 'returned')"),
    )
    op.create_index(
        "uq_turns_waiting", "turns", ["tenant_id", "conversation_id"], unique=True, **only("state = 'waiting'")
    )


def _tell_the_planner() -> None:
    """Many rows share a tenant. ANALYZE on a table with one row would say that none do, and plans would believe it."""
    if op.get_bind().dialect.name == "postgresql":
        for table in ("conversations", "messages", "turns", "deliveries", "attempts", "receipts"):
            op.execute(f"ALTER TABLE {table} ALTER COLUMN tenant_id SET (n_distinct = 10)")


def only(condition: str) -> dict[str, Any]:
    """The index holds those rows, on either database."""
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}
