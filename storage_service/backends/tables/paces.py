"""How fast does what is sent go out? One row for each account; for tenants and shared chats where they have limits."""

from datetime import datetime

from sqlmodel import SQLModel

from storage_service.backends.tables import columns


class Pace(SQLModel, table=True):
    """account_id is empty for the tenant, recipient for the account. storage_service/domain/pace.py says the rest."""

    __tablename__ = "paces"

    tenant_id: str = columns.primary()
    account_id: str = columns.primary()
    recipient: str = columns.primary()
    free_at: datetime | None = columns.moment(default=None, nullable=True)
    queued_until: datetime | None = columns.moment(default=None, nullable=True)
    late_until: datetime | None = columns.moment(default=None, nullable=True)
    held_until: datetime | None = columns.moment(default=None, nullable=True)
    ill_until: datetime | None = columns.moment(default=None, nullable=True)
    suspect: str = columns.text()
    paused_at: datetime | None = columns.moment(default=None, nullable=True)
    begun_at: datetime | None = columns.moment(default=None, nullable=True)
    allowed: int = columns.number()
    unproven: int = columns.number()
    failures: int = columns.number()
    interval_micros: int = columns.number()
