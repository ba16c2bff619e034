"""What a turn changes in its conversation, how an agent behaves, and who waits for a human."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from storage_service.backends.tables.columns import KEY, Moment

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WAITING = "taken_at IS NULL AND closed_at IS NULL"


def upgrade() -> None:
    """Constant defaults rewrite no row, on either database."""
    for column in _of_conversations():
        op.add_column("conversations", column)
    op.add_column("agents", sa.Column("manners", sa.Text(), nullable=True))
    _queue_entries()
    _token_days()


def downgrade() -> None:
    op.drop_table("token_days")
    op.drop_table("queue_entries")
    op.drop_column("agents", "manners")
    for column in reversed(_of_conversations()):
        op.drop_column("conversations", column.name)


def _of_conversations() -> list["sa.Column[Any]"]:
    return [
        sa.Column("context_seq", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("model_conversation_seq", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("opted_out_at", Moment(), nullable=True),
        sa.Column("failed_in_row", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("hour_began_at", Moment(), nullable=True),
        sa.Column("turns_in_hour", sa.BigInteger(), nullable=False, server_default="0"),
    ]


def _queue_entries() -> None:
    op.create_table(
        "queue_entries",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("conversation_id", KEY, nullable=False),
        sa.Column("turn_id", KEY, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("summary", sa.Text(), nullable=False, server_default=""),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("due_at", Moment(), nullable=False),
        sa.Column("taken_at", Moment(), nullable=True),
        sa.Column("closed_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("ix_queue_entries_due", "queue_entries", ["tenant_id", "due_at", "id"])
    op.create_index("ix_queue_entries_waiting", "queue_entries", ["tenant_id", "due_at", "id"], **_only(WAITING))
    op.create_index("ix_queue_entries_conversation", "queue_entries", ["tenant_id", "conversation_id"])


def _token_days() -> None:
    op.create_table(
        "token_days",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("day", KEY, nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("tenant_id", "day"),
        postgresql_with={"fillfactor": 50},
    )


def _only(condition: str) -> dict[str, Any]:
    """The index holds those rows, on either database."""
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}
