"""Deliveries go out strictly in order per conversation, each attempt is on record before its call, nothing twice."""

import pytest

from kit import metrics
from kit.ids import new_id
from kit.moments import stamp
from parley.error.v1.error_reason_pb2 import (
    ERROR_REASON_INVALID_FIELD,
    ERROR_REASON_LEASE_LOST,
    ERROR_REASON_STATE_CONFLICT,
)
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from tests.suites.storage.hot import Store, a_record, a_submission


async def said(store: Store, *replies: str, chat: str = "chat-1") -> None:
    await store.hear("hi", chat_id=chat)
    (turn,) = await store.lease()
    assert (await store.commit(turn, *replies)).error is None


async def leased(store: Store, worker: str = "s1") -> LeasedDelivery:
    (delivery,) = await store.lease_deliveries(worker=worker)
    return delivery


async def test_a_delivery_brings_what_the_sender_needs(store: Store) -> None:
    await store.hear("hi", provider_at=store.clock.now, metadata={"thread": "7"})
    (turn,) = await store.lease()
    await store.commit(turn, "hello")
    delivery = await leased(store)
    assert (delivery.text, delivery.chat_id, delivery.account_id) == ("hello", "chat-1", "account-1")
    assert delivery.reply_to_provider_message_id == "in-1"
    assert dict(delivery.reply_metadata) == {"thread": "7"}
    assert (delivery.next_part, delivery.attempts) == (0, 0)
    assert delivery.HasField("last_inbound_at")


async def test_the_second_delivery_waits_for_the_first(store: Store) -> None:
    await said(store, "one", "two")
    first = await leased(store)
    assert await store.lease_deliveries() == []
    await store.send(first, "p-1")
    second = await leased(store)
    assert [first.text, second.text] == ["one", "two"]
    await store.send(second, "p-2")
    assert await store.delivery_states() == ["sent", "sent"]
    assert await store.lease_deliveries() == []


async def test_other_conversations_do_not_wait(store: Store) -> None:
    await said(store, "a", chat="one")
    await said(store, "b", chat="two")
    assert len(await store.lease_deliveries()) == 2


async def test_a_part_after_the_other_costs_one_record_each(store: Store) -> None:
    await said(store, "long")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", parts=3)
    await store.record(delivery, "SENT", part=0, parts=3, provider_message_id="p-0", begin_next=True)
    await store.record(delivery, "SENT", part=1, parts=3, provider_message_id="p-1", begin_next=True)
    assert await store.delivery_states() == ["sending"]
    await store.record(delivery, "SENT", part=2, parts=3, provider_message_id="p-2")
    assert await store.delivery_states() == ["sent"]
    rows = await store.fetch("SELECT part, outcome, provider_message_id FROM attempts ORDER BY number")
    assert [tuple(row) for row in rows] == [(0, "sent", "p-0"), (1, "sent", "p-1"), (2, "sent", "p-2")]


async def test_the_same_record_again_is_a_duplicate(store: Store) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    assert (await store.record(delivery, "BEGUN")).duplicate
    await store.record(delivery, "SENT", provider_message_id="p-1")
    assert (await store.record(delivery, "SENT", provider_message_id="p-1")).duplicate
    assert await store.fetch("SELECT count(*) FROM attempts") == [(1,)]


async def test_an_outcome_without_a_name_here_is_refused_and_what_comes_with_it_is_not(store: Store) -> None:
    """As a newer sender may say, while a mesh is being updated."""
    await said(store, "one")
    delivery = await leased(store)
    begun, newer = a_record(delivery, "BEGUN"), a_record(delivery, "SENT")
    newer.outcome = 99  # type: ignore[assignment]  # what no version has a name for yet
    sent = a_record(delivery, "SENT", provider_message_id="p-1")
    results = await store.record_all(("s1", begun), ("s1", newer), ("s1", sent))
    assert [each.error.reason for each in results] == [0, ERROR_REASON_INVALID_FIELD, 0]
    assert await store.delivery_states() == ["sent"]


async def test_begin_and_end_in_one_frame_are_both_written(store: Store) -> None:
    await said(store, "one")
    delivery = await leased(store)
    begun, sent = a_record(delivery, "BEGUN"), a_record(delivery, "SENT", provider_message_id="p-1")
    results = await store.record_all(("s1", begun), ("s1", sent))
    assert not any(result.HasField("error") for result in results)
    assert await store.delivery_states() == ["sent"]


async def test_a_retry_keeps_the_lane_waiting(store: Store) -> None:
    await said(store, "one", "two")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    await store.record(delivery, "RETRY", retry_after_seconds=4, reason="unavailable")
    assert await store.lease_deliveries() == []
    store.clock.pass_seconds(4)
    again = await leased(store)
    assert (again.text, again.attempts, again.epoch) == ("one", 1, 2)


async def test_a_refused_delivery_is_visible_and_the_lane_goes_on(store: Store) -> None:
    await said(store, "one", "two")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    await store.record(delivery, "REJECTED", reason="window", provider_code="63016")
    rows = await store.fetch("SELECT state, reason, provider_code FROM deliveries WHERE state = 'failed'")
    assert [tuple(row) for row in rows] == [("failed", "window", "63016")]
    assert (await leased(store)).text == "two"


async def test_an_attempt_whose_sender_died_is_unknown_and_not_sent_again(store: Store) -> None:
    counted = metrics.deliveries_abandoned._value.get()
    await said(store, "one", "two")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    store.clock.pass_seconds(31)
    await store.sweep("expired_deliveries")
    assert await store.delivery_states() == ["unknown", "queued"]
    assert metrics.deliveries_abandoned._value.get() == counted + 1
    assert (await leased(store, "s2")).text == "two"
    late = await store.record(delivery, "RETRY")
    assert late.error.reason == ERROR_REASON_LEASE_LOST
    assert await store.delivery_states() == ["unknown", "queued"]


async def test_a_sender_that_was_cut_off_may_still_say_what_it_heard(store: Store) -> None:
    await said(store, "one", "two")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    store.clock.pass_seconds(31)
    await store.sweep("expired_deliveries")
    assert await store.delivery_states() == ["unknown", "queued"]
    late = await store.record(delivery, "SENT", provider_message_id="p-1")
    assert not late.HasField("error")
    assert await store.delivery_states() == ["sent", "queued"]
    again = await store.record(delivery, "SENT", provider_message_id="p-1")
    assert again.duplicate


async def test_a_lease_without_an_attempt_is_simply_leased_again(store: Store) -> None:
    await said(store, "one")
    first = await leased(store)
    counted = metrics.deliveries_abandoned._value.get()
    store.clock.pass_seconds(31)
    await store.sweep("expired_deliveries")
    assert metrics.deliveries_abandoned._value.get() == counted
    again = await leased(store, "s2")
    assert again.delivery_id == first.delivery_id
    late = await store.record(first, "BEGUN")
    assert late.error.reason == ERROR_REASON_LEASE_LOST, "then the provider must not be called"


@pytest.mark.parametrize("policy", ["park", "resend"])
@pytest.mark.parametrize("end", [("REJECTED", "connect"), ("UNKNOWN", "500")])
async def test_a_part_that_was_given_up_may_have_been_taken_by_a_call_that_nobody_answered(
    store: Store, policy: str, end: tuple[str, str]
) -> None:
    await store.execute("UPDATE channel_accounts SET unknown_policy = :policy", policy=policy)
    await said(store, "one", "two")
    for outcome, reason, code in (("RETRY", "unanswered", "500"), (end[0], "gave_up", end[1])):
        delivery = await leased(store)
        await store.record(delivery, "BEGUN")
        told = await store.record(delivery, outcome, reason=reason, provider_code=code)
        assert (await store.record(delivery, outcome, reason=reason, provider_code=code)).duplicate
        assert not told.HasField("error")
    rows = await store.fetch("SELECT state, reason, provider_code FROM deliveries ORDER BY seq LIMIT 1")
    assert [tuple(row) for row in rows] == [("unknown", "gave_up", end[1])]
    assert (await leased(store)).text == "two"


async def test_a_part_whose_calls_were_all_refused_has_failed_when_it_is_given_up(store: Store) -> None:
    await said(store, "one")
    for outcome, reason in (("RETRY", "unavailable"), ("REJECTED", "gave_up")):
        delivery = await leased(store)
        await store.record(delivery, "BEGUN")
        await store.record(delivery, outcome, reason=reason)
    assert await store.delivery_states() == ["failed"]


async def test_beginning_renews_the_lease(store: Store) -> None:
    await said(store, "one")
    delivery = await leased(store)
    store.clock.pass_seconds(20)
    await store.record(delivery, "BEGUN")
    store.clock.pass_seconds(20)
    await store.sweep("expired_deliveries")
    assert await store.delivery_states() == ["sending"]


async def test_a_released_delivery_is_leased_again_at_once(store: Store) -> None:
    await said(store, "one")
    delivery = await leased(store)
    assert not (await store.record(delivery, "RELEASED")).HasField("error")
    assert (await store.record(delivery, "RELEASED")).duplicate
    again = await leased(store, "s2")
    await store.record(again, "BEGUN", "s2")
    released = await store.record(again, "RELEASED", "s2")
    assert released.error.reason == ERROR_REASON_STATE_CONFLICT


async def test_refused_credentials_pause_the_account_and_lose_nothing(store: Store) -> None:
    await said(store, "one", chat="a")
    await said(store, "two", chat="b")
    delivery, other = await store.lease_deliveries()
    await store.record(delivery, "BEGUN")
    await store.record(delivery, "UNAUTHORIZED")
    await store.record(other, "RELEASED")
    rows = await store.fetch("SELECT state, state_reason FROM channel_accounts WHERE id = 'account-1'")
    assert [tuple(row) for row in rows] == [("paused", "unauthorized")]
    assert await store.lease_deliveries() == []
    await store.sweep("freed_lanes")
    assert await store.lease_deliveries() == []
    await store.execute("UPDATE channel_accounts SET state = 'active'")
    await store.sweep("freed_lanes")
    assert len(await store.lease_deliveries()) == 2


async def test_a_webhook_that_says_that_the_access_has_ended_pauses_the_account_once(store: Store) -> None:
    await said(store, "one")
    ended = a_submission(access_ended_at=stamp(store.clock.now))
    store.clock.pass_seconds(3)
    state = "SELECT state, state_reason, version FROM channel_accounts WHERE id = 'account-1'"
    for _ in range(2):
        await store.submit(ended)
        assert [tuple(row)[:2] for row in await store.fetch(state)] == [("paused", "unauthorized")]
        assert await store.lease_deliveries() == []
    ((_, _, version),) = await store.fetch(state)

    # Somebody has put the app back; what is told late, or again, is of before.
    await store.execute("UPDATE channel_accounts SET state = 'active', state_reason = ''")
    await store.sweep("freed_lanes")
    await store.submit(ended)
    assert await store.fetch(state) == [("active", "", version)]
    assert len(await store.lease_deliveries()) == 1
    await store.submit(a_submission(access_ended_at=stamp(store.clock.now)))
    assert (await store.fetch(state))[0][0] == "paused"


@pytest.mark.parametrize(
    ("covers", "states"),
    [
        (True, ["sent", "sent", "read"]),  # what was read last is the last part: all of it was
        (False, ["sent", "sent", "sent"]),  # of a provider that tells of each the first two may yet be lost
    ],
)
async def test_a_reply_in_parts_is_read_when_its_last_part_is_where_the_provider_tells_of_no_other(
    store: Store, covers: bool, states: list[str]
) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", parts=3)
    for part in range(3):
        named = f"p-{part}"
        await store.record(delivery, "SENT", part=part, parts=3, provider_message_id=named, begin_next=part < 2)
    seen = await store.delivery_states()
    for part in (1, 2):
        await store.receive("READ", provider_message_id=f"p-{part}", covers_earlier=covers)
        seen += await store.delivery_states()
    assert seen == states
    await store.receive("FAILED", provider_message_id="p-0", provider_code="131053")
    assert await store.delivery_states() == (["read"] if covers else ["failed"])


async def test_a_part_of_which_nobody_knows_whether_it_was_sent_is_not_read_with_the_next(store: Store) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", parts=2)
    await store.record(delivery, "SENT", part=0, parts=2, provider_message_id="p-0", begin_next=True)
    await store.record(delivery, "SENT", part=1, parts=2, provider_message_id="p-1")
    await store.execute("UPDATE attempts SET outcome = 'unknown' WHERE part = 0")
    await store.receive("READ", provider_message_id="p-1", covers_earlier=True)
    assert await store.fetch("SELECT part, receipt FROM attempts ORDER BY part") == [(0, ""), (1, "read")]


@pytest.mark.parametrize("by", ["our id", "the provider's id"])
async def test_status_only_rises(store: Store, by: str) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.send(delivery, "p-1")
    named = {"delivery_id": delivery.delivery_id} if by == "our id" else {"provider_message_id": "p-1"}
    seen = []
    for state in ("DELIVERED", "SENT", "READ", "DELIVERED", "FAILED"):
        await store.receive(state, **named)
        seen += await store.delivery_states()
    assert seen == ["delivered", "delivered", "read", "read", "read"]
    await store.receive("READ", **named)
    assert await store.fetch("SELECT count(*) FROM receipts") == [(4,)], "what was said before says nothing new"


async def test_a_failure_after_the_send_is_final(store: Store) -> None:
    await said(store, "one")
    await store.send(await leased(store), "p-1")
    await store.receive("FAILED", provider_message_id="p-1", provider_code="30003")
    await store.receive("DELIVERED", provider_message_id="p-1")
    assert await store.delivery_states() == ["failed"]


async def test_a_receipt_may_come_before_the_send_call_returned(store: Store) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    await store.receive("DELIVERED", provider_message_id="p-1")
    assert await store.delivery_states() == ["sending"]
    await store.record(delivery, "SENT", provider_message_id="p-1")
    assert await store.delivery_states() == ["delivered"]


async def test_a_receipt_says_what_became_of_an_unknown_send(store: Store) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    await store.record(delivery, "UNKNOWN")
    await store.receive("DELIVERED", delivery_id=delivery.delivery_id)
    assert await store.delivery_states() == ["delivered"]


async def test_a_receipt_that_came_first_spares_the_unknown(store: Store) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    await store.receive("READ", delivery_id=delivery.delivery_id)
    store.clock.pass_seconds(31)
    await store.sweep("expired_deliveries")
    assert await store.delivery_states() == ["read"]


async def test_a_receipt_of_another_account_says_nothing(store: Store) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.send(delivery, "p-1")
    await store.receive("READ", account_id="account-2", provider_message_id="p-1")
    await store.receive("READ", account_id="account-2", delivery_id=delivery.delivery_id)
    assert await store.delivery_states() == ["sent"]


async def test_a_delivery_of_several_parts_is_as_far_as_its_last_part(store: Store) -> None:
    await said(store, "long")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN", parts=2)
    await store.record(delivery, "SENT", part=0, parts=2, provider_message_id="p-0", begin_next=True)
    await store.receive("READ", provider_message_id="p-0")
    await store.record(delivery, "SENT", part=1, parts=2, provider_message_id="p-1")
    assert await store.delivery_states() == ["sent"]
    await store.receive("DELIVERED", provider_message_id="p-1")
    assert await store.delivery_states() == ["delivered"]


async def test_a_receipt_that_crossed_its_record_is_joined_by_the_sweeper(store: Store) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.send(delivery, "p-1")
    await store.execute(
        "INSERT INTO receipts (tenant_id, id, account_id, provider_message_id, delivery_id, state, created_at) "
        "VALUES ('acme', :id, 'account-1', 'p-1', '', 'delivered', :at)",
        id=new_id(), at=store.clock.now,
    )  # fmt: skip
    await store.sweep("unmatched_receipts")
    assert await store.delivery_states() == ["delivered"]


async def test_an_attempt_must_be_of_the_part_that_is_next(store: Store) -> None:
    await said(store, "one")
    delivery = await leased(store)
    await store.record(delivery, "BEGUN")
    again = await store.record(delivery, "BEGUN", part=1)
    assert again.error.reason == ERROR_REASON_STATE_CONFLICT
