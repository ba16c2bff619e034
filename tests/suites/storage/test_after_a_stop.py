"""Does a contact who opted out hear nothing but the confirmation, whatever was under way to them?"""

from typing import Any

import pytest

from kit.errors import StateConflict
from parley.error.v1.error_reason_pb2 import ERROR_REASON_OWNER_CHANGED
from parley.storage.v1 import outbox_service_pb2 as outbox
from parley.storage.v1.conversation_change_pb2 import ConversationChange
from tests.suites.storage import test_reply_windows
from tests.suites.storage.hot import TENANT, Store
from tests.suites.storage.test_conversation_change import OUT, owner
from tests.suites.storage.test_hand_offs import queue
from tests.suites.storage.test_model_conversation import asked
from tests.suites.storage.test_outbox import leased, said
from tests.suites.storage.test_reply_windows import given_up, refused_late, rows, sent
from tests.suites.storage.test_together import a_wish, operator_says
from tests.suites.storage.world import World

world = test_reply_windows.world

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
