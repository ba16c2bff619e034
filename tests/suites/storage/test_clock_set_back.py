"""A clock that was a day ahead is set right, on SQLite: is what waited due when it would have been?"""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1.pacing_pb2 import Pacing, Rate
from tests.postgres import Server
from tests.suites.storage.hot import LEASE, Store, open_store
from tests.suites.storage.test_media import lease as lease_fetches
from tests.suites.storage.test_outbox import leased, said

DAY = timedelta(days=1)
PICTURE = chat.Attachment(kind=chat.ATTACHMENT_KIND_IMAGE, url="https://files.test/1", media_type="image/png")


@pytest.fixture
async def store(tmp_path: Path, postgres_server: Server) -> AsyncIterator[Store]:
    """Its clock is a day ahead."""
    async with open_store("sqlite", tmp_path, postgres_server) as opened:
        opened.clock.now += DAY
        await opened.database.beat()
        yield opened


async def set_right(store: Store) -> None:
    store.clock.now -= DAY
    await store.database.beat()


async def test_a_delivery_that_is_tried_again_is_due_as_it_would_have_been(store: Store) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    await store.record(delivery, "RETRY", retry_after_seconds=7)
    await set_right(store)
    store.clock.pass_seconds(6)
    assert await store.lease_deliveries() == []
    store.clock.pass_seconds(1)
    assert [each.text for each in await store.lease_deliveries()] == ["one"]


async def test_who_stands_in_an_account_s_line_keeps_their_place(store: Store) -> None:
    pacing = Pacing(account=Rate(interval_micros=1_000_000, burst=1))
    for number in range(3):
        await said(store, "reply", chat=f"chat-{number}")

    async def sent() -> int:
        for each in await store.lease_deliveries():
            result = await store.record(each, "BEGUN", pacing=pacing)
            if not result.HasField("wait"):
                await store.record(each, "SENT", provider_message_id=f"SM-{each.delivery_id}", pacing=pacing)
        return (await store.delivery_states()).count("sent")

    assert await sent() == 1
    await set_right(store)
    for _ in range(10):
        store.clock.pass_seconds(1)
        done = await sent()
    assert done == 3


async def test_a_message_in_its_quiet_window_is_answered_when_that_is_over(store: Store) -> None:
    await store.execute("UPDATE channel_accounts SET default_quiet_ms = 3000")
    await store.hear("hi")
    await set_right(store)
    store.clock.pass_seconds(2)
    assert await store.lease() == []
    store.clock.pass_seconds(1)
    assert [each.messages[0].text for each in await store.lease()] == ["hi"]


async def test_a_turn_that_waits_for_a_picture_waits_no_longer_than_it_may(store: Store) -> None:
    await store.hear("look", attachments=[PICTURE])
    await lease_fetches(store)
    await set_right(store)
    store.clock.pass_seconds(10)
    assert len(await store.lease()) == 1
    store.clock.pass_seconds(LEASE.total_seconds())
    assert len(await lease_fetches(store, worker="f2")) == 1


async def test_a_turn_and_a_delivery_whose_workers_died_go_to_others(store: Store) -> None:
    await said(store, "one", chat="being sent")
    await leased(store)
    await store.hear("two", "being answered")
    await store.lease()
    await set_right(store)
    store.clock.pass_seconds(LEASE.total_seconds() - 1)
    await store.sweep()
    assert (await store.lease(), await store.lease_deliveries()) == ([], [])
    store.clock.pass_seconds(1)
    await store.sweep()
    assert [each.messages[0].text for each in await store.lease(worker="w2")] == ["two"]
    assert [each.text for each in await store.lease_deliveries(worker="s2")] == ["one"]


async def test_a_turn_that_nobody_answers_ends_at_its_deadline(store: Store) -> None:
    await store.hear("hi")
    await set_right(store)
    store.clock.pass_seconds(3600)
    await store.sweep()
    assert [state for state, _ in await store.turn_states()] == ["failed"]


async def test_what_was_leased_by_the_clock_as_it_is_keeps_its_time(store: Store) -> None:
    store.clock.now -= DAY
    await said(store, "one", chat="being sent")
    delivery = await leased(store)
    await store.hear("two", "being answered")
    (turn,) = await store.lease()
    await store.database.beat()
    store.clock.pass_seconds(LEASE.total_seconds() - 1)
    await store.sweep()
    await store.send(delivery, "SM1")
    assert (await store.commit(turn, "yes")).error is None


async def test_a_clock_that_goes_as_it_should_moves_nothing(store: Store) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    await store.record(delivery, "RETRY", retry_after_seconds=60)
    for seconds in (30, -15, 30):
        store.clock.pass_seconds(seconds)
        await store.database.beat()
        assert await store.lease_deliveries() == []
    store.clock.pass_seconds(15)
    assert len(await store.lease_deliveries()) == 1


async def test_turns_of_an_hour_ahead_are_not_counted_with_those_of_a_day(store: Store) -> None:
    await store.hear("hi")
    (turn,) = await store.lease()
    await store.commit(turn, "reply")
    await set_right(store)
    for _ in range(3):
        store.clock.pass_seconds(3600)
        await store.hear("again")
        (turn,) = await store.lease()
        await store.commit(turn, "reply")
    assert turn.setting.turns_in_hour == 1
