"""What is fetched of attachments, and how long a turn waits for it."""

import sqlalchemy as sa
from alembic import op

from storage_service.backends.tables.columns import KEY, Moment

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("conversations", sa.Column("held_until", Moment(), nullable=True))
    op.create_table(
        "media",
        *(sa.Column(name, KEY, nullable=False) for name in ("tenant_id", "id", "conversation_id", "message_id")),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("attachment", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("state", sa.Text(), nullable=False, server_default="waiting"),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("media_type", sa.Text(), nullable=False, server_default=""),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("pieces", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False, server_default=""),
        sa.Column("epoch", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("lease_seconds", sa.Float(), nullable=False, server_default="0"),
        sa.Column("attempts", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("due_at", Moment(), nullable=False),
        sa.Column("correlation_id", KEY, nullable=False),
        sa.Column("traceparent", KEY, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint("state IN ('waiting', 'fetching', 'stored', 'unavailable')", name="ck_media_state"),
    )
    _index_media()
    op.create_table(
        "media_pieces",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("media_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "media_id", "number"),
    )
    if op.get_bind().dialect.name == "postgresql":  # as 0003 says why; and what is compressed already stays as it is
        op.execute("ALTER TABLE media ALTER COLUMN tenant_id SET (n_distinct = 10)")
        op.execute("ALTER TABLE media_pieces ALTER COLUMN content SET STORAGE EXTERNAL")


def _index_media() -> None:
    still_open, ended = sa.text("state IN ('waiting', 'fetching')"), sa.text("ended_at IS NOT NULL")
    op.create_index("ix_media_due", "media", ["due_at"], postgresql_where=still_open, sqlite_where=still_open)
    op.create_index("ix_media_conversation", "media", ["tenant_id", "conversation_id"])
    op.create_index("ix_media_message", "media", ["tenant_id", "message_id"])
    op.create_index("ix_media_ended", "media", ["ended_at"], postgresql_where=ended, sqlite_where=ended)


def downgrade() -> None:
    op.drop_table("media_pieces")
    op.drop_table("media")
    op.drop_column("conversations", "held_until")
