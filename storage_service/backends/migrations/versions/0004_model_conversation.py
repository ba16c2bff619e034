"""What a model server calls a conversation that it holds itself."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A constant default rewrites no row, on either database."""
    op.add_column("conversations", sa.Column("model_conversation", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("conversations", "model_conversation")
