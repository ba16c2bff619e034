"""What is sent again when a person wants it, and what do receipts say of it that are about the call before?"""

import asyncio
from typing import Any

import pytest

from kit.errors import StateConflict
from kit.ids import new_id
from parley.error.v1.error_reason_pb2 import ERROR_REASON_LEASE_LOST
from parley.storage.v1 import outbox_service_pb2 as outbox
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from tests.suites.storage.hot import TENANT, Store
from tests.suites.storage.people import a_wish
from tests.suites.storage.test_doubts import lane, lost, rows
from tests.suites.storage.test_outbox import leased, said
from tests.suites.storage.test_reply_windows import sent
from tests.suites.storage.world import World


async def wanted_again(store: Store, world: World, delivery_id: str = "", **more: Any) -> bool:
    """By a person, who names the newest unless another is named. Whether that had been done before."""
    ((newest,),) = await store.fetch("SELECT max(id) FROM deliveries")
    named = {"request_id": new_id(), "delivery_id": delivery_id or newest, **more}
    done = await a_wish(store, world).retry_delivery(outbox.RetryDeliveryRequest(tenant_id=TENANT, **named), "operator")
    store.clock.now = world.sessions.now()
    return done.duplicate


async def in_parts(store: Store, *provider_ids: str) -> LeasedDelivery:
    """The next delivery, taken part after part from where it is."""
    delivery = await leased(store)
    first, parts = delivery.next_part, delivery.next_part + len(provider_ids)
    await store.record(delivery, "BEGUN", part=first, parts=parts)
    for part, name in enumerate(provider_ids, start=first):
        more: dict[str, Any] = {"parts": parts, "begin_next": part + 1 < parts}
        assert not (await store.record(delivery, "SENT", part=part, provider_message_id=name, **more)).HasField("error")
    return delivery


async def about(store: Store, state: str, delivery: LeasedDelivery, provider_id: str, part: int = 0) -> None:
    """As Twilio says it: with our id, which the callback's URL carries, and its own."""
    named: dict[str, Any] = {"delivery_id": delivery.delivery_id, "part": part, "provider_message_id": provider_id}
    await store.receive(state, provider_code="30003" if state == "FAILED" else "", **named)


async def test_what_did_not_arrive_is_sent_again_and_arrives(store: Store, world: World) -> None:
    await said(store, "one")
    await sent(store, "p-1")
    await store.receive("FAILED", provider_message_id="p-1", provider_code="30003")
    await wanted_again(store, world)
    assert await rows(store) == [("queued", "", 1, 0)]
    assert (await sent(store, "p-2")).text == "one"
    await store.receive("FAILED", provider_message_id="p-1", provider_code="30003")
    assert await rows(store) == [("sent", "", 1, 1)]
    await store.receive("DELIVERED", provider_message_id="p-2")
    assert await rows(store) == [("delivered", "", 1, 1)]


async def test_of_several_parts_only_those_are_sent_again_that_did_not_arrive(store: Store, world: World) -> None:
    await said(store, "long")
    await in_parts(store, "p-0", "p-1", "p-2", "p-3")
    for name in ("p-1", "p-3"):
        await store.receive("FAILED", provider_message_id=name, provider_code="30003")
    await wanted_again(store, world)
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", parts=4)
    done = await store.record(delivery, "SENT", parts=4, provider_message_id="q-1", begin_next=True)
    assert (delivery.next_part, done.error.reason) == (1, ERROR_REASON_LEASE_LOST), "the third was taken before"
    assert await rows(store) == [("queued", "", 4, 3)]
    assert (await in_parts(store, "q-3")).next_part == 3
    assert await rows(store) == [("sent", "", 4, 4)]
    for name in ("p-0", "q-1", "p-2", "q-3"):
        await store.receive("DELIVERED", provider_message_id=name)
    assert await rows(store) == [("delivered", "", 4, 4)]


async def test_where_all_behind_it_had_been_taken_it_has_been_sent(store: Store, world: World) -> None:
    await said(store, "long")
    await in_parts(store, "p-0", "p-1")
    await store.receive("FAILED", provider_message_id="p-0", provider_code="30003")
    await wanted_again(store, world)
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", parts=2)
    done = await store.record(delivery, "SENT", parts=2, provider_message_id="q-0", begin_next=True)
    assert done.error.reason == ERROR_REASON_LEASE_LOST
    assert (await rows(store), await lane(store)) == ([("sent", "", 2, 2)], [(0, None, None)])


async def test_what_failed_of_the_first_call_is_no_failure_once_the_second_was_taken(
    store: Store, world: World
) -> None:
    await said(store, "one")
    await lost(store)
    await wanted_again(store, world)
    delivery = await sent(store, "SM2")
    await about(store, "FAILED", delivery, "SM1")
    assert await store.delivery_states() == ["sent"]
    await about(store, "DELIVERED", delivery, "SM2")
    assert await store.delivery_states() == ["delivered"]
    receipts = await store.fetch("SELECT outcome, receipt FROM attempts ORDER BY number")
    assert [tuple(row) for row in receipts] == [("unknown", "failed"), ("sent", "delivered")]


async def test_what_reached_them_by_the_first_call_is_not_taken_back_by_the_second(store: Store, world: World) -> None:
    await said(store, "one")
    await lost(store)
    await wanted_again(store, world)
    delivery = await sent(store, "SM2")
    await about(store, "DELIVERED", delivery, "SM1")
    await about(store, "FAILED", delivery, "SM2")
    assert await store.delivery_states() == ["delivered"]


async def test_a_second_call_that_fails_is_a_failure_and_may_be_made_once_more(store: Store, world: World) -> None:
    await said(store, "one")
    for name in ("p-1", "p-2"):
        await sent(store, name)
        await store.receive("FAILED", provider_message_id=name, provider_code="30003")
        assert await rows(store) == [("failed", "receipt", 1, 1)]
        await wanted_again(store, world)
    assert (await leased(store)).next_part == 0


async def test_what_was_taken_whole_is_not_queued_again(store: Store, world: World) -> None:
    await said(store, "one")
    await sent(store, "p-1")
    await store.execute("UPDATE deliveries SET state = 'failed', reason = 'parts_changed'")
    with pytest.raises(StateConflict):
        await wanted_again(store, world)
    assert await store.lease_deliveries() == []


async def test_what_arrived_after_all_while_it_waits_lets_another_of_its_lane_be_sent_in_peace(
    store: Store, world: World
) -> None:
    await said(store, "one")
    first = await lost(store)
    await said(store, "two")
    second = await leased(store)
    await wanted_again(store, world, first.delivery_id)
    await about(store, "DELIVERED", first, "SM1")
    assert await store.delivery_states() == ["delivered", "queued"]
    await store.send(second, "SM2")
    assert await store.delivery_states() == ["delivered", "sent"]
    assert await lane(store) == [(0, None, None)]


async def test_a_wish_made_of_what_was_seen_before_another_was_done_sends_nothing(store: Store, world: World) -> None:
    await said(store, "one")
    await lost(store)
    await wanted_again(store, world, attempts_seen=1, request_id="first")
    await lost(store)
    assert await rows(store) == [("unknown", "timeout", 1, 0)]
    with pytest.raises(StateConflict, match="2 attempts by now, not 1"):
        await wanted_again(store, world, attempts_seen=1)
    assert await wanted_again(store, world, attempts_seen=1, request_id="first"), "said again, it is no new wish"
    assert (await store.delivery_states(), await store.lease_deliveries()) == (["unknown"], [])
    await wanted_again(store, world, attempts_seen=2)
    assert (await sent(store, "p-3")).text == "one"


async def test_of_several_wishes_at_once_that_saw_the_same_one_is_done(store: Store, world: World) -> None:
    await said(store, "one")
    await lost(store)
    tried = [wanted_again(store, world, attempts_seen=1) for _ in range(4)]
    done = await asyncio.gather(*tried, return_exceptions=True)
    assert [each for each in done if not isinstance(each, StateConflict)] == [False]
    await lost(store)
    assert await store.lease_deliveries() == []
    ((calls,),) = await store.fetch("SELECT attempts FROM deliveries")
    assert calls == 2


async def test_what_ended_without_a_call_may_be_wanted_again_by_who_saw_it_before(store: Store, world: World) -> None:
    await said(store, "one")
    await store.record(await leased(store), "REJECTED", reason="window")
    for _ in "12":
        await wanted_again(store, world, attempts_seen=0)
        await store.record(await leased(store), "REJECTED", reason="window")
    assert await store.delivery_states() == ["failed"]


async def test_a_wish_that_saw_nothing_is_done_as_ever(store: Store, world: World) -> None:
    await said(store, "one")
    for _ in "12":
        await lost(store)
        await wanted_again(store, world)
    assert (await sent(store, "p-3")).text == "one"
