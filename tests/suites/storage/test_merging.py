"""Does a turn that is given back take what waits behind it along, as one turn, without losing or repeating anything?"""

from datetime import timedelta

import pytest

from kit.errors import LeaseLost
from kit.moments import moment
from parley.storage.v1.turn_requests_pb2 import LeasedTurn
from storage_service.domain.turns import Done
from tests.suites.storage.doors import an_inbox
from tests.suites.storage.hot import Store, a_lease


def texts(turn: LeasedTurn) -> list[str]:
    return [each.text for each in turn.messages]


async def interrupted(store: Store, *later: str) -> LeasedTurn:
    """A turn that a worker holds, and messages that came meanwhile."""
    await store.hear("first")
    (turn,) = await store.lease()
    store.clock.pass_seconds(3)
    for text in later:
        await store.hear(text)
    return turn


async def test_the_two_become_one_turn_that_answers_all_at_once(store: Store) -> None:
    held = await interrupted(store, "second", "third")
    assert await store.merge(held) == Done()
    (turn,) = await store.lease(worker="w2")
    assert (turn.turn_id, texts(turn), turn.more_waiting) == (held.turn_id, ["first", "second", "third"], False)
    assert (turn.epoch, turn.attempts, turn.deadline_at) == (held.epoch + 1, 0, held.deadline_at)
    assert (await store.commit(turn, "to all of it", worker="w2")).error is None
    assert await store.turn_states() == [("replied", ""), ("suppressed", "merged")]
    assert await store.fetch("SELECT count(*) FROM deliveries") == [(1,)]
    assert await store.lease() == []


async def test_it_is_due_at_once_although_more_might_be_typed(store: Store) -> None:
    held = await interrupted(store)
    await store.execute("UPDATE channel_accounts SET quiet_window_ms = 60000")
    await store.hear("second")
    await store.merge(held)
    assert [texts(turn) for turn in await store.lease()] == [["first", "second"]]


async def test_the_old_lease_is_fenced_and_the_same_again_is_a_duplicate(store: Store) -> None:
    held = await interrupted(store, "second")
    await store.merge(held)
    assert await store.merge(held) == Done(duplicate=True)
    assert isinstance((await store.commit(held, "too late")).error, LeaseLost)
    (turn,) = await store.lease(worker="w2")
    assert isinstance((await store.merge(held)).error, LeaseLost)
    assert isinstance((await store.merge(turn, worker="w1")).error, LeaseLost)
    assert isinstance((await store.commit(held, "too late")).error, LeaseLost)
    assert await store.fetch("SELECT count(*) FROM deliveries") == [(0,)]


async def test_without_anything_behind_it_the_turn_comes_back_at_once_uncounted(store: Store) -> None:
    held = await interrupted(store)
    (done,) = await an_inbox(store).abandon("w1", [a_lease(held)], delay=timedelta(seconds=60), merge=True)
    assert done == Done()
    (turn,) = await store.lease()
    assert (turn.turn_id, texts(turn), turn.attempts, turn.epoch) == (held.turn_id, ["first"], 0, 2)


async def test_a_turn_may_be_merged_as_often_as_somebody_writes_but_not_past_its_deadline(store: Store) -> None:
    turn = await interrupted(store)
    deadline_at = moment(turn.deadline_at)
    for number in range(8):
        await store.hear(f"more {number}")
        await store.merge(turn)
        (turn,) = await store.lease()
        assert (len(turn.messages), turn.attempts) == (number + 2, 0)
    store.clock.now = deadline_at
    await store.sweep("overdue_turns")
    assert ("failed", "turn_deadline") in await store.turn_states()


async def test_what_comes_after_the_merge_waits_for_the_next_turn(store: Store) -> None:
    await store.merge(await interrupted(store, "second"))
    await store.hear("third")
    (turn,) = await store.lease()
    assert (texts(turn), turn.more_waiting) == (["first", "second"], True)
    await store.commit(turn, "answer")
    assert [texts(each) for each in await store.lease()] == [["third"]]


@pytest.mark.parametrize(("later", "turns"), [(49, [50]), (50, [1, 50])])
async def test_more_than_a_turn_may_take_stays_two_turns(store: Store, later: int, turns: list[int]) -> None:
    await store.merge(await interrupted(store, *(f"m{number}" for number in range(later))))
    given = []
    while leased := await store.lease():
        given.append(len(leased[0].messages))
        await store.commit(leased[0], "answer")
    assert given == turns


async def test_turns_of_several_conversations_are_merged_in_one_call(store: Store) -> None:
    for chat_id in "ab":
        await store.hear("first", chat_id=chat_id)
    held = await store.lease()
    for chat_id in "ab":
        await store.hear("second", chat_id=chat_id)
    done = await an_inbox(store).abandon("w1", [a_lease(each) for each in held], delay=timedelta(), merge=True)
    assert list(done) == [Done(), Done()]
    assert [texts(turn) for turn in await store.lease()] == [["first", "second"]] * 2


async def test_whoever_watches_for_the_answer_to_a_merged_message_finds_its_turn(store: Store) -> None:
    held = await interrupted(store)
    said = await store.hear("second")
    with store.wakeups.turn_end() as bell:
        bell.listen_to(said.turn_id)
        await store.merge(held)
        assert bell.rung
    rows = await store.fetch("SELECT turn_id FROM messages WHERE id = :id", id=said.message_id)
    assert rows == [(held.turn_id,)]
