"""Who takes part: tenants, agents, prompts, channel accounts, API keys, and the records beside."""

import sqlalchemy as sa
from alembic import op

from storage_service.backends.tables.columns import KEY, Moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _audit()
    _replicas()
    _requests()
    _tenants()
    _tombstones()
    _agents()
    _api_keys()
    _prompts()
    _channel_accounts()
    _prompt_versions()


def downgrade() -> None:
    op.drop_table("prompt_versions")
    op.drop_table("channel_accounts")
    op.drop_table("prompts")
    op.drop_table("api_keys")
    op.drop_table("agents")
    op.drop_table("tombstones")
    op.drop_table("tenants")
    op.drop_table("requests")
    op.drop_table("replicas")
    op.drop_table("audit")


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False, server_default=""),
        sa.Column("action", KEY, nullable=False),
        sa.Column("resource", sa.Text(), nullable=False, server_default=""),
        sa.Column("resource_id", KEY, nullable=False),
        sa.Column("detail", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("correlation_id", KEY, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("ix_audit_tenant", "audit", ["tenant_id", "created_at"])


def _replicas() -> None:
    op.create_table(
        "replicas",
        sa.Column("id", KEY, nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _requests() -> None:
    op.create_table(
        "requests",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("rpc", KEY, nullable=False),
        sa.Column("request_id", KEY, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "rpc", "request_id"),
    )
    op.create_index("ix_requests_created_at", "requests", ["created_at"])


def _tenants() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, server_default=""),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _tombstones() -> None:
    op.create_table(
        "tombstones",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "digest"),
    )


def _agents() -> None:
    op.create_table(
        "agents",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", KEY, nullable=False),
        sa.Column("prompt_id", KEY, nullable=True),
        sa.Column("model", sa.Text(), nullable=False, server_default=""),
        sa.Column("quiet_window_ms", sa.Integer(), nullable=True),
        sa.Column("fallback_text", sa.Text(), nullable=False, server_default=""),
        sa.Column("turn_deadline_seconds", sa.BigInteger(), nullable=False, server_default="120"),
        sa.Column("reserve_tokens", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_agents_tenant"),
        sa.UniqueConstraint("tenant_id", "name", name="uq_agents_name"),
    )


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, server_default=""),
        sa.Column("prefix", KEY, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False, server_default=""),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.Column("revoked_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_api_keys_tenant"),
        sa.UniqueConstraint("hash", name="uq_api_keys_hash"),
    )
    op.create_index("ix_api_keys_tenant", "api_keys", ["tenant_id", "id"])


def _prompts() -> None:
    op.create_table(
        "prompts",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", KEY, nullable=False),
        sa.Column("live_version_id", KEY, nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_prompts_tenant"),
        sa.UniqueConstraint("tenant_id", "name", name="uq_prompts_name"),
    )


def _channel_accounts() -> None:
    op.create_table(
        "channel_accounts",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("channel", KEY, nullable=False),
        sa.Column("account_key", KEY, nullable=False),
        sa.Column("address", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, server_default=""),
        sa.Column("agent_id", KEY, nullable=False),
        sa.Column("state", sa.Text(), nullable=False, server_default="active"),
        sa.Column("state_reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("unknown_policy", sa.Text(), nullable=False, server_default="park"),
        sa.Column("model", sa.Text(), nullable=False, server_default=""),
        sa.Column("quiet_window_ms", sa.Integer(), nullable=True),
        sa.Column("default_quiet_ms", sa.BigInteger(), nullable=False, server_default="1200"),
        sa.Column("options", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("credentials", sa.LargeBinary(), nullable=False),
        sa.Column("credentials_key_id", sa.Text(), nullable=False, server_default=""),
        sa.Column("version", sa.BigInteger(), nullable=False, server_default="1"),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint("unknown_policy IN ('park', 'resend')", name="ck_channel_accounts_policy"),
        sa.CheckConstraint("state IN ('active', 'paused', 'disabled')", name="ck_channel_accounts_state"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], name="fk_channel_accounts_agent"
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_channel_accounts_tenant"),
        sa.UniqueConstraint("tenant_id", "channel", "address", name="uq_channel_accounts_address"),
        sa.UniqueConstraint("channel", "account_key", name="uq_channel_accounts_key"),
    )


def _prompt_versions() -> None:
    op.create_table(
        "prompt_versions",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("prompt_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False, server_default=""),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "prompt_id"], ["prompts.tenant_id", "prompts.id"], name="fk_prompt_versions_prompt"
        ),
        sa.UniqueConstraint("tenant_id", "prompt_id", "number", name="uq_prompt_versions_number"),
    )
