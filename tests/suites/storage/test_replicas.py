"""Two storages over one database: is what is made at one kept for a worker that asks the other next?"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from kit.ids import new_id
from kit.moments import utc_now
from storage_service.backends.hot import open_hot
from storage_service.backends.postgres import database as postgres
from storage_service.domain import lessor, rooms
from storage_service.domain.database import HotRows
from storage_service.domain.events import Events
from storage_service.domain.outbox import Outbox
from storage_service.domain.wakeups import Wakeups
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.conftest import ON_POSTGRES
from tests.suites.storage.doors import an_ask, an_inbox, running
from tests.suites.storage.hot import Store, a_commit, a_message, a_submission

pytestmark = ON_POSTGRES


@pytest.fixture
async def other(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """Another replica; both have seen each other. What one of them keeps, it keeps for longer than the test takes."""
    monkeypatch.setattr(rooms, "KEPT_SECONDS", 600.0)
    wakeups = Wakeups()
    hot = open_hot(store.url, replica_id=new_id(), events=Events(wakeups), clock=store.clock)
    for each in (hot.database, store.database, hot.database):
        await each.beat()
    yield replace(store, database=hot.database, wakeups=wakeups)
    await hot.database.close()


async def test_a_reply_waits_for_no_sender_that_was_here_and_asks_elsewhere_now(store: Store, other: Store) -> None:
    outbox = Outbox(store.database, store.deliveries, wakeups=store.wakeups, new_id=new_id)
    inbox = an_inbox(store, outbox=outbox)
    loop = asyncio.create_task(outbox.deliveries.run())
    await store.hear("hi")
    (turn,) = await store.lease()
    assert await outbox.lease(an_ask("s1"), 0) == []
    await inbox.commit("w1", [a_commit(turn, "hello")])
    (delivery,) = await other.lease_deliveries(worker="s1")
    assert delivery.text == "hello"
    await inbox.close()
    await outbox.close()
    await loop


async def test_nor_does_a_turn_for_such_a_worker(store: Store, other: Store) -> None:
    async with running(store) as inbox:
        assert await inbox.lease(an_ask("w1"), 0) == []
        await inbox.accept([a_submission(a_message("hello"))])
        (turn,) = await other.lease(worker="w1")
    assert [each.text for each in turn.messages] == ["hello"]


async def test_what_is_more_than_the_worker_asks_for_goes_back_once_another_replica_is_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "KEPT_SECONDS", 600.0)
    monkeypatch.setattr(lessor, "FIRST_POLL_SECONDS", 600.0)
    async with running(store) as inbox:
        assert await inbox.lease(an_ask("w1"), 0) == []
        chats = [a_submission(a_message("hello", chat_id=each, provider_message_id=each)) for each in ("one", "two")]
        await inbox.accept(chats)
        assert [row[0] for row in await store.turn_states()] == ["running", "running"]
        hot = open_hot(store.url, replica_id=new_id(), events=Events(Wakeups()), clock=store.clock)
        for each in (hot.database, store.database):
            await each.beat()
        assert len(await inbox.lease(an_ask("w1", most=1), 0)) == 1
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (rest := await replace(store, database=hot.database).lease(worker="w1")):
                await asyncio.sleep(0.01)
        assert (len(rest), rest[0].attempts) == (1, 0)
        await hot.database.close()


async def test_a_replica_with_a_wrong_clock_goes_by_the_databases_from_its_first_work_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "utc_now", lambda: utc_now() + timedelta(hours=2))
    hot = open_hot(store.url, replica_id=new_id(), events=Events(Wakeups()))

    async def when(_rows: HotRows) -> datetime:
        return hot.database.now()

    said = await hot.database.run("accept", when)
    await hot.database.close()
    assert abs(said - utc_now()) < timedelta(hours=1)
