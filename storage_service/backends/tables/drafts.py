"""Which replies are being shown at a provider's while they are written?"""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index
from sqlmodel import SQLModel

from storage_service.backends.tables import columns


class Draft(SQLModel, table=True):
    """A message at a provider's that shows what a turn has written so far; the text itself is not kept.

    The row is there before the message and goes after it, or when the message has become the reply. At due_at it is
    looked at: may the message stay? Without provider_message_id nobody said yet that it was posted. It is found by
    chat_id also when the contact was erased, and so the chat is not their conversation's any more.
    """

    __tablename__ = "drafts"
    __table_args__ = (
        Index("ix_drafts_due", "due_at"),
        CheckConstraint("state IN ('begun', 'shown')", name="ck_drafts_state"),
    )

    tenant_id: str = columns.primary()
    turn_id: str = columns.primary()
    conversation_id: str = columns.key()
    chat_id: str = columns.key(default="", sa_column_kwargs={"server_default": ""})
    worker_id: str = columns.text()
    owner_epoch: int = columns.number()
    state: str = columns.text("begun")
    provider_message_id: str = columns.key(default="")
    attempts: int = columns.number()
    due_at: datetime = columns.moment()
    created_at: datetime = columns.moment()
