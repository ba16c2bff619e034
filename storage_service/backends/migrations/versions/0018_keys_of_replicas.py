"""Which keys each living replica can open secrets with."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("replicas", sa.Column("key_ids", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("replicas", "key_ids")
