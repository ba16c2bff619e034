"""A chat that two replicas see for the first time at the same moment is one conversation."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.postgres import Server
from tests.suites.storage.hot import ACCOUNT, AGENT, START, TENANT, VERSION, Store, a_message, open_store

WAITS_FOR_US = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid)"
THEIRS = """INSERT INTO conversations (tenant_id, id, account_id, channel, chat_id, contact_id, agent_id,
  prompt_version_id, created_at, updated_at) VALUES ($1, 'theirs', $2, 'whatsapp', 'chat-1', 'c', $3, $4, $5, $5)"""


@pytest.fixture
async def store(tmp_path: Path, postgres_server: Server) -> AsyncIterator[Store]:
    async with open_store("postgres", tmp_path, postgres_server) as opened:
        yield opened


async def test_what_another_replica_is_making_is_waited_for_and_taken(store: Store) -> None:
    at = {"t": TENANT, "at": START}
    await store.execute("INSERT INTO contacts (tenant_id, id, name, created_at) VALUES (:t, 'c', '', :at)", **at)
    other = await asyncpg.connect(store.url)
    try:
        async with asyncio.timeout(10):
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
