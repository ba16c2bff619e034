"""On Postgres, what was said before a turn is read after the webhook was answered, when the worker takes the turn."""

import asyncio

import pytest

from kit.errors import StorageUnavailable
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.conftest import ON_POSTGRES
from tests.suites.storage.doors import Interrupted, an_ask, running
from tests.suites.storage.hot import Store
from tests.suites.storage.test_handing import submission, waits

pytestmark = ON_POSTGRES


async def test_a_webhook_waits_for_nothing_that_was_said_before(store: Store) -> None:
    await store.hear("before", chat_id="1")
    (turn,) = await store.lease()
    await store.commit(turn, "reply")
    database, read = Interrupted(store.database, "read"), asyncio.Event()
    async with running(store, database) as inbox, asyncio.timeout(PATIENCE_SECONDS):
        call = await waits(inbox)
        database.first = read.wait
        await inbox.accept([submission(1)])
        assert not call.done()
        read.set()
        (handed,) = await call
    assert [each.text for each in handed.history] == ["before", "reply"]


async def test_a_call_that_is_cancelled_while_its_history_is_read_keeps_nothing(store: Store) -> None:
    database, reads = Interrupted(store.database, "read"), asyncio.Event()

    async def never() -> None:
        reads.set()
        await asyncio.Event().wait()

    async with running(store, database) as inbox, asyncio.timeout(PATIENCE_SECONDS):
        call = await waits(inbox)
        database.first = never
        await inbox.accept([submission(1)])
        await reads.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        (turn,) = await inbox.lease(an_ask("w2"), 5)
    assert turn.attempts == 0, "a lease that reached nobody counts for nothing"


async def test_a_turn_whose_history_cannot_be_read_goes_back_at_once(store: Store) -> None:
    async def lost() -> None:
        raise StorageUnavailable

    database = Interrupted(store.database, "read")
    async with running(store, database) as inbox, asyncio.timeout(PATIENCE_SECONDS):
        call = await waits(inbox)
        database.first = lost
        await inbox.accept([submission(1)])
        with pytest.raises(StorageUnavailable):
            await call
        (turn,) = await inbox.lease(an_ask("w2"), 5)
    assert (turn.messages[0].text, turn.attempts) == ("text 1", 0)
