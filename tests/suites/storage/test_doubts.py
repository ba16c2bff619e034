"""What becomes of a send of which nobody knows whether it was taken, where the account wants it repeated?"""

from typing import Any

import pytest

from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from tests.suites.storage.hot import Store
from tests.suites.storage.test_outbox import leased, said

DELIVERY = "SELECT state, reason, parts, parts_sent FROM deliveries ORDER BY seq"


async def rows(store: Store) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await store.fetch(DELIVERY)]


async def lane(store: Store) -> list[tuple[Any, ...]]:
    found = await store.fetch("SELECT open_deliveries, sending_delivery_id, delivery_due_at FROM conversations")
    return [tuple(row) for row in found]


async def lost(store: Store, how: str = "the answer", **more: Any) -> LeasedDelivery:
    """The next delivery is called for, and nobody hears what became of it."""
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", **more)
    if how == "the answer":
        await store.record(delivery, "UNKNOWN", reason="timeout", **more)
    else:
        store.clock.pass_seconds(31)
        await store.sweep("expired_deliveries")
    return delivery


@pytest.fixture
async def resending(store: Store) -> Store:
    await store.execute("UPDATE channel_accounts SET unknown_policy = 'resend'")
    return store


@pytest.mark.parametrize("how", ["the answer", "the sender"])
async def test_it_is_sent_again_once_after_a_pause_and_then_parked(resending: Store, how: str) -> None:
    await said(resending, "one", "two")
    await lost(resending, how)
    assert await resending.lease_deliveries() == [], "a receipt may still spare the second call"
    resending.clock.pass_seconds(5)
    await lost(resending, how)
    assert await resending.delivery_states() == ["unknown", "queued"]
    assert (await leased(resending)).text == "two"


async def test_each_part_may_be_in_doubt_once(resending: Store) -> None:
    await said(resending, "long")
    await lost(resending, parts=2)
    resending.clock.pass_seconds(5)
    delivery = await leased(resending)
    await resending.record(delivery, "BEGUN", parts=2)
    await resending.record(delivery, "SENT", parts=2, provider_message_id="p-0", begin_next=True)
    await resending.record(delivery, "UNKNOWN", part=1, parts=2)
    resending.clock.pass_seconds(5)
    assert (await leased(resending)).next_part == 1
