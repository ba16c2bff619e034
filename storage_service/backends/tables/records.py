"""What is kept beside the work: who changed what, what was asked before or erased, what was used, who is alive."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary
from sqlmodel import Field, SQLModel

from storage_service.backends.tables import columns


class Audit(SQLModel, table=True):
    """One change of configuration or ownership, one message of an operator, or one erasure; no secret and no text."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_tenant", "tenant_id", "created_at"),)

    tenant_id: str = columns.primary()
    id: str = columns.primary()
    actor: str = columns.text()
    action: str = columns.key()
    resource: str = columns.text()
    resource_id: str = columns.key(default="")
    detail: str = columns.text("{}")
    correlation_id: str = columns.key(default="")
    created_at: datetime = columns.moment()


class Request(SQLModel, table=True):
    """The first answer to a request id, so that the same request changes nothing a second time."""

    __tablename__ = "requests"
    __table_args__ = (Index("ix_requests_created_at", "created_at"),)

    tenant_id: str = columns.primary()
    rpc: str = columns.primary()
    request_id: str = columns.primary()
    digest: bytes = Field(sa_type=LargeBinary)
    response: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = columns.moment()


class Tombstone(SQLModel, table=True):
    """A provider message that was erased: only its keyed hash stays, so that a late webhook does not bring it back."""

    __tablename__ = "tombstones"

    tenant_id: str = columns.primary()
    digest: bytes = Field(sa_type=LargeBinary, primary_key=True)
    created_at: datetime = columns.moment()


class TokenDay(SQLModel, table=True):
    """How many tokens a tenant's turns and summaries read and wrote on a day (UTC)."""

    __tablename__ = "token_days"
    # Every commit counts: there is room beside the row for the next few of its versions.
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    tenant_id: str = columns.primary()
    day: str = columns.primary()
    tokens: int = columns.number()


class Replica(SQLModel, table=True):
    """A storage process that is alive: wake-ups cross processes only when there is another one, and secrets are sealed
    under a new key only when each has it."""

    __tablename__ = "replicas"

    id: str = columns.primary()
    seen_at: datetime = columns.moment()
    key_ids: str = columns.text()  # of SECRET_KEYS, with commas between; an older Parley writes none
