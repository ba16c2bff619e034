"""In which chat a draft stands, for as long as it does: an erasure takes the chat away from its conversation."""

import sqlalchemy as sa
from alembic import op

from storage_service.backends.tables.columns import KEY

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("drafts", sa.Column("chat_id", KEY, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("drafts", "chat_id")
