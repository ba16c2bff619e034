"""Which conversations are to be summarised."""

import sqlalchemy as sa
from alembic import op

from storage_service.backends.tables.columns import KEY, Moment

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "summaries",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("conversation_id", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("state", sa.Text(), nullable=False, server_default="waiting"),
        sa.Column("leased_by", sa.Text(), nullable=False, server_default=""),
        sa.Column("epoch", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("deadline_at", Moment(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("from_seq", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("to_seq", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("correlation_id", KEY, nullable=False),
        sa.Column("traceparent", KEY, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "conversation_id"),
        sa.CheckConstraint("state IN ('waiting', 'running', 'ended')", name="ck_summaries_state"),
    )
    op.create_index("uq_summaries_id", "summaries", ["tenant_id", "id"], unique=True)
    still_open = sa.text("state <> 'ended'")
    op.create_index(
        "ix_summaries_expires", "summaries", ["expires_at"], postgresql_where=still_open, sqlite_where=still_open
    )
    if op.get_bind().dialect.name == "postgresql":  # as 0003 says why
        op.execute("ALTER TABLE summaries ALTER COLUMN tenant_id SET (n_distinct = 10)")


def downgrade() -> None:
    op.drop_table("summaries")
