"""What was noted of channel accounts: a row for each that anything was noted of."""

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint
from sqlmodel import SQLModel

from storage_service.backends.tables import columns


class AccountSigns(SQLModel, table=True):
    """Apart from the account, whose version and cache must not change with every webhook that is refused."""

    __tablename__ = "account_signs"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "account_id"],
            ["channel_accounts.tenant_id", "channel_accounts.id"],
            name="fk_account_signs_account",
        ),
    )

    tenant_id: str = columns.primary()
    account_id: str = columns.primary()
    refused_in_row: int = columns.number()
    refused_reason: str = columns.text()
    refused_since: datetime | None = columns.moment(default=None, nullable=True)
    believed_at: datetime | None = columns.moment(default=None, nullable=True)
    heard_at: datetime | None = columns.moment(default=None, nullable=True)
    credentials_expire_at: datetime | None = columns.moment(default=None, nullable=True)
    updated_at: datetime = columns.moment()
