"""How does an outbox come to hold thousands of deliveries that wait? In bulk, each in a conversation of its own."""

from typing import Any

from sqlalchemy import text

from kit.ids import new_id
from kit.moments import utc_now
from storage_service.backends.engines import open_engine
from storage_service.backends.tables.columns import to_micros

TENANT = "default"
STATEMENTS = (
    "INSERT INTO contacts (tenant_id, id, created_at) VALUES (:t, :contact, :at)",
    "INSERT INTO conversations (tenant_id, id, account_id, channel, chat_id, contact_id, agent_id, next_seq, "
    "last_inbound_at, open_deliveries, delivery_due_at, created_at, updated_at) "
    "VALUES (:t, :conversation, :account, :channel, :chat, :contact, :agent, 2, :at, 1, :at, :at, :at)",
    "INSERT INTO messages (tenant_id, id, conversation_id, seq, role, text, account_id, chat_id, sender_id, "
    "reply_to_provider_message_id, provider_at, created_at, delivery_id, correlation_id, traceparent) "
    "VALUES (:t, :message, :conversation, 1, 'agent', 'Your parcel is here.', :account, :chat, "
    "'', '', :at, :at, :delivery, '', '')",
    "INSERT INTO deliveries (tenant_id, id, conversation_id, message_id, account_id, seq, due_at, created_at, "
    "updated_at, correlation_id, traceparent) "
    "VALUES (:t, :delivery, :conversation, :message, :account, 1, :at, :at, :at, '', '')",
)


async def queue(url: str, account_id: str, channel: str, *, number: int) -> None:
    """So many people of the account are to be told something. They have all written a moment ago."""
    if not number:
        return
    engine = open_engine(url)
    async with engine.begin() as connection:
        (agent,) = (await connection.execute(text("SELECT id FROM agents WHERE tenant_id = :t"), {"t": TENANT})).one()
        at = to_micros(utc_now()) if url.startswith("sqlite") else utc_now()
        rows = [_row(each, account_id, channel) | {"t": TENANT, "agent": agent, "at": at} for each in range(number)]
        for statement in STATEMENTS:
            wanted = [{name: row[name] for name in row if f":{name}" in statement} for row in rows]
            await connection.execute(text(statement), wanted)
    await engine.dispose()


def _row(number: int, account_id: str, channel: str) -> dict[str, Any]:
    chat = f"+1555{number:07}" if channel == "whatsapp" else str(10_000 + number)
    named = {name: new_id() for name in ("contact", "conversation", "message", "delivery")}
    return named | {"account": account_id, "channel": channel, "chat": chat}
