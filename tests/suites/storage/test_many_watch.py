"""Hundreds of pages are woken at once, as when the bells' connection was lost: who waits for whom, and is told all?"""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from kit.ids import new_id
from kit.moments import utc_now
from storage_service.backends.conversations import Conversations
from storage_service.backends.engines import open_engine
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import ChannelAccount
from storage_service.domain.events import Events
from storage_service.domain.watching import Watching
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.conftest import ON_POSTGRES
from tests.suites.storage.hot import TENANT, Store

pytestmark = ON_POSTGRES

PAGES = 300
NEVER = 1000.0
STANDING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'messages'::regclass"


@pytest.fixture
async def sessions(store: Store) -> AsyncIterator[Sessions]:
    opened = Sessions(open_engine(store.url, statement_seconds=120), now=utc_now, new_id=new_id)
    yield opened
    await opened.close()


async def _readers_stand_at_the_lock(store: Store) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await store.fetch(STANDING))[0][0] == 0:
            await asyncio.sleep(0.01)


async def test_other_calls_are_served_meanwhile_and_no_page_loses_its_stream(store: Store, sessions: Sessions) -> None:
    said = await store.hear("hello")
    watching = Watching(
        Conversations(sessions),
        store.wakeups,
        asyncio.Event(),
        time.monotonic,
        heartbeat_seconds=NEVER,
        first_poll_seconds=NEVER,
    )
    pages = [watching.watch(TENANT, said.conversation_id, after_seq=0) for _ in range(PAGES)]
    opened = await asyncio.gather(*(anext(page) for page in pages))
    assert {each.messages[0].text for each in opened} == {"hello"}
    async with store.engine.connect() as slow:
        await slow.execute(text("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE"))  # as long as this lasts, no page reads
        following = [asyncio.ensure_future(anext(page)) for page in pages]
        Events(store.wakeups).missed()
        await _readers_stand_at_the_lock(store)
        async with sessions.read(TENANT) as rows:
            assert len(await rows.all(rows.select(ChannelAccount))) == 2
        assert not any(each.done() for each in following)
        await slow.rollback()
    await store.hear("news")
    async with asyncio.timeout(PATIENCE_SECONDS):
        told = await asyncio.gather(*following)
    assert {tuple(message.text for message in each.messages) for each in told} == {("news",)}
    for page in pages:
        await page.aclose()
