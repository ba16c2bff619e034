"""Messages are accepted once, in order, and handed out as turns, one at a time per conversation."""

from datetime import timedelta
from itertools import pairwise

from kit.errors import InvalidField, LeaseLost, NotFound, OwnerChanged
from kit.moments import stamp
from parley.storage.v1.inbox_service_pb2 import SubmissionResult
from storage_service.domain.asks import Ask
from tests.suites.storage.hot import FALLBACK, LEASE, Store, a_message, a_submission


async def test_a_message_gets_a_conversation_a_place_and_a_turn(store: Store) -> None:
    (accepted,) = (await store.accept(a_message("hi"))).messages
    assert (accepted.seq, accepted.duplicate) == (1, False)
    (turn,) = await store.lease()
    assert turn.turn_id == accepted.turn_id
    assert [message.text for message in turn.messages] == ["hi"]
    assert turn.setting.system_prompt == "Be kind."
    assert turn.setting.model == "llama"
    assert turn.channel == "whatsapp"


async def test_second_copy_of_a_message_gets_the_first_ids_and_changes_nothing(store: Store) -> None:
    (first,) = (await store.accept(a_message("hi"))).messages
    (again,) = (await store.accept(a_message("hi"))).messages
    assert again.duplicate
    assert not again.differs
    assert (again.message_id, again.conversation_id, again.seq, again.turn_id, again.created_at) == (
        first.message_id, first.conversation_id, first.seq, first.turn_id, first.created_at,
    )  # fmt: skip
    assert await store.fetch("SELECT count(*) FROM messages") == [(1,)]


async def test_a_copy_with_another_text_is_told_apart_and_ignored(store: Store) -> None:
    await store.accept(a_message("hi"))
    (again,) = (await store.accept(a_message("HI, changed"))).messages
    assert again.duplicate
    assert again.differs
    assert await store.fetch("SELECT text FROM messages") == [("hi",)]


async def test_copies_within_one_group_are_one_message(store: Store) -> None:
    results = await store.submit(*[a_submission(a_message("hi"))] * 5)
    seen = [result.messages[0] for result in results if isinstance(result, SubmissionResult)]
    assert len(seen) == 5
    assert [each.duplicate for each in seen] == [False, True, True, True, True]
    assert len({each.message_id for each in seen}) == 1


async def test_the_same_provider_id_in_another_chat_is_another_message(store: Store) -> None:
    (one,) = (await store.accept(a_message(chat_id="a"))).messages
    (two,) = (await store.accept(a_message(chat_id="b"))).messages
    (three,) = (await store.accept(a_message(chat_id="a"), account_id="account-2")).messages
    assert not any(each.duplicate for each in (one, two, three))
    assert len({each.conversation_id for each in (one, two, three)}) == 3


async def test_an_unknown_account_fails_alone(store: Store) -> None:
    good, bad = a_submission(a_message()), a_submission(a_message(), account_id="nobody")
    accepted, refused = await store.submit(good, bad)
    assert not isinstance(accepted, NotFound)
    assert isinstance(refused, NotFound)


async def test_places_have_no_gaps_and_keep_the_order_of_arrival(store: Store) -> None:
    for number in range(3):
        group = [a_message(f"{number}-{i}", provider_message_id=f"{number}-{i}") for i in range(4)]
        await store.submit(*(a_submission(message) for message in group), a_submission(group[0]))
    rows = await store.fetch("SELECT seq, text FROM messages ORDER BY seq")
    assert [seq for seq, _ in rows] == list(range(1, 13))
    assert [text for _, text in rows] == [f"{number}-{i}" for number in range(3) for i in range(4)]


async def test_a_burst_is_one_turn_in_the_order_in_which_it_was_written(store: Store) -> None:
    await store.execute("UPDATE channel_accounts SET quiet_window_ms = 1200")
    start = store.clock.now
    await store.hear("second", provider_at=start + timedelta(seconds=2))
    store.clock.pass_seconds(0.3)
    await store.hear("first", provider_at=start + timedelta(seconds=1))
    assert await store.lease() == []
    store.clock.pass_seconds(1.1)
    assert await store.lease() == [], "each message begins the quiet window anew"
    store.clock.pass_seconds(0.2)
    (turn,) = await store.lease()
    assert [message.text for message in turn.messages] == ["first", "second"]


async def test_a_gateway_whose_clock_is_wrong_turns_no_burst_around(store: Store) -> None:
    await store.execute("UPDATE channel_accounts SET quiet_window_ms = 1200")
    for text, off_seconds in (("first", 120.0), ("second", 0.0), ("third", -120.0), ("fourth", -0.1)):
        store.clock.pass_seconds(0.5)
        await store.hear(text, received_at=stamp(store.clock.now + timedelta(seconds=off_seconds)))
    store.clock.pass_seconds(2)
    (turn,) = await store.lease()
    assert [message.text for message in turn.messages] == ["first", "second", "third", "fourth"]


async def test_what_a_gateway_had_to_keep_for_a_moment_stands_where_it_came_in(store: Store) -> None:
    await store.execute("UPDATE channel_accounts SET quiet_window_ms = 1200")
    came_in = store.clock.now
    store.clock.pass_seconds(1)
    await store.hear("second", received_at=stamp(store.clock.now))
    store.clock.pass_seconds(1)
    await store.hear("first", received_at=stamp(came_in))
    store.clock.pass_seconds(2)
    (turn,) = await store.lease()
    assert [message.text for message in turn.messages] == ["first", "second"]


async def test_somebody_who_never_stops_writing_is_answered_after_five_windows(store: Store) -> None:
    await store.execute("UPDATE channel_accounts SET quiet_window_ms = 1000")
    for _ in range(6):
        await store.hear("more")
        assert await store.lease() == []
        store.clock.pass_seconds(0.9)
    (turn,) = await store.lease()
    assert len(turn.messages) == 6


async def test_messages_that_arrive_while_a_turn_runs_wait_for_the_next(store: Store) -> None:
    await store.hear("one")
    (first,) = await store.lease()
    await store.hear("two")
    await store.hear("three")
    assert await store.lease() == []
    assert (await store.commit(first, "answer to one")).error is None
    (second,) = await store.lease()
    assert [message.text for message in second.messages] == ["two", "three"]
    assert [message.text for message in second.history] == ["one", "answer to one"]


async def test_a_lease_brings_no_more_history_than_asked(store: Store) -> None:
    for number in range(6):
        await store.hear(f"q{number}")
        (turn,) = await store.lease(history=3)
        await store.commit(turn, f"a{number}")
    await store.hear("last")
    (turn,) = await store.lease(history=3)
    assert [message.text for message in turn.history] == ["a4", "q5", "a5"]


async def test_conversations_do_not_wait_for_each_other(store: Store) -> None:
    for chat in ("a", "b", "c"):
        await store.hear("hi", chat_id=chat)
        store.clock.pass_seconds(1)
    turns = await store.lease(most=2)
    assert len(turns) == 2
    assert len({turn.conversation_id for turn in turns + await store.lease()}) == 3


async def test_two_workers_that_ask_at_once_share_the_work(store: Store) -> None:
    for number in range(6):
        await store.hear("hi", chat_id=f"chat-{number}")
    one, two = await store.lease_all(Ask("w1", 10, LEASE, 0), Ask("w2", 10, LEASE, 0))
    assert (len(one), len(two)) == (3, 3)


async def test_a_commit_writes_replies_and_deliveries_and_ends_the_turn(store: Store) -> None:
    await store.hear("hi")
    (turn,) = await store.lease()
    done = await store.commit(turn, "one", "two")
    assert done.error is None
    assert await store.turn_states() == [("replied", "")]
    said = await store.fetch("SELECT seq, role, text FROM messages ORDER BY seq")
    assert [tuple(row) for row in said] == [(1, "contact", "hi"), (2, "agent", "one"), (3, "agent", "two")]
    assert await store.delivery_states() == ["queued", "queued"]


async def test_the_same_commit_again_is_a_duplicate(store: Store) -> None:
    await store.hear("hi")
    (turn,) = await store.lease()
    await store.commit(turn, "answer")
    assert (await store.commit(turn, "answer")).duplicate
    assert await store.delivery_states() == ["queued"]


async def test_a_commit_without_a_word_to_say_is_refused(store: Store) -> None:
    await store.hear("hi")
    (turn,) = await store.lease()
    assert isinstance((await store.commit(turn, " \n")).error, InvalidField)
    assert (await store.commit(turn, "answer")).error is None


async def test_an_expired_lease_goes_to_another_and_the_first_commits_nothing(store: Store) -> None:
    await store.hear("hi")
    (paused,) = await store.lease(worker="w1")
    store.clock.pass_seconds(31)
    await store.sweep("expired_turns")
    (again,) = await store.lease(worker="w2")
    assert again.turn_id == paused.turn_id
    assert (again.epoch, again.attempts) == (paused.epoch + 1, 1)
    assert isinstance((await store.commit(paused, "late")).error, LeaseLost)
    assert (await store.commit(again, "right", worker="w2")).error is None
    assert isinstance((await store.commit(paused, "late")).error, LeaseLost)
    assert [text for (text,) in await store.fetch("SELECT text FROM messages WHERE role = 'agent'")] == ["right"]


async def test_a_heartbeat_keeps_the_lease(store: Store) -> None:
    await store.hear("hi")
    (turn,) = await store.lease()
    for _ in range(3):
        store.clock.pass_seconds(20)
        assert (await store.extend(turn)).error is None
        await store.sweep("expired_turns")
    assert isinstance((await store.extend(turn, worker="w2")).error, LeaseLost)
    assert (await store.commit(turn, "answer")).error is None


async def test_a_turn_that_is_given_back_goes_before_what_waits_behind_it(store: Store) -> None:
    await store.hear("one")
    (turn,) = await store.lease()
    await store.hear("two")
    assert (await store.give_back(turn, delay_seconds=5)).error is None
    assert (await store.give_back(turn)).duplicate
    assert await store.lease() == []
    store.clock.pass_seconds(5)
    (again,) = await store.lease(worker="w2")
    assert [message.text for message in again.messages] == ["one"]
    assert again.more_waiting


async def test_a_turn_that_kills_its_workers_ends_and_the_person_is_told(store: Store) -> None:
    await store.hear("poison")
    for _ in range(5):
        assert len(await store.lease()) == 1
        store.clock.pass_seconds(31)
        await store.execute("UPDATE turns SET deadline_at = :at", at=store.clock.now + timedelta(hours=1))
        await store.sweep("expired_turns")
    assert await store.turn_states() == [("failed", "turn_exhausted")]
    (delivery,) = await store.lease_deliveries()
    assert delivery.text == FALLBACK


async def test_a_turn_past_its_deadline_ends_and_the_person_is_told_once(store: Store) -> None:
    await store.hear("hi")
    (slow,) = await store.lease()
    await store.hear("are you there?")
    store.clock.pass_seconds(121)
    await store.sweep("overdue_turns", "overdue_turns")
    assert (await store.turn_states())[0] == ("failed", "turn_deadline")
    assert isinstance((await store.commit(slow, "too late")).error, LeaseLost)
    told = await store.fetch("SELECT text FROM messages WHERE role = 'agent'")
    assert {text for (text,) in told} == {FALLBACK}
    assert len(told) == len([state for state, _ in await store.turn_states() if state == "failed"])


async def test_after_a_take_over_no_text_of_the_model_goes_out(store: Store) -> None:
    accepted = await store.hear("hi")
    (turn,) = await store.lease()
    await store.execute(
        "UPDATE conversations SET owner = 'human', owner_epoch = owner_epoch + 1 WHERE id = :id",
        id=accepted.conversation_id,
    )
    assert isinstance((await store.commit(turn, "I am the model")).error, OwnerChanged)
    assert isinstance((await store.commit(turn, "I am the model")).error, OwnerChanged)
    assert await store.turn_states() == [("suppressed", "owner_changed")]
    assert await store.delivery_states() == []
    later = await store.hear("hello?")
    assert later.turn_id == ""
    assert await store.lease() == []


async def test_a_hand_off_makes_the_conversation_wait_for_a_human(store: Store) -> None:
    await store.hear("a human please")
    (turn,) = await store.lease()
    assert (await store.commit(turn, "One moment.", state="HANDED_OFF")).error is None
    assert await store.fetch("SELECT owner, owner_epoch FROM conversations") == [("queue", 2)]
    assert (await store.hear("hello?")).turn_id == ""


async def test_more_messages_than_a_turn_may_answer_become_several_turns_in_order(store: Store) -> None:
    messages = [a_message(f"{i}", provider_message_id=f"{i}") for i in range(120)]
    await store.accept(*messages)
    answered: list[list[str]] = []
    while turns := await store.lease(history=2):
        (turn,) = turns
        answered.append([message.text for message in turn.messages])
        assert turn.more_waiting == (len(answered) < 3)
        assert (await store.commit(turn, f"reply {len(answered)}")).error is None
    assert [len(each) for each in answered] == [50, 50, 20]
    assert [int(text) for each in answered for text in each] == list(range(120))
    orphans = "SELECT count(*) FROM messages m LEFT JOIN turns t ON t.id = m.turn_id WHERE t.id IS NULL"
    assert await store.fetch(orphans) == [(0,)]
    assert {state for state, _ in await store.turn_states()} == {"replied"}


async def test_a_body_that_could_not_be_read_is_kept_as_it_came(store: Store) -> None:
    result = await store.accept(raw_payload=b"\xff{", unreadable="not JSON", correlation_id="c-1")
    assert list(result.messages) == []
    rows = await store.fetch("SELECT payload, unreadable, correlation_id FROM raw_payloads")
    assert [tuple(row) for row in rows] == [(b"\xff{", "not JSON", "c-1")]
    store.clock.pass_seconds(8 * 86_400)
    await store.sweep("old_raw_payloads")
    assert await store.fetch("SELECT count(*) FROM raw_payloads") == [(0,)]


async def test_an_erased_message_is_not_accepted_again(store: Store) -> None:
    digest = store.acceptance.tombstones.to_write("acme", "account-1", chat_id="chat-1", provider_message_id="in-0")
    await store.execute(
        "INSERT INTO tombstones (tenant_id, digest, created_at) VALUES ('acme', :digest, :at)",
        digest=digest, at=store.clock.now,
    )  # fmt: skip
    (late,) = (await store.accept(a_message())).messages
    assert late.duplicate
    assert late.message_id == ""
    assert await store.fetch("SELECT count(*) FROM messages") == [(0,)]


async def test_replies_stand_behind_what_they_answer(store: Store) -> None:
    for number in range(3):
        await store.hear(f"q{number}")
        (turn,) = await store.lease()
        await store.commit(turn, "a", "b")
    rows = await store.fetch("SELECT seq FROM messages ORDER BY seq")
    assert all(after == before + 1 for (before,), (after,) in pairwise(rows))
