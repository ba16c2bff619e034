"""What is said: contacts, conversations with their lanes, messages, raw payloads."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from storage_service.backends.tables.columns import KEY, Moment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _contacts()
    _conversations()
    _conversations_indexes()
    _messages()
    _raw_payloads()
    _identities()


def downgrade() -> None:
    op.drop_table("identities")
    op.drop_table("raw_payloads")
    op.drop_table("messages")
    op.drop_table("conversations")
    op.drop_table("contacts")


def _contacts() -> None:
    op.create_table(
        "contacts",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, server_default=""),
        sa.Column("model", sa.Text(), nullable=False, server_default=""),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("erased_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )


def _conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("channel", KEY, nullable=False),
        sa.Column("chat_id", KEY, nullable=False),
        sa.Column("contact_id", KEY, nullable=False),
        sa.Column("agent_id", KEY, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False, server_default="agent"),
        sa.Column("owner_epoch", sa.BigInteger(), nullable=False, server_default="1"),
        sa.Column("prompt_version_id", KEY, nullable=True),
        sa.Column("model", sa.Text(), nullable=False, server_default=""),
        sa.Column("summary", sa.Text(), nullable=False, server_default=""),
        sa.Column("summary_seq", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("next_seq", sa.BigInteger(), nullable=False, server_default="1"),
        sa.Column("last_inbound_seq", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("last_inbound_at", Moment(), nullable=True),
        sa.Column("last_reply_seq", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("waiting_turn_id", KEY, nullable=True),
        sa.Column("waiting_since", Moment(), nullable=True),
        sa.Column("waiting_due_at", Moment(), nullable=True),
        sa.Column("waiting_messages", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("running_turn_id", KEY, nullable=True),
        sa.Column("turn_due_at", Moment(), nullable=True),
        sa.Column("open_deliveries", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("sending_delivery_id", KEY, nullable=True),
        sa.Column("delivery_due_at", Moment(), nullable=True),
        sa.Column("delivery_parked", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint("owner IN ('agent', 'queue', 'human', 'none')", name="ck_conversations_owner"),
        sa.UniqueConstraint("tenant_id", "account_id", "chat_id", name="uq_conversations_chat"),
        postgresql_with={"fillfactor": 80},
    )


def _conversations_indexes() -> None:
    op.create_index("ix_conversations_contact", "conversations", ["tenant_id", "contact_id"])
    op.create_index(
        "ix_conversations_delivery_due", "conversations", ["delivery_due_at"], **only("delivery_due_at IS NOT NULL")
    )
    op.create_index("ix_conversations_moved", "conversations", ["tenant_id", "updated_at"])
    op.create_index("ix_conversations_parked", "conversations", ["tenant_id", "account_id"], **only("delivery_parked"))
    op.create_index("ix_conversations_turn_due", "conversations", ["turn_due_at"], **only("turn_due_at IS NOT NULL"))


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("conversation_id", KEY, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("role", sa.Text(), nullable=False, server_default=""),
        sa.Column("text", sa.Text(), nullable=False, server_default=""),
        sa.Column("attachments", sa.Text(), nullable=True),
        sa.Column("message_metadata", sa.Text(), nullable=True),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("chat_id", KEY, nullable=False),
        sa.Column("sender_id", KEY, nullable=False),
        sa.Column("provider_message_id", KEY, nullable=True),
        sa.Column("reply_to_provider_message_id", KEY, nullable=False),
        sa.Column("provider_at", Moment(), nullable=False),
        sa.Column("received_at", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("turn_id", KEY, nullable=True),
        sa.Column("delivery_id", KEY, nullable=True),
        sa.Column("correlation_id", KEY, nullable=False),
        sa.Column("traceparent", KEY, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint("role IN ('contact', 'agent', 'operator', 'system')", name="ck_messages_role"),
        sa.UniqueConstraint("tenant_id", "conversation_id", "seq", name="uq_messages_seq"),
    )
    op.create_index(
        "uq_messages_provider_id",
        "messages",
        ["tenant_id", "account_id", "chat_id", "provider_message_id"],
        unique=True,
        **only("provider_message_id IS NOT NULL"),
    )


def _raw_payloads() -> None:
    op.create_table(
        "raw_payloads",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("conversation_id", KEY, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("unreadable", sa.Text(), nullable=False, server_default=""),
        sa.Column("correlation_id", KEY, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("ix_raw_payloads_conversation", "raw_payloads", ["tenant_id", "conversation_id"])
    op.create_index("ix_raw_payloads_created_at", "raw_payloads", ["created_at"])


def _identities() -> None:
    op.create_table(
        "identities",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("sender_id", KEY, nullable=False),
        sa.Column("channel", KEY, nullable=False),
        sa.Column("contact_id", KEY, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "account_id", "sender_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"], name="fk_identities"
        ),
    )
    op.create_index("ix_identities_contact", "identities", ["tenant_id", "contact_id"])


def only(condition: str) -> dict[str, Any]:
    """The index holds those rows, on either database."""
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}
