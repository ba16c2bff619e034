"""What is configured rather than said: tenants, channel accounts, agents, prompts, API keys."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Integer, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from storage_service.backends.tables import columns


class Tenant(SQLModel, table=True):
    """One organisation."""

    __tablename__ = "tenants"

    id: str = columns.primary()
    name: str = columns.text()
    created_at: datetime = columns.moment()


class Agent(SQLModel, table=True):
    """Who answers. An absent quiet window is the channel's own. manners is a JSON document."""

    __tablename__ = "agents"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name", name="uq_agents_name"),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_agents_tenant"),
    )

    tenant_id: str = columns.primary()
    id: str = columns.primary()
    name: str = columns.key()
    prompt_id: str | None = columns.key(default=None, nullable=True)
    model: str = columns.text()
    quiet_window_ms: int | None = Field(default=None, sa_type=Integer, nullable=True)
    fallback_text: str = columns.text()
    turn_deadline_seconds: int = columns.number(120)
    reserve_tokens: int = columns.number()
    manners: str | None = columns.document()
    created_at: datetime = columns.moment()
    updated_at: datetime = columns.moment()


class Prompt(SQLModel, table=True):
    """A prompt by name; its texts are versions. The live one is pinned to new conversations."""

    __tablename__ = "prompts"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name", name="uq_prompts_name"),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_prompts_tenant"),
    )

    tenant_id: str = columns.primary()
    id: str = columns.primary()
    name: str = columns.key()
    live_version_id: str | None = columns.key(default=None, nullable=True)
    created_at: datetime = columns.moment()


class PromptVersion(SQLModel, table=True):
    """One text of a prompt. Never updated."""

    __tablename__ = "prompt_versions"
    __table_args__ = (
        UniqueConstraint("tenant_id", "prompt_id", "number", name="uq_prompt_versions_number"),
        ForeignKeyConstraint(
            ["tenant_id", "prompt_id"], ["prompts.tenant_id", "prompts.id"], name="fk_prompt_versions_prompt"
        ),
    )

    tenant_id: str = columns.primary()
    id: str = columns.primary()
    prompt_id: str = columns.key()
    number: int = Field(sa_type=Integer)
    text: str = columns.text()
    created_at: datetime = columns.moment()


class ChannelAccount(SQLModel, table=True):
    """One address of a tenant on one channel. default_quiet_ms is what its channel prefers when nobody says."""

    __tablename__ = "channel_accounts"
    __table_args__ = (
        UniqueConstraint("tenant_id", "channel", "address", name="uq_channel_accounts_address"),
        UniqueConstraint("channel", "account_key", name="uq_channel_accounts_key"),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_channel_accounts_tenant"),
        ForeignKeyConstraint(
            ["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], name="fk_channel_accounts_agent"
        ),
        CheckConstraint("state IN ('active', 'paused', 'disabled')", name="ck_channel_accounts_state"),
        CheckConstraint("unknown_policy IN ('park', 'resend')", name="ck_channel_accounts_policy"),
    )

    tenant_id: str = columns.primary()
    id: str = columns.primary()
    channel: str = columns.key()
    account_key: str = columns.key()
    address: str = columns.key()
    name: str = columns.text()
    agent_id: str = columns.key()
    state: str = columns.text("active")
    state_reason: str = columns.text()
    unknown_policy: str = columns.text("park")
    model: str = columns.text()
    quiet_window_ms: int | None = Field(default=None, sa_type=Integer, nullable=True)
    default_quiet_ms: int = columns.number(1200)
    options: str = columns.text("{}")
    formatting: str = columns.text()
    credentials: bytes = Field(default=b"", sa_type=LargeBinary)
    credentials_key_id: str = columns.text()
    version: int = columns.number(1)
    created_at: datetime = columns.moment()
    updated_at: datetime = columns.moment()


class ApiKey(SQLModel, table=True):
    """A credential of a tenant's own programs; only a hash of the secret is kept. Scopes are separated by spaces."""

    __tablename__ = "api_keys"
    __table_args__ = (
        UniqueConstraint("hash", name="uq_api_keys_hash"),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_api_keys_tenant"),
        Index("ix_api_keys_tenant", "tenant_id", "id"),
    )

    tenant_id: str = columns.primary()
    id: str = columns.primary()
    name: str = columns.text()
    prefix: str = columns.key()
    hash: bytes = Field(sa_type=LargeBinary)
    scopes: str = columns.text()
    created_at: datetime = columns.moment()
    expires_at: datetime | None = columns.moment(default=None, nullable=True)
    revoked_at: datetime | None = columns.moment(default=None, nullable=True)
