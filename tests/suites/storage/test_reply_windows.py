"""Is what a channel takes no free text for any more decided anew, once, said by a template once, or left to a human?"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from kit.errors import InvalidField
from kit.moments import moment
from parley.chat.v1 import message_pb2 as chat
from parley.error.v1.error_reason_pb2 import ERROR_REASON_LEASE_LOST, ERROR_REASON_OWNER_CHANGED
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_service_pb2 as service
from parley.storage.v1.conversation_change_pb2 import HAND_OFF_REASON_WINDOW_CLOSED, HandOff
from parley.storage.v1.delivery_requests_pb2 import AttemptResult, LeasedDelivery
from tests.suites.storage.hot import START, TENANT, Store
from tests.suites.storage.people import operator_says, owned_by
from tests.suites.storage.test_conversation_change import owner
from tests.suites.storage.test_hand_offs import queue
from tests.suites.storage.test_outbox import leased, said
from tests.suites.storage.world import World

WHY = HandOff(reason=HAND_OFF_REASON_WINDOW_CLOSED, summary="Not said: one")
DELIVERY = "SELECT state, reason, parts_sent FROM deliveries ORDER BY seq"


async def rows(store: Store) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await store.fetch(DELIVERY)]


async def sent(store: Store, provider_id: str, *, template: bool = False) -> LeasedDelivery:
    """The next delivery, taken by the provider."""
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", template=template)
    await store.record(delivery, "SENT", provider_message_id=provider_id, template=template)
    return delivery


async def refused_late(store: Store, delivery: LeasedDelivery, provider_id: str, part: int = 0) -> None:
    """As Twilio says it: with our id, which the callback's URL carries, and its own."""
    await store.receive(
        "FAILED",
        delivery_id=delivery.delivery_id,
        part=part,
        provider_message_id=provider_id,
        provider_code="63016",
        window_closed=True,
    )


async def given_up(store: Store, delivery: LeasedDelivery) -> AttemptResult:
    return await store.record(delivery, "REJECTED", reason="window_closed", hand_off=WHY)


def times(delivery: LeasedDelivery) -> tuple[datetime | None, ...]:
    names = ("last_inbound_at", "last_template_at", "window_closed_at")
    return tuple(moment(getattr(delivery, name)) if delivery.HasField(name) else None for name in names)


async def test_what_cannot_be_said_gives_the_conversation_to_the_queue_in_the_same_transaction(
    store: Store, world: World
) -> None:
    await said(store, "one")
    assert not (await given_up(store, await leased(store))).HasField("error")
    assert (await rows(store), await owner(store)) == ([("failed", "window_closed", 0)], ("queue", 2))
    (entry,) = await queue(world)
    assert (entry.reason, entry.summary) == (HAND_OFF_REASON_WINDOW_CLOSED, "Not said: one")
    assert entry.turn_id
    assert await store.fetch("SELECT 1 FROM attempts") == [], "nobody was called"
    assert (await store.hear("hello?")).turn_id == "", "a human has it"


async def test_said_again_it_changes_nothing_more(store: Store, world: World) -> None:
    await said(store, "one")
    delivery = await leased(store)
    assert [(await given_up(store, delivery)).duplicate for _ in range(3)] == [False, True, True]
    assert (len(await queue(world)), await owner(store)) == (1, ("queue", 2))


async def test_without_a_wish_for_a_human_it_fails_and_the_agent_goes_on(store: Store, world: World) -> None:
    await said(store, "one", "two")
    await store.record(await leased(store), "REJECTED", reason="window_closed")
    assert (await queue(world), await owner(store)) == ([], ("agent", 1))
    assert (await leased(store)).text == "two"


async def test_a_human_who_has_it_is_asked_for_by_nobody(store: Store, world: World) -> None:
    await said(store, "one")
    await store.send(await leased(store), "p-1")
    ((conversation_id,),) = await store.fetch("SELECT id FROM conversations")
    await owned_by(world, conversation_id, chat.OWNER_HUMAN)
    await operator_says(store, world, conversation_id, "I am a person.")
    await given_up(store, await leased(store))
    assert (await queue(world, all=True), await owner(store)) == ([], ("human", 2))
    assert (await rows(store))[-1] == ("failed", "window_closed", 0)


async def test_the_sender_is_told_what_a_human_said(store: Store, world: World) -> None:
    await said(store, "one")
    answer = await leased(store)
    await store.send(answer, "p-1")
    await owned_by(world, answer.conversation_id, chat.OWNER_HUMAN)
    await operator_says(store, world, answer.conversation_id, "I am a person.")
    assert (answer.said_by_human, (await leased(store)).said_by_human) == (False, True)


async def test_who_wrote_after_the_lease_has_opened_the_window_so_it_is_decided_anew(
    store: Store, world: World
) -> None:
    await said(store, "one")
    delivery = await leased(store)
    store.clock.pass_seconds(1)
    await store.hear("are you there?")
    await given_up(store, delivery)
    assert (await queue(world), await owner(store)) == ([], ("agent", 1))
    again = await leased(store)
    assert (again.delivery_id, times(again)[0]) == (delivery.delivery_id, store.clock.now)


async def test_a_take_over_beats_a_wish_for_a_human(store: Store, world: World) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await owned_by(world, delivery.conversation_id, chat.OWNER_HUMAN)
    assert (await given_up(store, delivery)).error.reason == ERROR_REASON_OWNER_CHANGED
    assert await queue(world, all=True) == []


async def test_a_refusal_on_the_spot_comes_back_at_once_with_what_is_known_now(store: Store) -> None:
    await said(store, "one")
    delivery = await leased(store)
    assert times(delivery) == (START, None, None)
    store.clock.pass_seconds(5)
    await store.record(delivery, "BEGUN")
    await store.record(delivery, "RETRY", reason="window", provider_code="63016", window_closed=True)
    again = await leased(store)
    assert (times(again), again.attempts) == ((START, None, START + timedelta(seconds=5)), 0)
    assert await store.fetch("SELECT outcome, provider_code FROM attempts") == [("retry", "63016")]


@pytest.mark.parametrize("outcome", ["SENT", "UNKNOWN", ""])
async def test_a_template_that_went_out_or_may_have_comes_with_the_next_lease(store: Store, outcome: str) -> None:
    await said(store, "one", "two")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", template=True)
    if outcome:
        await store.record(delivery, outcome, provider_message_id="p-1" if outcome == "SENT" else "")
    else:  # its sender died
        store.clock.pass_seconds(31)
        await store.sweep("expired_deliveries")
    assert times(await leased(store)) == (START, START, None)


async def test_a_template_that_surely_did_not_go_out_is_not_spent(store: Store) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", template=True)
    await store.record(delivery, "RETRY", reason="throttled")
    assert times(await leased(store)) == (START, None, None)


async def test_a_template_that_a_sender_confirms_after_its_lease_is_spent_too(store: Store) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", template=True)
    store.clock.pass_seconds(31)
    await store.sweep("expired_deliveries")
    await store.execute("UPDATE conversations SET last_template_at = NULL")
    await store.record(delivery, "SENT", provider_message_id="p-1")
    await said(store, "two")
    assert times(await leased(store))[1] == START


async def test_a_refused_template_asks_for_a_human_unless_they_wrote_meanwhile(store: Store, world: World) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", template=True)
    store.clock.pass_seconds(1)
    await store.hear("hello?")
    await store.record(delivery, "REJECTED", reason="payload", hand_off=WHY)
    again = await leased(store)
    assert (again.attempts, await owner(store)) == (1, ("agent", 1))
    await store.record(again, "BEGUN", template=True)
    await store.record(again, "REJECTED", reason="payload", provider_code="21655", hand_off=WHY)
    assert (await rows(store), await owner(store)) == ([("failed", "payload", 0)], ("queue", 2))
    assert len(await queue(world)) == 1


async def test_an_asynchronous_refusal_reopens_the_decision_once(store: Store) -> None:
    await said(store, "one")
    first = await sent(store, "SM1")
    store.clock.pass_seconds(3)
    await refused_late(store, first, "SM1")
    assert await rows(store) == [("queued", "", 0)]
    again = await leased(store)
    assert (again.text, again.next_part, again.attempts) == ("one", 0, 0)
    assert times(again) == (START, None, START)
    await refused_late(store, first, "SM1")
    await store.record(again, "BEGUN", template=True)
    await refused_late(store, first, "SM1")
    await store.record(again, "SENT", provider_message_id="SM2")
    for _ in range(2):
        await refused_late(store, first, "SM1")
    await store.receive("SENT", provider_message_id="SM1", delivery_id=first.delivery_id)
    assert (await rows(store), await store.lease_deliveries()) == ([("sent", "", 1)], [])
    await store.receive("DELIVERED", provider_message_id="SM2", delivery_id=first.delivery_id)
    assert await rows(store) == [("delivered", "", 1)]
    outcomes = await store.fetch("SELECT outcome, template, receipt, provider_code FROM attempts ORDER BY number")
    assert [tuple(row) for row in outcomes] == [("rejected", False, "failed", "63016"), ("sent", True, "delivered", "")]
    await store.sweep("unmatched_receipts")
    assert await store.fetch("SELECT 1 FROM receipts WHERE NOT matched") == []


async def test_a_template_that_is_refused_in_a_callback_has_failed_for_good(store: Store) -> None:
    await said(store, "one")
    await refused_late(store, await sent(store, "SM1"), "SM1")
    again = await sent(store, "SM2", template=True)
    await refused_late(store, again, "SM2")
    assert (await rows(store), await store.lease_deliveries()) == ([("failed", "receipt", 1)], [])


@pytest.mark.parametrize("when", ["before the send returned", "the answer was lost", "the sender died"])
async def test_a_refusal_that_comes_before_the_answer_reopens_it_too(store: Store, when: str) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    await refused_late(store, delivery, "SM1")
    assert await rows(store) == [("sending", "", 0)]
    if when == "the sender died":
        store.clock.pass_seconds(31)
        await store.sweep("expired_deliveries")
    else:
        outcome, name = ("SENT", "SM1") if when == "before the send returned" else ("UNKNOWN", "")
        await store.record(delivery, outcome, provider_message_id=name)
    assert await rows(store) == [("queued", "", 0)]
    assert times(await leased(store)) == (START, None, START)


async def test_a_refusal_that_crossed_its_record_is_joined_by_the_sweeper(store: Store) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    await refused_late(store, delivery, "SM1")
    await store.execute("UPDATE deliveries SET state = 'sent', begun = false, expires_at = NULL, parts_sent = 1")
    await store.execute("UPDATE attempts SET outcome = 'sent', provider_message_id = 'SM1'")
    await store.execute("UPDATE conversations SET open_deliveries = 0, sending_delivery_id = NULL")
    await store.sweep("unmatched_receipts")
    assert (await leased(store)).delivery_id == delivery.delivery_id


async def test_who_wrote_since_is_told_the_same_text_freely(store: Store) -> None:
    await said(store, "one")
    first = await sent(store, "SM1")
    store.clock.pass_seconds(60)
    await store.hear("hello?")
    await refused_late(store, first, "SM1")
    heard, _, refused = times(await leased(store))
    assert (heard, refused) == (START + timedelta(seconds=60), START)


async def test_all_that_was_said_in_parts_is_decided_anew_from_the_first_that_is_missing(store: Store) -> None:
    await said(store, "long")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", parts=2)
    await store.record(delivery, "SENT", part=0, parts=2, provider_message_id="SM0", begin_next=True)
    await refused_late(store, delivery, "SM0")
    assert await rows(store) == [("sending", "", 0)], "the second is being called"
    await store.record(delivery, "SENT", part=1, parts=2, provider_message_id="SM1")
    again = await leased(store)
    assert again.next_part == 0
    await store.record(again, "BEGUN", template=True)
    await store.record(again, "SENT", provider_message_id="SM2")
    await refused_late(store, delivery, "SM1", part=1)
    assert (await rows(store), await store.lease_deliveries()) == ([("sent", "", 1)], [])


async def test_no_further_part_begins_once_one_before_it_was_refused(store: Store) -> None:
    await said(store, "long")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", parts=3)
    await store.record(delivery, "SENT", part=0, parts=3, provider_message_id="SM0", begin_next=True)
    await refused_late(store, delivery, "SM0")
    done = await store.record(delivery, "SENT", part=1, parts=3, provider_message_id="SM1", begin_next=True)
    assert done.error.reason == ERROR_REASON_LEASE_LOST
    assert (await leased(store)).next_part == 0


@pytest.mark.parametrize("taken_by", [chat.OWNER_HUMAN, chat.OWNER_QUEUE, chat.OWNER_NONE])
async def test_what_the_agent_said_is_not_said_again_after_a_take_over(
    store: Store, world: World, taken_by: chat.Owner
) -> None:
    await said(store, "one")
    first = await sent(store, "SM1")
    await owned_by(world, first.conversation_id, taken_by)
    await refused_late(store, first, "SM1")
    assert (await rows(store), await store.lease_deliveries()) == ([("failed", "window_closed", 0)], [])


async def test_what_a_human_said_is_decided_anew_while_they_have_the_conversation(store: Store, world: World) -> None:
    await said(store, "one")
    first = await sent(store, "SM1")
    await owned_by(world, first.conversation_id, chat.OWNER_HUMAN)
    await operator_says(store, world, first.conversation_id, "I am a person.")
    await refused_late(store, await sent(store, "SM2"), "SM2")
    assert (await leased(store)).text == "I am a person."


async def test_who_was_told_meanwhile_is_not_told_again(store: Store) -> None:
    await said(store, "one")
    first = await sent(store, "SM1")
    await store.receive("READ", provider_message_id="SM1")
    await refused_late(store, first, "SM1")
    assert await rows(store) == [("read", "", 1)]


async def test_a_failure_of_another_kind_is_final_as_ever(store: Store) -> None:
    await said(store, "one")
    await sent(store, "SM1")
    await store.receive("FAILED", provider_message_id="SM1", provider_code="30003")
    assert await rows(store) == [("failed", "receipt", 1)]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"outside_window": "shout"}, "account.options[outside_window]"),
        ({"outside_window": "template"}, "account.options[template]"),
        ({"outside_window": "other_account"}, "account.options[other_account]"),
        ({"outside_window": "other_account", "other_account": "nobody"}, "account.options[other_account]"),
        ({"outside_window": "other_account", "other_account": "account-2"}, ""),
        ({"undelivered": "shout"}, "account.options[undelivered]"),
        ({"undelivered": "human"}, ""),
        ({"template_variable": "1"}, "account.options[template_variable]"),
        ({"outside_window": "template", "template": "HX1", "template_variable": "1"}, ""),
        ({"outside_window": "drop"}, ""),
        ({"validity_seconds": "60"}, ""),
    ],
)
async def test_options_that_do_not_fit_together_are_refused_when_the_account_is_put(
    world: World, options: dict[str, str], field: str
) -> None:
    account = directory.ChannelAccount(channel="whatsapp", address="account-1", options=options)
    put = service.PutChannelAccountRequest(tenant_id=TENANT, request_id="1", account=account)
    if not field:
        await world.mesh.call("PutChannelAccount", put)
        return
    refusal = await world.mesh.refusal("PutChannelAccount", put)
    assert isinstance(refusal, InvalidField)
    assert [name for name, _ in refusal.violations] == [field]


async def test_what_asks_for_no_answer_opens_no_window(store: Store) -> None:
    await said(store, "one")
    store.clock.pass_seconds(60)
    await store.hear("👍", no_turn=True)
    assert times(await leased(store)) == (START, None, None)


async def test_what_is_reopened_waits_for_what_is_being_sent_and_goes_before_what_waits(store: Store) -> None:
    await said(store, "one", "two", "three")
    first = await sent(store, "SM1")
    second = await leased(store)
    await store.record(second, "BEGUN")
    await refused_late(store, first, "SM1")
    assert await store.lease_deliveries() == []
    await store.record(second, "SENT", provider_message_id="SM2")
    assert [(await sent(store, f"SM{number}", template=True)).text for number in (3, 4)] == ["one", "three"]
    assert await store.fetch("SELECT open_deliveries, delivery_due_at FROM conversations") == [(0, None)]


async def test_what_is_reopened_waits_for_a_paused_account(store: Store) -> None:
    await said(store, "one")
    first = await sent(store, "SM1")
    await store.execute("UPDATE channel_accounts SET state = 'paused'")
    await refused_late(store, first, "SM1")
    assert await store.lease_deliveries() == []
    await store.execute("UPDATE channel_accounts SET state = 'active'")
    await store.sweep("freed_lanes")
    assert (await leased(store)).text == "one"
