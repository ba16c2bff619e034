"""What was noted of channel accounts: webhooks refused or believed, people who wrote, credentials that end."""

import sqlalchemy as sa
from alembic import op

from storage_service.backends.tables.columns import KEY, Moment

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_signs",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("refused_in_row", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("refused_reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("refused_since", Moment(), nullable=True),
        sa.Column("believed_at", Moment(), nullable=True),
        sa.Column("heard_at", Moment(), nullable=True),
        sa.Column("credentials_expire_at", Moment(), nullable=True),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "account_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"],
            ["channel_accounts.tenant_id", "channel_accounts.id"],
            name="fk_account_signs_account",
        ),
    )


def downgrade() -> None:
    op.drop_table("account_signs")
