"""What was said and where: contacts, conversations with their two lanes, messages.

No foreign keys between the hot tables: each costs a look-up and a lock per row; one transaction writes both ends.
"""

from datetime import datetime

from sqlalchemy import Boolean, CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from storage_service.backends.tables import columns

# Of a message: its chat has another name than who wrote it, as groups have, and the direct chats of some providers.
AMONG_OTHERS = "sender_id <> '' AND sender_id <> chat_id"


class Contact(SQLModel, table=True):
    """A person, on however many channels."""

    __tablename__ = "contacts"

    tenant_id: str = columns.primary()
    id: str = columns.primary()
    name: str = columns.text()
    model: str = columns.text()
    created_at: datetime = columns.moment()
    erased_at: datetime | None = columns.moment(default=None, nullable=True)


class Identity(SQLModel, table=True):
    """How one channel account knows a contact: perhaps by several ids. chat_id is the chat of what they say one to one,
    where that bears another of these ids."""

    __tablename__ = "identities"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"], name="fk_identities"),
        Index("ix_identities_contact", "tenant_id", "contact_id"),
        Index(
            "ix_identities_phone",
            "tenant_id",
            "account_id",
            "phone",
            postgresql_where=sql("phone <> ''"),
            sqlite_where=sql("phone <> ''"),
        ),
    )

    tenant_id: str = columns.primary()
    account_id: str = columns.primary()
    sender_id: str = columns.primary()
    channel: str = columns.key()
    contact_id: str = columns.key()
    phone: str = columns.text()
    chat_id: str = columns.key(default="", sa_column_kwargs={"server_default": ""})
    created_at: datetime = columns.moment()


class Conversation(SQLModel, table=True):
    """One chat, and the state of its two lanes: turns to answer, deliveries to send.

    Whoever changes a lane holds this row's lock, so it alone decides what is ready:
    turn_due_at is set exactly when a turn may be leased now or later, delivery_due_at when a delivery may.
    What has a seq up to context_seq is stored, and is no context any more. language is a JSON document.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("tenant_id", "account_id", "chat_id", name="uq_conversations_chat"),
        CheckConstraint("owner IN ('agent', 'queue', 'human', 'none')", name="ck_conversations_owner"),
        Index("ix_conversations_moved", "tenant_id", "updated_at"),
        Index("ix_conversations_contact", "tenant_id", "contact_id"),
        Index(
            "ix_conversations_turn_due",
            "turn_due_at",
            postgresql_where=sql("turn_due_at IS NOT NULL"),
            sqlite_where=sql("turn_due_at IS NOT NULL"),
        ),
        Index(
            "ix_conversations_delivery_due",
            "delivery_due_at",
            postgresql_where=sql("delivery_due_at IS NOT NULL"),
            sqlite_where=sql("delivery_due_at IS NOT NULL"),
        ),
        Index(
            "ix_conversations_parked",
            "tenant_id",
            "account_id",
            postgresql_where=sql("delivery_parked"),
            sqlite_where=sql("delivery_parked"),
        ),
        {"postgresql_with": {"fillfactor": 80}},
    )

    tenant_id: str = columns.primary()
    id: str = columns.primary()
    account_id: str = columns.key()
    channel: str = columns.key()
    chat_id: str = columns.key()
    contact_id: str = columns.key()
    agent_id: str = columns.key()
    owner: str = columns.text("agent")
    owner_epoch: int = columns.number(1)
    prompt_version_id: str | None = columns.key(default=None, nullable=True)
    model: str = columns.text()
    summary: str = columns.text()
    summary_seq: int = columns.number()
    model_conversation: str = columns.text()
    model_conversation_seq: int = columns.number()
    context_seq: int = columns.number()
    language: str | None = columns.document()
    opted_out_at: datetime | None = columns.moment(default=None, nullable=True)
    failed_in_row: int = columns.number()
    hour_began_at: datetime | None = columns.moment(default=None, nullable=True)
    turns_in_hour: int = columns.number()
    next_seq: int = columns.number(1)
    last_inbound_seq: int = columns.number()
    last_inbound_at: datetime | None = columns.moment(default=None, nullable=True)
    last_template_at: datetime | None = columns.moment(default=None, nullable=True)
    window_closed_at: datetime | None = columns.moment(default=None, nullable=True)
    chat_free_at: datetime | None = columns.moment(default=None, nullable=True)
    last_reply_seq: int = columns.number()
    waiting_turn_id: str | None = columns.key(default=None, nullable=True)
    waiting_since: datetime | None = columns.moment(default=None, nullable=True)
    held_until: datetime | None = columns.moment(default=None, nullable=True)
    waiting_due_at: datetime | None = columns.moment(default=None, nullable=True)
    waiting_messages: int = columns.number()
    running_turn_id: str | None = columns.key(default=None, nullable=True)
    turn_due_at: datetime | None = columns.moment(default=None, nullable=True)
    open_deliveries: int = columns.number()
    sending_delivery_id: str | None = columns.key(default=None, nullable=True)
    delivery_due_at: datetime | None = columns.moment(default=None, nullable=True)
    delivery_parked: bool = Field(default=False, sa_type=Boolean, sa_column_kwargs={"server_default": sql("false")})
    created_at: datetime = columns.moment()
    updated_at: datetime = columns.moment()


class Message(SQLModel, table=True):
    """One entry of a conversation's history. The unique index on the provider's id is the dedupe.

    attachments and metadata are JSON documents, absent when empty.
    """

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("tenant_id", "conversation_id", "seq", name="uq_messages_seq"),
        Index(
            "uq_messages_provider_id",
            "tenant_id",
            "account_id",
            "chat_id",
            "provider_message_id",
            unique=True,
            postgresql_where=sql("provider_message_id IS NOT NULL"),
            sqlite_where=sql("provider_message_id IS NOT NULL"),
        ),
        # Who asks to be forgotten, or for what is known of them, is looked for in the chats of others, too.
        Index(
            "ix_messages_among_others",
            "tenant_id",
            "account_id",
            "sender_id",
            postgresql_where=sql(AMONG_OTHERS),
            sqlite_where=sql(AMONG_OTHERS),
        ),
        CheckConstraint("role IN ('contact', 'agent', 'operator', 'system')", name="ck_messages_role"),
    )

    tenant_id: str = columns.primary()
    id: str = columns.primary()
    conversation_id: str = columns.key()
    seq: int = columns.number()
    role: str = columns.text()
    text: str = columns.text()
    attachments: str | None = columns.document()
    message_metadata: str | None = columns.document()
    account_id: str = columns.key()
    chat_id: str = columns.key()
    sender_id: str = columns.key(default="")
    provider_message_id: str | None = columns.key(default=None, nullable=True)
    reply_to_provider_message_id: str = columns.key(default="")
    provider_at: datetime = columns.moment()
    received_at: datetime | None = columns.moment(default=None, nullable=True)
    created_at: datetime = columns.moment()
    turn_id: str | None = columns.key(default=None, nullable=True)
    delivery_id: str | None = columns.key(default=None, nullable=True)
    correlation_id: str = columns.key(default="")
    traceparent: str = columns.key(default="")
    taken_back_at: datetime | None = columns.moment(default=None, nullable=True)


class RawPayload(SQLModel, table=True):
    """A webhook's body as it came, under its own retention. unreadable says why nothing was made of it."""

    __tablename__ = "raw_payloads"
    __table_args__ = (
        Index("ix_raw_payloads_created_at", "created_at"),
        Index("ix_raw_payloads_conversation", "tenant_id", "conversation_id"),
    )

    tenant_id: str = columns.primary()
    id: str = columns.primary()
    account_id: str = columns.key()
    conversation_id: str = columns.key(default="")
    payload: bytes = Field(sa_type=LargeBinary)
    unreadable: str = columns.text()
    correlation_id: str = columns.key(default="")
    created_at: datetime = columns.moment()
