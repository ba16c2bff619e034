"""What is known of reply windows: templates that went out, and what was refused because a window was closed."""

import sqlalchemy as sa
from alembic import op

from storage_service.backends.tables.columns import Moment

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TIMES = (("conversations", "last_template_at"), ("conversations", "window_closed_at"))
FLAGS = (("attempts", "template"), ("receipts", "window_closed"))


def upgrade() -> None:
    """Neither absence nor a constant default rewrites a row, on either database."""
    for table, column in TIMES:
        op.add_column(table, sa.Column(column, Moment(), nullable=True))
    for table, column in FLAGS:
        op.add_column(table, sa.Column(column, sa.Boolean(), nullable=False, server_default=sa.text("false")))


def downgrade() -> None:
    for table, column in (*FLAGS, *TIMES):
        op.drop_column(table, column)
