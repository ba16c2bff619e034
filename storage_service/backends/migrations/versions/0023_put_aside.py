"""Which delivery that did not arrive has somebody dealt with, and what is left to do, without reading what is not?"""

import sqlalchemy as sa
from alembic import op

from storage_service.backends.tables.columns import Moment

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A constant default rewrites no row, on either database."""
    op.add_column("deliveries", sa.Column("put_aside_as", sa.Text(), nullable=False, server_default=""))
    op.add_column("deliveries", sa.Column("put_aside_at", Moment(), nullable=True))
    op.add_column("deliveries", sa.Column("put_aside_by", sa.Text(), nullable=False, server_default=""))
    left_to_do = sa.text("put_aside_as <> state AND state IN ('unknown', 'failed')")
    op.create_index(
        "ix_deliveries_left_to_do",
        "deliveries",
        ["tenant_id", "state", "id"],
        postgresql_where=left_to_do,
        sqlite_where=left_to_do,
    )


def downgrade() -> None:
    op.drop_index("ix_deliveries_left_to_do", "deliveries")
    for name in ("put_aside_by", "put_aside_at", "put_aside_as"):
        op.drop_column("deliveries", name)
