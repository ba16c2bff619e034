"""By which other name an account keeps the chat of somebody whom it knows by two."""

import sqlalchemy as sa
from alembic import op

from storage_service.backends.tables.columns import KEY

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A constant default rewrites no row, on either database."""
    op.add_column("identities", sa.Column("chat_id", KEY, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("identities", "chat_id")
