"""Who waits for a human: conversations that were handed off, since when and why."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy import text as sql
from sqlmodel import SQLModel

from storage_service.backends.tables import columns

WAITING = "taken_at IS NULL AND closed_at IS NULL"


class QueueEntry(SQLModel, table=True):
    """One time that a conversation was handed off. Without turn_id a human did it. Open until closed_at."""

    __tablename__ = "queue_entries"
    __table_args__ = (
        Index("ix_queue_entries_due", "tenant_id", "due_at", "id"),
        Index(
            "ix_queue_entries_waiting",
            "tenant_id",
            "due_at",
            "id",
            postgresql_where=sql(WAITING),
            sqlite_where=sql(WAITING),
        ),
        Index("ix_queue_entries_conversation", "tenant_id", "conversation_id"),
    )

    tenant_id: str = columns.primary()
    id: str = columns.primary()
    conversation_id: str = columns.key()
    turn_id: str | None = columns.key(default=None, nullable=True)
    reason: str = columns.text()
    summary: str = columns.text()
    created_at: datetime = columns.moment()
    due_at: datetime = columns.moment()
    taken_at: datetime | None = columns.moment(default=None, nullable=True)
    closed_at: datetime | None = columns.moment(default=None, nullable=True)
