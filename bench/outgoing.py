"""Who sends, and how does an outbox come to hold thousands of deliveries that wait? In bulk, each in a conversation of
its own.
"""

from typing import Any

from grpc import aio
from sqlalchemy import text

from kit.ids import new_id
from kit.moments import utc_now
from parley.storage.v1 import directory_service_pb2, directory_service_pb2_grpc
from parley.storage.v1.directory_pb2 import ChannelAccount
from storage_service.backends.engines import open_engine
from storage_service.backends.tables.columns import to_micros
from tests.simulated.slack import BOT_TOKEN, SIGNING_SECRET

TENANT, TOKEN = "default", "bench-mesh-token-bench-mesh-token"
METADATA = (("authorization", f"Bearer {TOKEN}"),)
# Every limit is asked, and none is ever met.
AMPLE = {"sends_per_second": "1000000", "sends_burst": "100000", "chat_sends_per_second": "0"}
KNOWN = {
    "whatsapp": ("whatsapp:+14155238886", {"account_sid": "AC" + "0" * 32, "auth_token": "0" * 32}),
    "telegram": ("bot", {"bot_token": "1:bench", "webhook_secret": "bench-webhook-secret"}),
    "slack": ("slack", {"bot_token": BOT_TOKEN, "signing_secret": SIGNING_SECRET}),
}
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


async def accounts(address: str, *channels: str) -> dict[str, str]:
    """One of each channel, with ample limits; their ids by channel."""
    made: dict[str, str] = {}
    async with aio.insecure_channel(address) as wire:
        directory = directory_service_pb2_grpc.DirectoryServiceStub(wire)
        for channel in channels:
            own, credentials = KNOWN[channel]
            account = ChannelAccount(tenant_id=TENANT, channel=channel, address=own, options=AMPLE)
            put = directory_service_pb2.PutChannelAccountRequest(
                tenant_id=TENANT, request_id=new_id(), account=account, credentials=credentials
            )
            answer = await directory.PutChannelAccount(put, metadata=METADATA, timeout=30, wait_for_ready=True)
            made[channel] = answer.account.id
    return made


async def queue(url: str, account_id: str, channel: str, *, number: int) -> list[str]:
    """So many people of the account, who have all written a moment ago, are to be told something. Where: the ids."""
    if not number:
        return []
    engine = open_engine(url)
    async with engine.begin() as connection:
        (agent,) = (await connection.execute(text("SELECT id FROM agents WHERE tenant_id = :t"), {"t": TENANT})).one()
        at = to_micros(utc_now()) if url.startswith("sqlite") else utc_now()
        rows = [_row(each, account_id, channel) | {"t": TENANT, "agent": agent, "at": at} for each in range(number)]
        for statement in STATEMENTS:
            wanted = [{name: row[name] for name in row if f":{name}" in statement} for row in rows]
            await connection.execute(text(statement), wanted)
    await engine.dispose()
    return [row["conversation"] for row in rows]


def _row(number: int, account_id: str, channel: str) -> dict[str, Any]:
    chats = {"whatsapp": f"+1555{number:07}", "slack": f"D{number:09}"}
    chat = chats.get(channel, str(10_000 + number))
    named = {name: new_id() for name in ("contact", "conversation", "message", "delivery")}
    return named | {"account": account_id, "channel": channel, "chat": chat}
