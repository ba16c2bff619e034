"""Whom another account knows by the same phone number."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    known = sa.text("phone <> ''")
    op.create_index(
        "ix_identities_phone",
        "identities",
        ["tenant_id", "account_id", "phone"],
        postgresql_where=known,
        sqlite_where=known,
    )


def downgrade() -> None:
    op.drop_index("ix_identities_phone", "identities")
