"""Does a reply go on that broke off at a part of which nobody knew, once a receipt says that the part was taken?"""

from typing import Any

import pytest

from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from tests.suites.storage.hot import Store
from tests.suites.storage.test_doubts import lane, rows
from tests.suites.storage.test_outbox import leased, said

BROKEN_OFF = ("unknown", "timeout", 3, 2)


async def broken_off(store: Store, *more: str) -> LeasedDelivery:
    """A reply of three parts; nobody knows of the second."""
    await said(store, "long", *more)
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", parts=3)
    await store.record(delivery, "SENT", parts=3, provider_message_id="p-0", begin_next=True)
    await store.record(delivery, "UNKNOWN", part=1, parts=3, reason="timeout")
    return delivery


async def told(store: Store, delivery: LeasedDelivery, state: str = "READ", part: int = 1) -> None:
    named: dict[str, Any] = {"delivery_id": delivery.delivery_id, "part": part}
    await store.receive(state, provider_message_id=f"p-{part}", **named)


@pytest.mark.parametrize("state", ["SENT", "READ"])
async def test_it_goes_on_before_what_was_said_after_it(store: Store, state: str) -> None:
    first = await broken_off(store, "two")
    await told(store, first, state)
    assert (await rows(store))[0] == ("queued", "", 3, 2)
    again = await leased(store)
    assert (again.delivery_id, again.next_part) == (first.delivery_id, 2)
    await store.record(again, "BEGUN", parts=3)
    await store.record(again, "SENT", parts=3, provider_message_id="p-2")
    second = await leased(store)
    await store.send(second, "q-0")
    assert (second.text, await store.delivery_states()) == ("two", ["sent", "sent"])
    assert await lane(store) == [(0, None, None)]


async def test_a_receipt_that_came_before_the_doubt_was_known_lets_it_go_on_too(store: Store) -> None:
    await said(store, "long")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", parts=2)
    await told(store, delivery, part=0)
    store.clock.pass_seconds(31)
    await store.sweep("expired_deliveries")
    assert await rows(store) == [("queued", "", 2, 1)]
    assert (await leased(store)).next_part == 1


@pytest.mark.parametrize("begun", [True, False])
async def test_once_something_was_sent_after_it_or_is_being_sent_it_is_for_a_person_to_decide(
    store: Store, begun: bool
) -> None:
    first = await broken_off(store, "two")
    second = await leased(store)
    if begun:
        await store.send(second, "q-0")
    await told(store, first)
    assert (await rows(store))[0] == BROKEN_OFF
    assert await store.lease_deliveries() == []


async def test_a_receipt_of_another_part_settles_no_doubt(store: Store) -> None:
    first = await broken_off(store)
    await told(store, first, part=0)
    assert await rows(store) == [("unknown", "timeout", 3, 1)]


async def test_what_is_missing_has_not_arrived_when_the_part_in_doubt_has_failed(store: Store) -> None:
    await told(store, await broken_off(store), "FAILED")
    assert await rows(store) == [("failed", "receipt", 3, 1)]


@pytest.mark.parametrize("owner", ["human", "queue", "none"])
async def test_what_the_agent_said_does_not_go_on_after_a_take_over(store: Store, owner: str) -> None:
    first = await broken_off(store)
    await store.execute("UPDATE conversations SET owner = :owner, owner_epoch = owner_epoch + 1", owner=owner)
    await told(store, first)
    assert (await rows(store), await store.lease_deliveries()) == ([BROKEN_OFF], [])


async def test_what_was_on_its_way_when_a_backup_was_made_does_not_go_on(store: Store) -> None:
    first = await broken_off(store)
    await store.execute("UPDATE deliveries SET reason = 'restored'")
    await told(store, first)
    assert (await rows(store))[0][0] == "unknown"
    assert await store.lease_deliveries() == []
