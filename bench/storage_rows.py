"""How does a database come to hold a million messages? Written in bulk by one statement per table."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from kit.moments import utc_now
from storage_service.backends.engines import open_engine
from storage_service.backends.tables.columns import to_micros

TENANT, ACCOUNT = "bench", "account"

DIRECTORY = (
    "INSERT INTO tenants (id, name, created_at) VALUES (:t, :t, :at)",
    "INSERT INTO agents (tenant_id, id, name, created_at, updated_at) VALUES (:t, 'agent', 'agent', :at, :at)",
    "INSERT INTO channel_accounts (tenant_id, id, channel, account_key, address, agent_id, default_quiet_ms, "
    "credentials, created_at, updated_at) VALUES (:t, :a, 'api', 'key', 'api', 'agent', 0, :none, :at, :at)",
)
CONVERSATIONS = (
    "INSERT INTO contacts (tenant_id, id, created_at) SELECT :t, 'contact-' || n, :at FROM numbers",
    "INSERT INTO identities (tenant_id, account_id, sender_id, channel, contact_id, created_at) "
    "SELECT :t, :a, 'chat-' || n, 'api', 'contact-' || n, :at FROM numbers",
    "INSERT INTO conversations (tenant_id, id, account_id, channel, chat_id, contact_id, agent_id, next_seq, "
    "created_at, updated_at) SELECT :t, 'conversation-' || n, :a, 'api', 'chat-' || n, 'contact-' || n, 'agent', "
    ":each + 1, :at, :at FROM numbers",
)
MESSAGES = (
    "INSERT INTO messages (tenant_id, id, conversation_id, seq, role, text, account_id, chat_id, sender_id, "
    "provider_message_id, reply_to_provider_message_id, provider_at, created_at, correlation_id, traceparent) "
    "SELECT :t, 'message-' || n, 'conversation-' || (n / :each), n % :each + 1, 'contact', "
    "'What was said long ago, and is remembered.', :a, 'chat-' || (n / :each), '', 'old-' || n, '', :at, :at, '', '' "
    "FROM numbers",
)
HOT = (
    "INSERT INTO conversations (tenant_id, id, account_id, channel, chat_id, contact_id, agent_id, next_seq, "
    "created_at, updated_at, waiting_turn_id, waiting_since, waiting_due_at, waiting_messages, turn_due_at) "
    "VALUES (:t, 'hot', :a, 'api', 'hot', 'contact-0', 'agent', :most + 1, :at, :at, 'hot', :at, :at, :most, :at)",
    "INSERT INTO turns (tenant_id, id, conversation_id, due_at, deadline_at, created_at, first_seq, last_seq, "
    "messages, correlation_id, traceparent) VALUES (:t, 'hot', 'hot', :at, :later, :at, 1, :most, :most, '', '')",
    "INSERT INTO messages (tenant_id, id, conversation_id, seq, role, text, account_id, chat_id, sender_id, "
    "provider_message_id, reply_to_provider_message_id, provider_at, created_at, turn_id, correlation_id, traceparent) "
    "SELECT :t, 'hot-' || n, 'hot', n + 1, 'contact', 'Hello?', :a, 'hot', '', 'hot-' || n, '', :at, :at, 'hot', "
    "'', '' FROM numbers",
)
NUMBERS = (
    "WITH RECURSIVE numbers (n) AS (SELECT CAST(:first AS integer) UNION ALL SELECT n + 1 FROM numbers "
    "WHERE n + 1 < :count) "
)
PIECE = 50_000  # rows of one statement: each has a deadline, as all have


async def fill(url: str, *, messages: int, conversations: int, hot: int) -> None:
    """`messages` of the past, shared by the conversations; and `hot` that wait in one more."""
    at, each = utc_now(), max(1, messages // conversations)
    common = {"t": TENANT, "a": ACCOUNT, "none": b"", "each": each, "most": hot}
    engine = open_engine(url)
    async with engine.begin() as connection:

        async def run(statement: str, count: int) -> None:
            values = {**common, "at": _stored(url, at), "later": _stored(url, at + timedelta(days=1))}
            for first in range(0, count, PIECE):
                values |= {"first": first, "count": min(first + PIECE, count)}
                used = {name: value for name, value in values.items() if f":{name}" in statement}
                await connection.execute(text(statement), used)

        for statement in DIRECTORY:
            await run(statement, 1)
        for statement in CONVERSATIONS:
            await run(_bulk(statement), conversations)
        for statement in MESSAGES:
            await run(_bulk(statement), each * conversations)
        for statement in HOT if hot else ():
            await run(_bulk(statement) if "numbers" in statement else statement, hot)
    async with engine.connect() as connection:
        await connection.execute(text("ANALYZE"))
        await connection.commit()
    await engine.dispose()


def _bulk(statement: str) -> str:
    """Postgres wants the numbers before the SELECT, SQLite too; both take them there."""
    head, _, rest = statement.partition(" SELECT ")
    return f"{head} {NUMBERS} SELECT {rest}"


def _stored(url: str, at: datetime) -> Any:
    return to_micros(at) if url.startswith("sqlite") else at
