"""What becomes of a send of which nobody knows whether it was taken, where the account wants it repeated?"""

from typing import Any

import pytest

from kit.echoes import shown
from parley.error.v1.error_reason_pb2 import ERROR_REASON_LEASE_LOST
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from tests.suites.storage.hot import Store, a_message
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


@pytest.mark.parametrize("state", ["SENT", "DELIVERED", "READ"])
async def test_a_receipt_that_comes_while_it_waits_ends_it_and_its_lane_goes_on(resending: Store, state: str) -> None:
    await said(resending, "one", "two")
    delivery = await lost(resending)
    await resending.receive(state, delivery_id=delivery.delivery_id)
    assert (await rows(resending))[0] == (state.lower(), "", 1, 1)
    second = await leased(resending)
    await resending.send(second, "p-2")
    resending.clock.pass_seconds(5)
    assert (second.text, await resending.lease_deliveries()) == ("two", [])
    assert await lane(resending) == [(0, None, None)]


async def test_a_receipt_that_comes_when_a_sender_has_it_and_has_not_begun_spares_the_call(resending: Store) -> None:
    await said(resending, "one")
    first = await lost(resending)
    resending.clock.pass_seconds(5)
    again = await leased(resending)
    await resending.receive("READ", delivery_id=first.delivery_id)
    begun = await resending.record(again, "BEGUN")
    assert begun.error.reason == ERROR_REASON_LEASE_LOST
    assert (await resending.delivery_states(), await lane(resending)) == (["read"], [(0, None, None)])


async def test_a_receipt_of_a_part_before_lets_it_go_on_with_the_next(resending: Store) -> None:
    await said(resending, "long")
    first = await lost(resending, parts=2)
    await resending.receive("READ", delivery_id=first.delivery_id)
    assert await rows(resending) == [("queued", "", 2, 1)]
    resending.clock.pass_seconds(5)
    assert (await leased(resending)).next_part == 1


async def test_a_failure_that_is_told_while_it_waits_does_not_keep_it_from_being_sent_again(resending: Store) -> None:
    await said(resending, "one")
    first = await lost(resending)
    await resending.receive("FAILED", delivery_id=first.delivery_id)
    assert await resending.delivery_states() == ["queued"]
    resending.clock.pass_seconds(5)
    await resending.send(await leased(resending), "p-2")
    assert await resending.delivery_states() == ["sent"]


async def test_what_is_heard_during_the_second_call_counts_when_that_one_was_in_vain(resending: Store) -> None:
    await said(resending, "one")
    first = await lost(resending)
    resending.clock.pass_seconds(5)
    again = await leased(resending)
    await resending.record(again, "BEGUN")
    await resending.receive("READ", delivery_id=first.delivery_id)
    await resending.record(again, "RETRY", retry_after_seconds=60)
    await resending.sweep("unmatched_receipts")
    assert (await resending.delivery_states(), await lane(resending)) == (["read"], [(0, None, None)])


async def test_our_own_words_that_come_back_while_it_waits_are_no_human_and_spare_the_call(resending: Store) -> None:
    """Of Instagram the echo is the receipt."""
    await said(resending, "one")
    await lost(resending, shown=shown("one", file=False))
    await resending.accept(a_message("one", provider_message_id="echo-1", from_team=True))
    assert await rows(resending) == [("sent", "", 1, 1)]
    assert await resending.fetch("SELECT owner FROM conversations") == [("agent",)]
