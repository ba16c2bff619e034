"""Rows are sent as their tables' own types: what when a table is given another shape while storage runs?"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from kit.errors import StorageUnavailable
from storage_service.backends.postgres.link import FIRST_WAIT_SECONDS
from tests.suites.storage.conftest import ON_POSTGRES
from tests.suites.storage.hot import Store

pytestmark = ON_POSTGRES


async def test_a_column_that_a_newer_parley_adds_costs_one_refusal_and_no_message(store: Store) -> None:
    await store.hear("before")
    await store.execute("ALTER TABLE messages ADD COLUMN mood text")
    with pytest.raises(StorageUnavailable):
        await store.hear("after")
    await asyncio.sleep(FIRST_WAIT_SECONDS)  # so long nobody is let at a server that seems to be away
    await store.hear("after")
    assert [tuple(row) for row in await store.fetch("SELECT text, mood FROM messages ORDER BY seq")] == [
        ("before", None),
        ("after", None),
    ]


@pytest.mark.parametrize("table", ["messages", "conversations", "turns", "deliveries", "attempts"])
async def test_each_kind_of_work_is_refused_once_at_most_by_a_new_column_whichever_meets_it_first(
    store: Store, table: str
) -> None:
    await store.hear("at the sender", "chat-1")
    (first,) = await store.lease()
    await store.commit(first, "one")
    (delivery,) = await store.lease_deliveries()
    await store.record(delivery, "BEGUN")
    await store.hear("at the agent", "chat-2")
    (turn,) = await store.lease()
    await store.execute(f"ALTER TABLE {table} ADD COLUMN mood text")
    await _insisting(lambda: store.hear("new", "chat-3"))
    assert (await _insisting(lambda: store.record(delivery, "SENT", provider_message_id="SM1"))).state
    assert (await _insisting(lambda: store.commit(turn, "two"))).error is None
    (new,) = await _insisting(store.lease)
    assert (await _insisting(lambda: store.commit(new, "three"))).error is None
    leased = await _insisting(store.lease_deliveries)
    assert sorted(each.text for each in leased) == ["three", "two"]
    assert sorted(await store.delivery_states()) == ["queued", "queued", "sent"]


async def _insisting(work: Callable[[], Awaitable[Any]]) -> Any:
    """As callers do: they come again once storage said that the database is away, and take all else as final."""
    try:
        return await work()
    except StorageUnavailable:
        await asyncio.sleep(FIRST_WAIT_SECONDS)
        return await work()
