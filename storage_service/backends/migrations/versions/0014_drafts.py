"""Which replies are being shown at a provider's while they are written."""

import sqlalchemy as sa
from alembic import op

from storage_service.backends.tables.columns import KEY, Moment

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drafts",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("turn_id", KEY, nullable=False),
        sa.Column("conversation_id", KEY, nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False, server_default=""),
        sa.Column("owner_epoch", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("state", sa.Text(), nullable=False, server_default="begun"),
        sa.Column("provider_message_id", KEY, nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("due_at", Moment(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "turn_id"),
        sa.CheckConstraint("state IN ('begun', 'shown')", name="ck_drafts_state"),
    )
    op.create_index("ix_drafts_due", "drafts", ["due_at"])


def downgrade() -> None:
    op.drop_index("ix_drafts_due", "drafts")
    op.drop_table("drafts")
