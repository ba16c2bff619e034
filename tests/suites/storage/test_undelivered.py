"""Does a human hear of a reply that did not arrive, where the account wants that, and nobody where it does not?"""

import pytest

from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1.conversation_change_pb2 import HAND_OFF_REASON_NOT_DELIVERED, HandOff, QueueEntry
from tests.suites.storage.hot import ACCOUNT, Store
from tests.suites.storage.people import owned_by
from tests.suites.storage.test_conversation_change import owner
from tests.suites.storage.test_hand_offs import queue
from tests.suites.storage.test_outbox import leased, said
from tests.suites.storage.test_reply_windows import sent
from tests.suites.storage.world import World

WHY = HandOff(reason=HAND_OFF_REASON_NOT_DELIVERED, summary="A reply did not reach them: one")


async def a_human_is_wanted(store: Store) -> None:
    await store.execute("UPDATE channel_accounts SET options = :options", options='{"undelivered": "human"}')


async def fails_late(store: Store, provider_id: str, code: str = "30003", *, opted_out: bool = False) -> None:
    named = {"provider_message_id": provider_id, "provider_code": code}
    await store.receive("FAILED", ACCOUNT, opted_out=opted_out, **named)


def reasons(entries: list[QueueEntry]) -> list[tuple[int, str]]:
    return [(each.reason, each.summary) for each in entries]


TOLD = [(HAND_OFF_REASON_NOT_DELIVERED, "A reply did not reach them (receipt 30003).")]


async def test_a_receipt_that_says_so_gives_the_conversation_to_the_queue_once(store: Store, world: World) -> None:
    await a_human_is_wanted(store)
    await said(store, "one")
    await sent(store, "p-1")
    for _ in range(3):
        await fails_late(store, "p-1")
    assert (reasons(await queue(world)), await owner(store)) == (TOLD, ("queue", 2))
    assert await store.delivery_states() == ["failed"]


async def test_so_does_one_that_comes_before_the_call_returned(store: Store, world: World) -> None:
    await a_human_is_wanted(store)
    await said(store, "one")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    await fails_late(store, "p-1")
    assert await queue(world) == []
    await store.record(delivery, "SENT", provider_message_id="p-1")
    assert (reasons(await queue(world)), await store.delivery_states()) == (TOLD, ["failed"])


async def test_a_refusal_on_the_spot_says_itself_what_was_not_said(store: Store, world: World) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    await store.hear("are you there?")  # which opens no window that a refused text could go through
    await store.record(delivery, "REJECTED", reason="recipient", hand_off=WHY)
    assert (reasons(await queue(world)), await store.delivery_states()) == ([(WHY.reason, WHY.summary)], ["failed"])


async def test_what_may_have_reached_them_is_not_said_to_be_undelivered(store: Store, world: World) -> None:
    await said(store, "one")
    for outcome, more in (("RETRY", {"reason": "unanswered"}), ("REJECTED", {"reason": "gave_up", "hand_off": WHY})):
        delivery = await leased(store)
        await store.record(delivery, "BEGUN")
        await store.record(delivery, outcome, **more)
    assert (await queue(world), await store.delivery_states()) == ([], ["unknown"])


async def test_without_the_wish_it_is_a_dead_letter_alone(store: Store, world: World) -> None:
    await said(store, "one")
    await sent(store, "p-1")
    await fails_late(store, "p-1")
    assert (await queue(world), await owner(store)) == ([], ("agent", 1))
    assert await store.delivery_states() == ["failed"]


async def test_what_reached_them_and_who_opted_out_are_nobodys_task(store: Store, world: World) -> None:
    await a_human_is_wanted(store)
    await said(store, "one", "two")
    await sent(store, "p-1")
    await store.receive("DELIVERED", provider_message_id="p-1")
    await fails_late(store, "p-1")
    await sent(store, "p-2")
    await fails_late(store, "p-2", "21610", opted_out=True)
    assert await queue(world, all=True) == []


async def test_a_human_who_has_it_sees_for_themselves(store: Store, world: World) -> None:
    await a_human_is_wanted(store)
    await said(store, "one")
    await sent(store, "p-1")
    ((conversation_id,),) = await store.fetch("SELECT id FROM conversations")
    await owned_by(world, conversation_id, chat.OWNER_HUMAN)
    await fails_late(store, "p-1")
    assert (await queue(world, all=True), (await owner(store))[0]) == ([], "human")


@pytest.mark.parametrize("end", ["SENT", "UNKNOWN", "its sender died"])
async def test_a_part_that_fails_while_others_are_on_their_way_is_told_when_the_last_one_has_ended(
    store: Store, world: World, end: str
) -> None:
    await a_human_is_wanted(store)
    await said(store, "long")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", parts=2)
    await store.record(delivery, "SENT", parts=2, provider_message_id="p-0", begin_next=True)
    await fails_late(store, "p-0")
    assert (await queue(world), await store.delivery_states()) == ([], ["sending"])
    if end in {"SENT", "UNKNOWN"}:
        name = "p-1" if end == "SENT" else ""
        await store.record(delivery, end, part=1, parts=2, provider_message_id=name)
    else:
        store.clock.pass_seconds(31)
        await store.sweep("expired_deliveries")
    assert (reasons(await queue(world)), await store.delivery_states()) == (TOLD, ["failed"])
    await store.receive("DELIVERED", provider_message_id="p-1")
    assert await store.delivery_states() == ["failed"]


async def test_who_gave_it_back_is_not_asked_again_for_another_part_of_the_same(store: Store, world: World) -> None:
    await a_human_is_wanted(store)
    await said(store, "long")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", parts=2)
    await store.record(delivery, "SENT", parts=2, provider_message_id="p-0", begin_next=True)
    await store.record(delivery, "SENT", part=1, parts=2, provider_message_id="p-1")
    await fails_late(store, "p-0")
    await owned_by(world, delivery.conversation_id, chat.OWNER_AGENT)
    await fails_late(store, "p-1")
    assert (await queue(world), (await owner(store))[0]) == ([], "agent")
