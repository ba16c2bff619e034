"""A chat that two replicas see for the first time at the same moment is one conversation."""

import asyncio

import asyncpg

from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.conftest import ON_POSTGRES
from tests.suites.storage.hot import ACCOUNT, AGENT, START, TENANT, VERSION, Store, a_message

pytestmark = ON_POSTGRES

WAITS_FOR_US = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid)"
THEIRS = """INSERT INTO conversations (tenant_id, id, account_id, channel, chat_id, contact_id, agent_id,
  prompt_version_id, created_at, updated_at) VALUES ($1, 'theirs', $2, 'whatsapp', 'chat-1', 'c', $3, $4, $5, $5)"""


async def test_what_another_replica_is_making_is_waited_for_and_taken(store: Store) -> None:
    at = {"t": TENANT, "at": START}
    await store.execute("INSERT INTO contacts (tenant_id, id, name, created_at) VALUES (:t, 'c', '', :at)", **at)
    other = await asyncpg.connect(store.url)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with other.transaction():
                await other.execute(THEIRS, TENANT, ACCOUNT, AGENT, VERSION, START)
                ours = asyncio.create_task(store.accept(a_message("hi")))
                while not await other.fetchval(WAITS_FOR_US):
                    await asyncio.sleep(0.01)
            result = await ours
    finally:
        await other.close()
    assert [each.conversation_id for each in result.messages] == ["theirs"]
    assert await store.fetch("SELECT count(*), max(next_seq) FROM conversations") == [(1, 2)]
    assert await store.turn_states() == [("waiting", "")]


async def test_what_another_replica_finds_to_be_the_chat_of_another_id_is_waited_for_and_gets_no_chat(
    store: Store,
) -> None:
    who = {"sender_id": "DE.1"}
    await store.hear("in a group", chat_id="group", **who)
    other = await asyncpg.connect(store.url)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with other.transaction():
                await other.execute("SELECT FROM contacts FOR UPDATE")
                await other.execute(
                    "INSERT INTO identities (tenant_id, account_id, sender_id, channel, phone, contact_id, created_at) "
                    "SELECT tenant_id, account_id, '491', channel, '', contact_id, created_at FROM identities"
                )
                await other.execute("UPDATE identities SET chat_id = '491' WHERE sender_id = 'DE.1'")
                ours = asyncio.create_task(store.hear("hi", chat_id="DE.1", **who))
                while not await other.fetchval(WAITS_FOR_US):
                    await asyncio.sleep(0.01)
            await ours
    finally:
        await other.close()
    found = await store.fetch("SELECT chat_id FROM conversations ORDER BY id")
    assert [chat_id for (chat_id,) in found] == ["group", "491"]
