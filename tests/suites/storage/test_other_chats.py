"""Is what may not be said in one chat said in another that the same person opened, once, and only if they want it?"""

from typing import Any

import pytest

from parley.storage.v1.conversation_change_pb2 import HAND_OFF_REASON_WINDOW_CLOSED, HandOff
from parley.storage.v1.delivery_requests_pb2 import AttemptResult, LeasedDelivery, OtherChat
from storage_service.domain.changes import Changes
from storage_service.domain.deliveries import Deliveries
from tests.suites.storage.hot import ACCOUNT, Store, a_record
from tests.suites.storage.test_outbox import leased

WHY = HandOff(reason=HAND_OFF_REASON_WINDOW_CLOSED, summary="Not said: news")
THERE = "account-2"
PHONE = "+15550001"
SAID = (
    "SELECT c.account_id, m.role, m.text, d.state, d.reason FROM messages m JOIN deliveries d ON d.message_id = m.id "
    "JOIN conversations c ON c.id = m.conversation_id ORDER BY m.created_at, c.account_id, m.seq"
)
QUEUED = "SELECT conversation_id FROM queue_entries"


async def wrote(store: Store, account_id: str, chat_id: str, phone: str = PHONE, **more: Any) -> None:
    """They wrote there once, and were answered with silence."""
    more.setdefault("sender_id", chat_id)
    await store.hear("hi", chat_id=chat_id, account_id=account_id, sender_phone=phone, **more)
    (turn,) = await store.lease()
    assert (await store.commit(turn, state="SUPPRESSED")).error is None


async def news(store: Store, text: str = "news", chat_id: str = "wa-1", **more: Any) -> LeasedDelivery:
    """The agent's answer to a message there, leased."""
    more.setdefault("sender_id", chat_id)
    await store.hear("well?", chat_id=chat_id, sender_phone=PHONE, **more)
    (turn,) = await store.lease()
    assert (await store.commit(turn, text)).error is None
    (delivery,) = [each for each in await store.lease_deliveries() if each.account_id == ACCOUNT]
    return delivery


async def too_late(store: Store, delivery: LeasedDelivery, account_id: str = THERE) -> AttemptResult:
    elsewhere = OtherChat(account_id=account_id, text=delivery.text)
    return await store.record(delivery, "REJECTED", reason="window_closed", hand_off=WHY, other_chat=elsewhere)


async def said(store: Store) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await store.fetch(SAID)]


async def test_it_is_said_where_the_same_phone_number_wrote_and_nobody_is_asked(store: Store) -> None:
    await wrote(store, THERE, "sms-1")
    result = await too_late(store, await news(store))
    assert (result.said_elsewhere, result.HasField("error")) == (True, False)
    assert await said(store) == [
        (ACCOUNT, "agent", "news", "failed", "said_elsewhere"),
        (THERE, "agent", "news", "queued", ""),
    ]
    assert (await store.fetch(QUEUED), await store.fetch("SELECT owner FROM conversations")) == ([], [("agent",)] * 2)
    there = await leased(store)
    assert (there.account_id, there.chat_id, there.text) == (THERE, "sms-1", "news")
    assert (there.reply_to_provider_message_id, there.said_by_human) == ("", False)
    await store.send(there, "p-1")
    assert sorted(await store.delivery_states()) == ["failed", "sent"]


async def test_what_they_answer_there_goes_on_from_it(store: Store) -> None:
    await wrote(store, THERE, "sms-1")
    await too_late(store, await news(store))
    await store.send(await leased(store), "p-1")
    await store.hear("thanks", chat_id="sms-1", sender_id="sms-1", account_id=THERE)
    (turn,) = await store.lease()
    assert {each.text for each in turn.history} == {"hi", "news"}


async def test_said_again_because_the_answer_was_lost_it_is_said_once(store: Store) -> None:
    await wrote(store, THERE, "sms-1")
    delivery = await news(store)
    results = [await too_late(store, delivery) for _ in range(3)]
    assert [(each.duplicate, each.said_elsewhere) for each in results] == [(False, True), (True, True), (True, True)]
    assert [row[0] for row in await said(store)] == [ACCOUNT, THERE]


@pytest.mark.parametrize(
    "why", ["never wrote", "another number", "no number", "a group", "opted out", "a human has it"]
)
async def test_where_it_may_not_be_said_a_human_is_asked(store: Store, why: str) -> None:
    if why != "never wrote":
        phone = {"another number": "+15550002", "no number": ""}.get(why, PHONE)
        await wrote(store, THERE, "sms-1", phone, **({"sender_id": "member"} if why == "a group" else {}))
    if why == "opted out":
        at = store.clock.now
        await store.execute("UPDATE conversations SET opted_out_at = :at, owner = 'none'", at=at)
    if why == "a human has it":
        await store.execute("UPDATE conversations SET owner = 'human'")
    result = await too_late(store, await news(store))
    assert not result.said_elsewhere
    assert await said(store) == [(ACCOUNT, "agent", "news", "failed", "window_closed")]
    assert len(await store.fetch(QUEUED)) == 1


async def test_what_came_from_another_chat_goes_nowhere_else(store: Store) -> None:
    await wrote(store, THERE, "sms-1")
    await too_late(store, await news(store))
    again = await too_late(store, await leased(store), ACCOUNT)
    assert not again.said_elsewhere
    assert [row[3:] for row in await said(store)] == [("failed", "said_elsewhere"), ("failed", "window_closed")]
    assert len(await store.fetch(QUEUED)) == 1


async def test_it_is_no_dead_letter_that_could_be_sent_after_all(store: Store) -> None:
    await wrote(store, THERE, "sms-1")
    delivery = await news(store)
    await too_late(store, delivery)

    async def again(rows: Any) -> str:
        key = (delivery.tenant_id, delivery.delivery_id)
        lanes, deliveries = await rows.locked_deliveries([key])
        moves = Deliveries(rows.now, Changes(), {}, {}, [], lambda: "")
        with pytest.raises(Exception, match="another chat") as refused:
            moves.again(lanes[key], deliveries[key])
        return type(refused.value).__name__

    assert await store.database.run("deliveries", again) == "StateConflict"


async def test_beside_a_record_of_the_other_chat_itself_both_stand_in_their_order(store: Store) -> None:
    await store.hear("hello", chat_id="sms-1", sender_id="sms-1", account_id=THERE, sender_phone=PHONE)
    (turn,) = await store.lease()
    await store.commit(turn, "first", "second")
    there = await leased(store)
    await store.record(there, "BEGUN")
    here = await news(store)
    records = [
        ("s1", a_record(there, "SENT", provider_message_id="p-1")),
        (
            "s1",
            a_record(
                here,
                "REJECTED",
                reason="window_closed",
                hand_off=WHY,
                other_chat=OtherChat(account_id=THERE, text="news"),
            ),
        ),
    ]
    results = await store.record_all(*records)
    assert [each.said_elsewhere for each in results] == [False, True]
    texts = []
    for number in range(2):
        following = await leased(store)
        texts.append(following.text)
        await store.send(following, f"p-{number + 2}")
    assert texts == ["second", "news"]
    assert (await store.fetch("SELECT open_deliveries FROM conversations")) == [(0,), (0,)]


async def test_two_texts_of_one_chat_are_said_in_their_order(store: Store) -> None:
    await wrote(store, THERE, "sms-1")
    for text in ("one", "two"):
        await too_late(store, await news(store, text))
    store.clock.pass_seconds(120)  # the lease of "one", which came with "two", is over
    await store.sweep()
    texts = []
    for number in range(2):
        following = await leased(store)
        texts.append(following.text)
        await store.send(following, f"p-{number}")
    assert texts == ["one", "two"]
