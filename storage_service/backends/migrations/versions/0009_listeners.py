"""Which accounts are to be listened for, and who does so."""

import sqlalchemy as sa
from alembic import op

from storage_service.backends.tables.columns import KEY, Moment

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "listeners",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("channel", KEY, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False, server_default=""),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.Column("cursor", sa.Text(), nullable=False, server_default=""),
        sa.Column("state", sa.Text(), nullable=False, server_default="waiting"),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("since", Moment(), nullable=True),
        sa.Column("refused_version", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("tenant_id", "account_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"],
            ["channel_accounts.tenant_id", "channel_accounts.id"],
            name="fk_listeners_account",
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'connecting', 'listening', 'troubled', 'refused')", name="ck_listeners_state"
        ),
    )


def downgrade() -> None:
    op.drop_table("listeners")
