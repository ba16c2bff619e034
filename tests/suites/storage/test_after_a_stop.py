"""Does a contact who opted out hear nothing but the confirmation, whatever was under way to them?"""

from typing import Any

import pytest

from kit.errors import OwnerChanged, StateConflict
from parley.chat.v1 import message_pb2 as chat
from parley.error.v1.error_reason_pb2 import ERROR_REASON_OWNER_CHANGED
from parley.storage.v1 import outbox_service_pb2 as outbox
from parley.storage.v1.conversation_change_pb2 import ConversationChange
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from parley.storage.v1.turn_requests_pb2 import Usage
from tests.suites.storage.hot import TENANT, Store, a_submission
from tests.suites.storage.people import a_wish, operator_says
from tests.suites.storage.test_conversation_change import HAND_OFF, OUT, owner
from tests.suites.storage.test_hand_offs import queue
from tests.suites.storage.test_model_conversation import asked
from tests.suites.storage.test_outbox import leased, said
from tests.suites.storage.test_reply_windows import given_up, refused_late, rows, sent
from tests.suites.storage.world import World

# STOP, and then a reply: what is under way when the opt-out is committed -> what becomes of it.
STOPPED = {
    "a reply that waits": [("failed", "opted_out")],
    "a reply that is being sent": [("sent", "")],
    "a reply that is being sent, and is to be tried again": [("failed", "opted_out")],
    "a reply that the provider took, and refuses later for its window": [("failed", "window_closed")],
    "a reply that is refused on the spot for its window": [("failed", "opted_out")],
}


@pytest.mark.parametrize("case", STOPPED)
async def test_after_a_stop_nothing_goes_out_but_the_confirmation(store: Store, world: World, case: str) -> None:
    await said(store, "one")
    delivery = await leased(store)
    if case != "a reply that waits":
        await store.record(delivery, "BEGUN")
    if "took" in case:
        await store.record(delivery, "SENT", provider_message_id="SM1")
    turn = await asked(store)
    await store.commit(turn, "You will hear nothing more.", change=OUT)
    ends: dict[str, tuple[str, dict[str, Any]]] = {
        "a reply that is being sent": ("SENT", {"provider_message_id": "SM1"}),
        "a reply that is being sent, and is to be tried again": ("RETRY", {"reason": "throttled"}),
        "a reply that is refused on the spot for its window": ("RETRY", {"reason": "window", "window_closed": True}),
    }
    if case in ends:
        outcome, more = ends[case]
        await store.record(delivery, outcome, **more)
    if case == "a reply that waits":
        assert (await given_up(store, delivery)).error.reason == ERROR_REASON_OWNER_CHANGED
    if "took" in case:
        await refused_late(store, delivery, "SM1")
    confirmation = await sent(store, "SM2")
    assert confirmation.text == "You will hear nothing more."
    states = [(state, reason) for state, reason, _ in await rows(store)]
    assert (states, await store.lease_deliveries()) == ([*STOPPED[case], ("sent", "")], [])
    assert (await queue(world, all=True), (await owner(store))[0]) == ([], "none")


async def test_a_confirmation_that_cannot_be_said_asks_for_nobody(store: Store, world: World) -> None:
    await store.commit(await asked(store), "You will hear nothing more.", change=OUT)
    await given_up(store, await leased(store))
    assert (await rows(store), await queue(world, all=True)) == ([("failed", "window_closed", 0)], [])
    assert (await owner(store))[0] == "none"


async def test_nobody_writes_to_who_opted_out_until_they_come_back(store: Store, world: World) -> None:
    await said(store, "one")
    dead = await leased(store)
    await store.record(dead, "BEGUN")
    await store.record(dead, "REJECTED", reason="recipient")
    await store.commit(await asked(store), "You will hear nothing more.", change=OUT)
    await sent(store, "SM1")
    with pytest.raises(StateConflict):
        await operator_says(store, world, dead.conversation_id, "One more thing.")
    retry = outbox.RetryDeliveryRequest(tenant_id=TENANT, request_id="2", delivery_id=dead.delivery_id)
    with pytest.raises(StateConflict):
        await a_wish(store, world).retry_delivery(retry, "operator")
    await store.hear("START")
    (turn,) = await store.lease()
    await store.commit(turn, "Welcome back.", change=ConversationChange(opted_out=False))
    assert (await sent(store, "SM2")).text == "Welcome back."
    assert not (await a_wish(store, world).retry_delivery(retry, "operator")).duplicate


async def refused_for_good(store: Store, delivery: LeasedDelivery) -> None:
    await store.record(delivery, "REJECTED", reason="opted_out", provider_code="21610", opted_out=True)


@pytest.mark.parametrize("owned_by", ["agent", "queue"])
async def test_whom_the_provider_calls_opted_out_has_opted_out(store: Store, world: World, owned_by: str) -> None:
    """They wrote STOP to the provider, perhaps before we had the number: nothing of ours can tell them anything."""
    await said(store, "one")
    await said(store, "two")
    if owned_by == "queue":
        await store.commit(await asked(store), "A colleague will come.", state="HANDED_OFF", change=HAND_OFF)
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    await refused_for_good(store, delivery)
    assert {(state, reason) for state, reason, _ in await rows(store)} == {("failed", "opted_out")}
    assert await store.lease_deliveries() == []
    assert ((await owner(store))[0], await queue(world)) == ("none", [])
    ((opted_out_at,),) = await store.fetch("SELECT opted_out_at FROM conversations")
    assert opted_out_at is not None
    await store.hear("are you there?")
    assert await store.lease() == []
    await store.hear("START")
    (turn,) = await store.lease()
    await store.commit(turn, "Welcome back.", change=ConversationChange(opted_out=False))
    assert (await sent(store, "SM2")).text == "Welcome back."


@pytest.mark.parametrize(
    "how", ["refused on the spot", "a callback", "a webhook", "its sender died", "as it was swept"]
)
async def test_a_turn_under_way_for_who_turns_out_to_have_opted_out_ends_at_once(store: Store, how: str) -> None:
    """Nothing waits behind it, and its worker hears at its next beat that nobody will be told."""
    await said(store, "one")
    delivery = await leased(store)
    turn = await asked(store)
    await store.record(delivery, "BEGUN")
    store.clock.pass_seconds(31 if how == "its sender died" else 1)
    refusal: dict[str, Any] = {"provider_message_id": "SM1", "provider_code": "21610", "opted_out": True}
    if how == "refused on the spot":
        await refused_for_good(store, delivery)
    elif how == "a webhook":
        await store.record(delivery, "SENT", provider_message_id="SM1")
        await store.submit(a_submission(receipts=[chat.Receipt(state=chat.DELIVERY_STATE_FAILED, **refusal)]))
    elif how == "as it was swept":
        await store.record(delivery, "SENT", provider_message_id="SM1")
        await store.execute("UPDATE attempts SET outcome = 'begun'")
        await found_out_late(store, delivery, "SM1")
        await store.execute("UPDATE attempts SET outcome = 'sent'")
        await store.sweep("unmatched_receipts")
    elif how == "its sender died":
        await found_out_late(store, delivery, "SM1")
        await store.sweep("expired_deliveries")
    else:
        await store.record(delivery, "SENT", provider_message_id="SM1")
        await found_out_late(store, delivery, "SM1")
    assert (await store.turn_states())[-1] == ("suppressed", "owner_changed")
    assert isinstance((await store.extend(turn)).error, OwnerChanged)

    await store.hear("START")
    (back,) = await store.lease()
    assert [each.text for each in back.messages] == ["START"], "it waits for no answer that nobody is told"
    usage = Usage(model="llama", input_tokens=7, output_tokens=1)
    assert isinstance((await store.commit(turn, "and another thing", usage=usage)).error, OwnerChanged)
    assert await store.fetch("SELECT input_tokens FROM turns WHERE reason = 'owner_changed'") == [(7,)]
    assert [(state, reason) for state, reason, _ in await rows(store)] == [("failed", "opted_out")]


async def test_who_wrote_while_the_refused_call_was_made_may_have_come_back(store: Store) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    store.clock.pass_seconds(1)
    await store.hear("START")
    await refused_for_good(store, delivery)
    assert (await owner(store))[0] == "agent"
    assert [(state, reason) for state, reason, _ in await rows(store)] == [("failed", "opted_out")]


async def found_out_late(store: Store, delivery: LeasedDelivery, provider_id: str, part: int = 0) -> None:
    """As Twilio says it in a status callback: MessageStatus=failed, ErrorCode=21610."""
    await store.receive(
        "FAILED",
        delivery_id=delivery.delivery_id,
        part=part,
        provider_message_id=provider_id,
        provider_code="21610",
        opted_out=True,
    )


@pytest.mark.parametrize(
    "when",
    ["after the send", "before the send returned", "the answer was lost", "the sender died", "as it was recorded"],
)
async def test_whom_a_callback_calls_opted_out_has_opted_out(store: Store, world: World, when: str) -> None:
    await said(store, "one")
    await said(store, "two")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    if when in {"after the send", "as it was recorded"}:
        await store.record(delivery, "SENT", provider_message_id="SM1")
    if when == "as it was recorded":
        await store.execute("UPDATE attempts SET outcome = 'begun'")
    await found_out_late(store, delivery, "SM1")
    if when == "before the send returned":
        await store.record(delivery, "SENT", provider_message_id="SM1")
    elif when == "the answer was lost":
        await store.record(delivery, "UNKNOWN", reason="timeout")
    elif when == "the sender died":
        store.clock.pass_seconds(31)
        await store.sweep("expired_deliveries")
    elif when == "as it was recorded":
        await store.execute("UPDATE attempts SET outcome = 'sent'")
        await store.sweep("unmatched_receipts")
    assert {(state, reason) for state, reason, _ in await rows(store)} == {("failed", "opted_out")}
    assert await store.lease_deliveries() == []
    assert ((await owner(store))[0], await queue(world)) == ("none", [])
    assert await store.fetch("SELECT open_deliveries, delivery_due_at FROM conversations") == [(0, None)]
    await store.hear("are you there?")
    assert await store.lease() == []
    await store.hear("START")
    (turn,) = await store.lease()
    await store.commit(turn, "Welcome back.", change=ConversationChange(opted_out=False))
    for state in ("SENT", "FAILED"):
        await store.receive(state, delivery_id=delivery.delivery_id, provider_message_id="SM1")
    await found_out_late(store, delivery, "SM1")
    assert (await sent(store, "SM2")).text == "Welcome back.", "what is said again takes nobody back"
    assert (await owner(store))[0] == "agent"


async def test_the_next_part_of_what_a_callback_refuses_is_the_last_call(store: Store) -> None:
    await said(store, "long")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", parts=3)
    await store.record(delivery, "SENT", part=0, parts=3, provider_message_id="SM0", begin_next=True)
    await found_out_late(store, delivery, "SM0")
    assert (await owner(store))[0] == "none"
    done = await store.record(delivery, "SENT", part=1, parts=3, provider_message_id="SM1", begin_next=True)
    assert done.error.reason == ERROR_REASON_OWNER_CHANGED
    assert ([(state, reason) for state, reason, _ in await rows(store)], await store.lease_deliveries()) == (
        [("failed", "opted_out")],
        [],
    )


async def test_who_wrote_since_the_refused_send_or_was_reached_by_it_has_not_opted_out(store: Store) -> None:
    await said(store, "one")
    first = await sent(store, "SM1")
    store.clock.pass_seconds(1)
    await store.hear("START")
    await found_out_late(store, first, "SM1")
    assert (await owner(store))[0] == "agent"
    await said(store, "two")
    second = await sent(store, "SM2")
    await store.receive("DELIVERED", provider_message_id="SM2")
    await found_out_late(store, second, "SM2")
    assert (await owner(store))[0] == "agent"
    assert [(state, reason) for state, reason, _ in await rows(store)] == [("failed", "opted_out"), ("delivered", "")]
