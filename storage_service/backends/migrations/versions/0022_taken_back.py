"""When did whoever wrote a message take it back?"""

import sqlalchemy as sa
from alembic import op

from storage_service.backends.tables.columns import Moment

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Empty for all that is there: no row is rewritten, on either database."""
    op.add_column("messages", sa.Column("taken_back_at", Moment(), nullable=True))


def downgrade() -> None:
    op.drop_column("messages", "taken_back_at")
