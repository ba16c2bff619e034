"""What a channel account can show, and the phone numbers of people."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NEW = (("channel_accounts", "formatting"), ("identities", "phone"))


def upgrade() -> None:
    for table, column in NEW:
        op.add_column(table, sa.Column(column, sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    for table, column in NEW:
        op.drop_column(table, column)
