"""What is fetched of attachments: what is known of the bytes, and the bytes."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Float, Index, LargeBinary
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from storage_service.backends.tables import columns

OPEN_MEDIA = "state IN ('waiting', 'fetching')"


class Media(SQLModel, table=True):
    """One attachment of one message. Until due_at nobody may take it: the end of a lease, or of a pause."""

    __tablename__ = "media"
    __table_args__ = (
        Index("ix_media_due", "due_at", postgresql_where=sql(OPEN_MEDIA), sqlite_where=sql(OPEN_MEDIA)),
        Index("ix_media_conversation", "tenant_id", "conversation_id"),
        Index("ix_media_message", "tenant_id", "message_id"),
        Index(
            "ix_media_ended",
            "ended_at",
            postgresql_where=sql("ended_at IS NOT NULL"),
            sqlite_where=sql("ended_at IS NOT NULL"),
        ),
        CheckConstraint("state IN ('waiting', 'fetching', 'stored', 'unavailable')", name="ck_media_state"),
    )

    tenant_id: str = columns.primary()
    id: str = columns.primary()
    conversation_id: str = columns.key()
    message_id: str = columns.key()
    account_id: str = columns.key()
    place: int = columns.number()
    attachment: str = columns.text("{}")
    state: str = columns.text("waiting")
    reason: str = columns.text()
    media_type: str = columns.text()
    size_bytes: int = columns.number()
    pieces: int = columns.number()
    sha256: bytes = Field(default=b"", sa_type=LargeBinary)
    worker_id: str = columns.text()
    epoch: int = columns.number()
    lease_seconds: float = Field(default=0, sa_type=Float, sa_column_kwargs={"server_default": "0"})
    attempts: int = columns.number()
    due_at: datetime = columns.moment()
    correlation_id: str = columns.key(default="")
    traceparent: str = columns.key(default="")
    created_at: datetime = columns.moment()
    ended_at: datetime | None = columns.moment(default=None, nullable=True)


class MediaPiece(SQLModel, table=True):
    """Some of the bytes. They are not in the row, which is read without them."""

    __tablename__ = "media_pieces"

    tenant_id: str = columns.primary()
    media_id: str = columns.primary()
    number: int = Field(primary_key=True)
    content: bytes = Field(sa_type=LargeBinary)
