"""Who wrote in a group, and which turns ended without an answer, without reading all that was ever said."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    among_others = sa.text("sender_id <> '' AND sender_id <> chat_id")
    op.create_index(
        "ix_messages_among_others",
        "messages",
        ["tenant_id", "account_id", "sender_id"],
        postgresql_where=among_others,
        sqlite_where=among_others,
    )
    unanswered = sa.text("state IN ('handed_off', 'suppressed', 'failed')")
    op.create_index(
        "ix_turns_unanswered",
        "turns",
        ["tenant_id", "state", "id"],
        postgresql_where=unanswered,
        sqlite_where=unanswered,
    )


def downgrade() -> None:
    op.drop_index("ix_turns_unanswered", "turns")
    op.drop_index("ix_messages_among_others", "messages")
