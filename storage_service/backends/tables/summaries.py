"""Which conversations are to be summarised, and who is about it?"""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index
from sqlalchemy import text as sql
from sqlmodel import SQLModel

from storage_service.backends.tables import columns

OPEN_SUMMARY = "state <> 'ended'"


class Summary(SQLModel, table=True):
    """The summary job of a conversation, of which there is one at a time. It stands beside the lane of its turns.

    Until expires_at nobody may take it: a job that waits has it in the past, one that is leased at the end of its
    lease. An ended one stays until the next takes its row, so that a commit that comes again finds what it did.
    """

    __tablename__ = "summaries"
    __table_args__ = (
        Index("uq_summaries_id", "tenant_id", "id", unique=True),
        Index(
            "ix_summaries_expires",
            "expires_at",
            postgresql_where=sql(OPEN_SUMMARY),
            sqlite_where=sql(OPEN_SUMMARY),
        ),
        CheckConstraint("state IN ('waiting', 'running', 'ended')", name="ck_summaries_state"),
    )

    tenant_id: str = columns.primary()
    conversation_id: str = columns.primary()
    id: str = columns.key()
    state: str = columns.text("waiting")
    leased_by: str = columns.text()
    epoch: int = columns.number()
    expires_at: datetime = columns.moment()
    deadline_at: datetime = columns.moment()
    attempts: int = columns.number()
    from_seq: int = columns.number()
    to_seq: int = columns.number()
    correlation_id: str = columns.key(default="")
    traceparent: str = columns.key(default="")
    created_at: datetime = columns.moment()
