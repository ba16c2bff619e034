"""What does a call show, so that its provider's echo of it is known before its answer is?"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A constant default rewrites no row, on either database."""
    op.add_column("attempts", sa.Column("shown", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("attempts", "shown")
