"""A call that comes too early is not made, not on record, and holds its place; whoever asks again hears the same."""

from datetime import timedelta
from typing import Any

from kit.errors import from_item
from kit.moments import seconds, span
from parley.error.v1.error_reason_pb2 import ERROR_REASON_LEASE_LOST
from parley.storage.v1 import pacing_pb2 as pb
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from tests.suites.storage.hot import Store, a_record

SLOW = pb.Pacing(account=pb.Rate(interval_micros=1_000_000, burst=1))
ONE_CHAT = pb.Pacing(chat=pb.Rate(interval_micros=3_000_000, burst=1))
GROUP = pb.Pacing(chat=pb.Rate(interval_micros=3_000_000, burst=1), recipient="group")


async def queued(store: Store, *chats: str, replies: tuple[str, ...] = ("well",)) -> None:
    for chat in chats:
        await store.hear("hi", chat_id=chat)
    for turn in await store.lease():
        await store.commit(turn, *replies)


async def leased(store: Store, worker: str = "s1") -> dict[str, LeasedDelivery]:
    return {each.chat_id: each for each in await store.lease_deliveries(worker=worker)}


async def kept(store: Store) -> list[tuple[str, str]]:
    rows = await store.fetch("SELECT state, reason FROM deliveries ORDER BY conversation_id, seq")
    return [tuple(row) for row in rows]


async def test_a_call_that_is_too_early_for_its_account_is_not_on_record_and_waits_its_turn(store: Store) -> None:
    await queued(store, "a", "b", "c")
    given = await leased(store)
    results = await store.record_all(*(("s1", a_record(each, "BEGUN", pacing=SLOW)) for each in given.values()))
    waits = [seconds(each.wait) for each in results if each.HasField("wait")]
    assert waits == [1.0, 2.0]
    assert await store.fetch("SELECT count(*) FROM attempts") == [(1,)]
    assert sorted(await kept(store)) == [("queued", "paced"), ("queued", "paced"), ("sending", "")]
    assert await leased(store) == {}
    store.clock.pass_seconds(1)
    (second,) = (await leased(store)).values()
    assert not (await store.record(second, "BEGUN", pacing=SLOW)).HasField("wait")


async def test_who_comes_later_stands_behind_those_who_wait(store: Store) -> None:
    await queued(store, "a", "b")
    given = await leased(store)
    await store.record_all(*(("s1", a_record(each, "BEGUN", pacing=SLOW)) for each in given.values()))
    store.clock.pass_seconds(0.5)
    await queued(store, "late")
    late = (await leased(store))["late"]
    assert seconds((await store.record(late, "BEGUN", pacing=SLOW)).wait) == 1.5


async def test_a_further_part_that_is_too_early_leaves_the_sent_one_on_record(store: Store) -> None:
    await queued(store, "a")
    (given,) = (await leased(store)).values()
    await store.record(given, "BEGUN", parts=2, pacing=ONE_CHAT)
    said: dict[str, Any] = {"part": 0, "parts": 2, "provider_message_id": "p-0", "begin_next": True, "pacing": ONE_CHAT}
    first = await store.record(given, "SENT", **said)
    assert (seconds(first.wait), first.HasField("error")) == (3.0, False)
    again = await store.record(given, "SENT", **said)
    assert again.error.reason == ERROR_REASON_LEASE_LOST, "whoever lost the answer must not call either"
    assert await kept(store) == [("queued", "paced")]
    store.clock.pass_seconds(3)
    (rest,) = (await leased(store, "s2")).values()
    assert rest.next_part == 1
    assert not (await store.record(rest, "BEGUN", "s2", part=1, parts=2, pacing=ONE_CHAT)).HasField("wait")


async def test_a_chat_waits_for_itself_only(store: Store) -> None:
    await queued(store, "a", "b", replies=("one", "two"))
    given = await leased(store)
    for each in given.values():
        assert not (await store.record(each, "BEGUN", pacing=ONE_CHAT)).HasField("wait")
        await store.record(each, "SENT", pacing=ONE_CHAT)
    for each in (await leased(store)).values():
        assert seconds((await store.record(each, "BEGUN", pacing=ONE_CHAT)).wait) == 3.0
    await queued(store, "c")
    (fresh,) = (await leased(store)).values()
    assert not (await store.record(fresh, "BEGUN", pacing=ONE_CHAT)).HasField("wait"), "nobody waits for another's chat"


async def test_conversations_that_share_a_chat_share_its_rate(store: Store) -> None:
    await queued(store, "group:1", "group:2")
    given = await leased(store)
    results = await store.record_all(*(("s1", a_record(each, "BEGUN", pacing=GROUP)) for each in given.values()))
    assert [seconds(each.wait) for each in results] == [0, 3.0]
    store.clock.pass_seconds(2 * 3600)
    await store.sweep("old_paces")
    assert await store.fetch("SELECT count(*) FROM paces WHERE recipient <> ''") == [(0,)]
    assert await store.fetch("SELECT count(*) FROM paces") == [(1,)], "what is known of the account stays"


async def test_nothing_begins_before_the_provider_wants_it(store: Store) -> None:
    await queued(store, "a", "b")
    given = await leased(store)
    await store.record(given["a"], "BEGUN", pacing=SLOW)
    hold: dict[str, Any] = {
        "hold": span(timedelta(seconds=7)),
        "account_sign": pb.ACCOUNT_SIGN_THROTTLED,
        "pacing": SLOW,
    }
    await store.record(given["a"], "RETRY", reason="throttled", **hold)
    early = await store.record(given["b"], "BEGUN", pacing=SLOW)
    assert seconds(early.wait) >= 7
    assert await leased(store) == {}
    store.clock.pass_seconds(6.99)
    assert await leased(store) == {}
    store.clock.pass_seconds(1.2)
    again = await leased(store)
    assert again["a"].attempts == 0, "too fast is no fault of the message"


async def test_a_take_over_ends_what_waits_for_its_account(store: Store) -> None:
    await queued(store, "a", "b")
    given = await leased(store)
    results = await store.record_all(*(("s1", a_record(each, "BEGUN", pacing=SLOW)) for each in given.values()))
    assert [from_item(each.error) for each in results if each.HasField("error")] == []
    store.clock.pass_seconds(1)
    (waiting,) = (await leased(store)).values()
    assert not (await store.record(waiting, "RELEASED")).HasField("error")
    assert ("queued", "") in await kept(store)


async def test_a_sender_that_tells_nothing_of_its_channel_is_not_paced(store: Store) -> None:
    await queued(store, "a", "b", "c")
    given = await leased(store)
    results = await store.record_all(*(("s1", a_record(each, "BEGUN")) for each in given.values()))
    assert not any(each.HasField("wait") for each in results)
    assert await store.fetch("SELECT count(*) FROM paces") == [(0,)]


async def test_what_waits_for_one_account_hides_nobody_elses_work_and_is_not_leased(store: Store) -> None:
    await queued(store, *(f"stuck-{number}" for number in range(8)))
    first, *rest = (await leased(store)).values()
    await store.record(first, "BEGUN", pacing=SLOW)
    hold: dict[str, Any] = {"hold": span(timedelta(seconds=60)), "account_sign": pb.ACCOUNT_SIGN_THROTTLED}
    await store.record(first, "RETRY", pacing=SLOW, **hold)
    for each in rest:
        await store.record(each, "RELEASED")
    await store.hear("hi", chat_id="other", account_id="account-2")
    for turn in await store.lease():
        await store.commit(turn, "well")
    (given,) = await store.lease_deliveries(most=2)
    assert given.chat_id == "other"
    assert sorted(await kept(store)) == [("queued", ""), *[("queued", "paced")] * 8], "only the other's is leased"
    store.clock.pass_seconds(61)
    assert len(await store.lease_deliveries(most=20)) == 1, "one finds out; the others come in their order"


async def test_a_clock_that_is_set_back_holds_neither_an_account_nor_a_chat(store: Store) -> None:
    both = pb.Pacing(account=SLOW.account, chat=ONE_CHAT.chat)
    await queued(store, "a", "b")
    given = await leased(store)
    await store.record_all(*(("s1", a_record(each, "BEGUN", pacing=both)) for each in given.values()))
    begun = given["a"] if (await kept(store))[0][0] == "sending" else given["b"]
    await store.record(begun, "SENT", pacing=both)
    store.clock.pass_seconds(-3600)
    await queued(store, begun.chat_id)
    again = (await leased(store))[begun.chat_id]
    assert not (await store.record(again, "BEGUN", pacing=both)).HasField("wait")


async def test_calls_that_were_never_made_use_nothing_up_and_count_against_their_own_message(store: Store) -> None:
    fast = pb.Pacing(account=pb.Rate(interval_micros=1, burst=100))
    unread: dict[str, Any] = {"reason": "file_unreachable", "account_sign": pb.ACCOUNT_SIGN_UNTOUCHED, "pacing": fast}
    await queued(store, "a")
    for number in range(6):
        (stuck,) = (await leased(store)).values()
        assert stuck.attempts == number
        assert not (await store.record(stuck, "BEGUN", pacing=fast)).HasField("wait")
        await store.record(stuck, "RETRY", retry_after_seconds=1, **unread)
        store.clock.pass_seconds(2)
    (stuck,) = (await leased(store)).values()
    await queued(store, "b")
    (other,) = (await leased(store)).values()
    assert not (await store.record(other, "BEGUN", pacing=fast)).HasField("wait")
