"""How fast an account may be sent to, as a sender last said: those who wait for it are given their places by that."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("paces", sa.Column("interval_micros", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("paces", "interval_micros")
