"""Which receipts say that a person opted out at the provider."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A constant default rewrites no row, on either database."""
    op.add_column("receipts", sa.Column("opted_out", sa.Boolean(), nullable=False, server_default=sa.text("false")))


def downgrade() -> None:
    op.drop_column("receipts", "opted_out")
