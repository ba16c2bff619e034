"""Who was erased has no chat any more: does anybody write into the conversation that is left, or send what waited?"""

import pytest

from kit.errors import StateConflict
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_owner_pb2 as owning
from parley.storage.v1 import outbox_service_pb2 as outbox
from tests.suites.storage.hot import TENANT, Store
from tests.suites.storage.people import a_wish, erased, only_contact, operator_says, owned_by
from tests.suites.storage.test_together import being_sent, reasons
from tests.suites.storage.world import World

NOBODY = "the contact was erased"


async def an_erased_one(store: Store, world: World) -> str:
    """The conversation that is left of them."""
    said = await store.hear("hello")
    await erased(world, await only_contact(world))
    return said.conversation_id


async def test_an_operator_whose_page_is_still_open_writes_to_nobody(store: Store, world: World) -> None:
    conversation_id = await an_erased_one(store, world)
    with pytest.raises(StateConflict, match=NOBODY):
        await operator_says(store, world, conversation_id, "Dear Mr Smith, about your illness")
    assert await store.fetch("SELECT id FROM messages WHERE text <> ''") == []
    assert await store.lease_deliveries() == []


async def test_what_was_queued_before_an_erasure_is_told_as_that_when_it_is_asked_again(
    store: Store, world: World
) -> None:
    said = await store.hear("hello")
    await operator_says(store, world, said.conversation_id, "Dear Mr Smith")
    await erased(world, await only_contact(world))
    again = outbox.QueueMessageRequest(
        tenant_id=TENANT, request_id="1", conversation_id=said.conversation_id, text="Dear Mr Smith"
    )
    assert (await a_wish(store, world).queue_message(again, "operator")).duplicate
    assert await store.lease_deliveries() == []


@pytest.mark.parametrize("owner", [chat.OWNER_AGENT, chat.OWNER_QUEUE, chat.OWNER_HUMAN, chat.OWNER_NONE])
async def test_nobody_owns_the_conversation_of_who_was_erased(store: Store, world: World, owner: chat.Owner) -> None:
    conversation_id = await an_erased_one(store, world)
    ask = owning.SetOwnerRequest(tenant_id=TENANT, request_id="1", conversation_id=conversation_id, owner=owner)
    refusal = await world.mesh.refusal("SetOwner", ask)
    assert isinstance(refusal, StateConflict)
    assert str(refusal) == NOBODY
    assert await store.fetch("SELECT owner FROM conversations") == [("none",)]
    assert await store.fetch("SELECT id FROM queue_entries") == []


async def test_a_take_over_from_before_an_erasure_is_shown_when_it_is_asked_again(store: Store, world: World) -> None:
    said = await store.hear("hello")
    await owned_by(world, said.conversation_id, chat.OWNER_HUMAN)
    await erased(world, await only_contact(world))
    assert (await owned_by(world, said.conversation_id, chat.OWNER_HUMAN)).owner == chat.OWNER_NONE


async def test_a_delivery_that_failed_is_not_tried_again_to_who_was_erased(store: Store, world: World) -> None:
    held = await being_sent(store, "dear Mr Smith")
    await store.record(held, "REJECTED")
    await erased(world, await only_contact(world))
    again = outbox.RetryDeliveryRequest(tenant_id=TENANT, request_id="1", delivery_id=held.delivery_id)
    with pytest.raises(StateConflict, match=NOBODY):
        await a_wish(store, world).retry_delivery(again, "operator")


async def test_what_waited_to_be_sent_to_who_was_erased_is_not_sent(store: Store, world: World) -> None:
    """Whoever said it, and whether a sender holds it or its account is paused."""
    held = await being_sent(store, "one", "two")
    await operator_says(store, world, held.conversation_id, "three")
    await store.record(held, "UNAUTHORIZED")
    await erased(world, await only_contact(world))
    await store.execute("UPDATE channel_accounts SET state = 'active'")
    await store.sweep("freed_lanes")
    assert (await store.lease_deliveries(), await reasons(store)) == ([], [("failed", "erased")] * 3)


@pytest.mark.parametrize("outcome", ["RETRY", "UNAUTHORIZED"])
async def test_a_call_to_who_is_erased_meanwhile_is_not_made_again(store: Store, world: World, outcome: str) -> None:
    held = await being_sent(store, "one", "two")
    await erased(world, await only_contact(world))
    await store.record(held, outcome, retry_after_seconds=1)
    store.clock.now = world.sessions.now()
    assert (await store.lease_deliveries(), await reasons(store)) == ([], [("failed", "erased")] * 2)


async def test_who_is_erased_while_a_doubtful_call_is_made_is_not_called_again(store: Store, world: World) -> None:
    await store.execute("UPDATE channel_accounts SET unknown_policy = 'resend'")
    held = await being_sent(store, "one")
    await erased(world, await only_contact(world))
    store.clock.pass_seconds(31)
    await store.sweep("expired_deliveries")
    assert (await store.lease_deliveries(), await reasons(store)) == ([], [("unknown", "lease_expired")])
    assert held.text == "one"


NUMBER = "wamid.HBgMNDkxNTExMTExMTExFQIAERgS"


async def named(store: Store) -> list[str]:
    """What providers call what was sent, wherever it is kept."""
    tables = ("attempts", "deliveries", "receipts")
    found = [await store.fetch(f"SELECT provider_message_id FROM {table}") for table in tables]
    return [name for rows in found for (name,) in rows if name]


async def test_a_receipt_that_comes_after_an_erasure_names_nobody_again(store: Store, world: World) -> None:
    held = await being_sent(store, "one")
    await store.record(held, "SENT", provider_message_id=NUMBER)
    assert await named(store) == [NUMBER, NUMBER]
    await erased(world, await only_contact(world))
    for state in ("DELIVERED", "READ", "READ"):
        await store.receive(state, provider_message_id=NUMBER, delivery_id=held.delivery_id)
    assert (await named(store), await reasons(store)) == ([], [("read", "")])
    assert await store.fetch("SELECT state, matched FROM receipts ORDER BY id") == [("delivered", 1), ("read", 1)]


@pytest.mark.parametrize("early", [True, False])
async def test_a_call_that_ends_after_an_erasure_names_nobody_again(store: Store, world: World, early: bool) -> None:
    held = await being_sent(store, "one")
    await erased(world, await only_contact(world))
    if early:
        await store.receive("DELIVERED", provider_message_id=NUMBER, delivery_id=held.delivery_id)
    await store.record(held, "SENT", provider_message_id=NUMBER)
    assert (await named(store), await reasons(store)) == ([], [("delivered" if early else "sent", "")])


async def test_nobody_is_told_that_an_answer_to_who_was_erased_failed(store: Store, world: World) -> None:
    await store.hear("hello")
    await store.lease()
    await erased(world, await only_contact(world))
    store.clock.pass_seconds(1_000)
    await store.sweep("expired_turns", "overdue_turns")
    assert (await store.turn_states(), await store.lease_deliveries()) == ([("suppressed", "owner_none")], [])
