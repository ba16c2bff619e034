"""How fast accounts, tenants and chats are sent to, and which accounts wait for their provider."""

import sqlalchemy as sa
from alembic import op

from storage_service.backends.tables.columns import KEY, Moment

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

KEYS = ("tenant_id", "account_id", "recipient")
TIMES = ("free_at", "queued_until", "late_until", "held_until", "ill_until", "paused_at", "begun_at")
NUMBERS = ("allowed", "unproven", "failures")


def upgrade() -> None:
    op.add_column("conversations", sa.Column("chat_free_at", Moment(), nullable=True))
    op.create_table(
        "paces",
        *(sa.Column(name, KEY, nullable=False) for name in KEYS),
        *(sa.Column(name, Moment(), nullable=True) for name in TIMES),
        sa.Column("suspect", sa.Text(), nullable=False, server_default=""),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in NUMBERS),
        sa.PrimaryKeyConstraint(*KEYS),
    )


def downgrade() -> None:
    op.drop_table("paces")
    op.drop_column("conversations", "chat_free_at")
