"""Which accounts are to be listened for, and who does so?"""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlmodel import SQLModel

from storage_service.backends.tables import columns


class Listener(SQLModel, table=True):
    """An account whose provider does not call us. The row comes and goes with the account's option.

    Until expires_at it is the owner's alone. refused_version is the version of the account that the provider refused:
    nobody tries again before the account is changed.
    """

    __tablename__ = "listeners"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "account_id"],
            ["channel_accounts.tenant_id", "channel_accounts.id"],
            name="fk_listeners_account",
        ),
        CheckConstraint(
            "state IN ('waiting', 'connecting', 'listening', 'troubled', 'refused')", name="ck_listeners_state"
        ),
    )

    tenant_id: str = columns.primary()
    account_id: str = columns.primary()
    channel: str = columns.key()
    owner: str = columns.text()
    expires_at: datetime | None = columns.moment(default=None, nullable=True)
    cursor: str = columns.text()
    state: str = columns.text("waiting")
    reason: str = columns.text()
    since: datetime | None = columns.moment(default=None, nullable=True)
    refused_version: int = columns.number()
