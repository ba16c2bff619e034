"""Is what somebody has dealt with among what is left to do no more, until something new is to be known of it?"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text

from kit.errors import AlreadyExists, InvalidField, NotFound, StateConflict
from kit.ids import new_id
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import outbox_service_pb2 as outbox
from parley.storage.v1 import privacy_service_pb2 as privacy
from storage_service.backends.tables.work import LEFT_TO_DO
from tests.suites.storage.hot import TENANT, Store
from tests.suites.storage.people import a_wish, only_contact
from tests.suites.storage.test_doubts import lost
from tests.suites.storage.test_outbox import leased, said
from tests.suites.storage.test_sent_again import about, wanted_again
from tests.suites.storage.world import World

FAILED, UNKNOWN = chat.DELIVERY_STATE_FAILED, chat.DELIVERY_STATE_UNKNOWN


async def put(store: Store, world: World, delivery_id: str, by: str = "ada", **more: Any) -> Any:
    named = {"tenant_id": TENANT, "request_id": new_id(), "delivery_id": delivery_id, **more}
    done = await a_wish(store, world).put_aside(outbox.PutDeliveryAsideRequest(**named), by)
    store.clock.now = world.sessions.now()
    return done


async def listed(store: Store, world: World, *, left: bool, **more: Any) -> Sequence[directory.Delivery]:
    """Those that failed, and those of which nobody knows."""
    found: list[directory.Delivery] = []
    for state in (FAILED, UNKNOWN):
        asked = outbox.ListDeliveriesRequest(tenant_id=TENANT, state=state, not_put_aside=left, **more)
        found += (await a_wish(store, world).list_deliveries(asked)).deliveries
    return found


async def left(store: Store, world: World) -> list[str]:
    return [each.id for each in await listed(store, world, left=True)]


async def failed(store: Store, words: str = "one") -> str:
    await said(store, words)
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    await store.record(delivery, "REJECTED", reason="rejected")
    return delivery.delivery_id


async def unknown(store: Store, words: str = "one") -> str:
    await said(store, words)
    return (await lost(store)).delivery_id


async def audit(store: Store) -> list[tuple[Any, ...]]:
    found = await store.fetch(
        "SELECT actor, resource_id, detail FROM audit WHERE action = 'delivery.put_aside' ORDER BY id"
    )
    return [tuple(row) for row in found]


async def test_what_was_put_aside_is_left_to_do_no_more_and_stands_as_it_did(store: Store, world: World) -> None:
    one, other = await failed(store), await unknown(store, "two")
    assert await left(store, world) == [one, other]
    shown = (await put(store, world, one)).delivery
    assert (shown.state, shown.put_aside_by, shown.HasField("put_aside_at")) == (FAILED, "ada", True)
    assert await left(store, world) == [other]
    marks = {each.id: each.put_aside_by for each in await listed(store, world, left=False)}
    assert marks == {one: "ada", other: ""}
    await put(store, world, other, "bob")
    assert (await left(store, world), await store.delivery_states()) == ([], ["failed", "unknown"])
    assert await audit(store) == [("ada", one, '{"back": false}'), ("bob", other, '{"back": false}')]


async def test_who_put_it_aside_first_stays_named_and_it_can_be_put_back(store: Store, world: World) -> None:
    one = await failed(store)
    first = (await put(store, world, one)).delivery
    assert (await put(store, world, one, "bob")).delivery == first
    shown = (await put(store, world, one, "bob", back=True)).delivery
    assert (shown.put_aside_by, shown.HasField("put_aside_at")) == ("", False)
    assert await left(store, world) == [one]
    assert [actor for actor, *_ in await audit(store)] == ["ada", "bob"]


async def test_the_same_request_is_done_once_and_shows_it_as_it_is_by_then(store: Store, world: World) -> None:
    one = await failed(store)
    await put(store, world, one, request_id="1")
    await put(store, world, one, back=True)
    again = await put(store, world, one, request_id="1")
    assert (again.duplicate, again.delivery.put_aside_by, await left(store, world)) == (True, "", [one])
    with pytest.raises(AlreadyExists):
        await put(store, world, one, request_id="1", back=True)


async def test_what_is_sent_again_is_put_aside_no_more_also_where_it_fails_again(store: Store, world: World) -> None:
    one = await failed(store)
    await put(store, world, one)
    await wanted_again(store, world, one, attempts_seen=1)
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    await store.record(delivery, "REJECTED", reason="rejected")
    assert await left(store, world) == [one]
    with pytest.raises(StateConflict, match="2 attempts by now, not 1"):
        await put(store, world, one, attempts_seen=1)
    assert await left(store, world) == [one]
    await put(store, world, one, attempts_seen=2)
    assert await left(store, world) == []


async def test_what_was_put_aside_as_unknown_and_then_failed_is_there_again(store: Store, world: World) -> None:
    await said(store, "one")
    delivery = await lost(store)
    await put(store, world, delivery.delivery_id)
    await about(store, "FAILED", delivery, "SM1")
    assert await store.delivery_states() == ["failed"]
    (shown,) = await listed(store, world, left=True)
    assert (shown.id, shown.put_aside_by, shown.HasField("put_aside_at")) == (delivery.delivery_id, "", False)
    await put(store, world, delivery.delivery_id, "bob")
    assert await left(store, world) == []


async def test_what_arrives_after_all_is_no_more_put_aside_and_cannot_be(store: Store, world: World) -> None:
    await said(store, "one")
    delivery = await lost(store)
    await put(store, world, delivery.delivery_id)
    await about(store, "DELIVERED", delivery, "SM1")
    everything = await a_wish(store, world).list_deliveries(outbox.ListDeliveriesRequest(tenant_id=TENANT))
    assert [(each.state, each.put_aside_by) for each in everything.deliveries] == [(chat.DELIVERY_STATE_DELIVERED, "")]
    with pytest.raises(StateConflict, match="the delivery is delivered"):
        await put(store, world, delivery.delivery_id)


async def test_what_waits_to_be_sent_or_is_not_there_is_not_put_aside(store: Store, world: World) -> None:
    await said(store, "one")
    ((waiting,),) = await store.fetch("SELECT id FROM deliveries")
    with pytest.raises(StateConflict, match="the delivery is queued"):
        await put(store, world, waiting)
    with pytest.raises(NotFound):
        await put(store, world, "nothing")
    for state in (chat.DELIVERY_STATE_UNSPECIFIED, chat.DELIVERY_STATE_SENT):
        asked = outbox.ListDeliveriesRequest(tenant_id=TENANT, state=state, not_put_aside=True)
        with pytest.raises(InvalidField):
            await a_wish(store, world).list_deliveries(asked)


async def test_of_several_who_deal_with_it_at_once_each_wish_is_done_or_refused(store: Store, world: World) -> None:
    one = await failed(store)
    wishes = [put(store, world, one, "ada", attempts_seen=1), wanted_again(store, world, one, attempts_seen=1)]
    done = await asyncio.gather(*wishes, put(store, world, one, "bob", attempts_seen=1), return_exceptions=True)
    assert [each for each in done if isinstance(each, BaseException) and not isinstance(each, StateConflict)] == []
    assert await store.delivery_states() == ["queued"]
    assert await store.fetch("SELECT put_aside_as, put_aside_at, put_aside_by FROM deliveries") == [("", None, "")]


async def test_pages_of_what_is_left_to_do_go_past_what_was_put_aside(store: Store, world: World) -> None:
    ids = [await failed(store, f"number {number}") for number in range(5)]
    for each in (ids[1], ids[3]):
        await put(store, world, each)
    found: list[str] = []
    token = ""
    while token or not found:
        asked = outbox.ListDeliveriesRequest(
            tenant_id=TENANT, state=FAILED, not_put_aside=True, page_size=1, page_token=token
        )
        page = await a_wish(store, world).list_deliveries(asked)
        found += [each.id for each in page.deliveries]
        token = page.next_page_token
    assert found == [ids[4], ids[2], ids[0]]


async def test_a_contact_is_told_that_it_was_put_aside_and_not_by_whom(store: Store, world: World) -> None:
    one = await failed(store)
    await put(store, world, one, "ada of the support team")
    asked = privacy.ExportContactRequest(tenant_id=TENANT, contact_id=await only_contact(world))
    told = b"".join([each.chunk for each in await world.mesh.call("ExportContact", asked)])
    (delivery,) = [row for row in map(json.loads, told.splitlines()) if row["kind"] == "Delivery"]
    assert (delivery["id"], delivery["put_aside_as"], bool(delivery["put_aside_at"])) == (one, "failed", True)
    assert b"ada of the support team" not in told


async def test_what_is_left_to_do_is_found_without_reading_what_was_put_aside(store: Store, world: World) -> None:
    one = await failed(store)
    await put(store, world, one)
    asked = f"SELECT id FROM deliveries WHERE tenant_id = :t AND state IN ('failed') AND {LEFT_TO_DO} ORDER BY id DESC"
    explain = "EXPLAIN QUERY PLAN" if store.url.startswith("sqlite") else "EXPLAIN"
    async with store.engine.begin() as connection:
        if explain == "EXPLAIN":
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await connection.execute(text(f"{explain} {asked} LIMIT 51"), {"t": TENANT})
        assert "ix_deliveries_left_to_do" in "\n".join(str(row) for row in plan)
