"""A worker that waits is woken at once; one that is gone keeps nothing; what cannot be taken is refused before."""

import asyncio
from pathlib import Path

import pytest

from kit.errors import InvalidField, ParleyError, QueueFull
from kit.ids import new_id
from parley.storage.v1.turn_requests_pb2 import LeasedTurn
from storage_service.domain.database import Depths
from storage_service.domain.outbox import Outbox
from storage_service.domain.pressure import Pressure
from tests.postgres import Server
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.doors import Interrupted, Noting, Patient, an_ask, running
from tests.suites.storage.hot import Store, a_commit, a_message, a_submission


async def test_a_waiting_worker_is_woken_by_the_accept(store: Store) -> None:
    store.wakeups.turns = Patient()
    async with running(store) as inbox:
        waiting = asyncio.create_task(inbox.lease(an_ask(), 30))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await inbox.accept([a_submission(a_message())])
        async with asyncio.timeout(PATIENCE_SECONDS):
            (turn,) = await waiting
        assert turn.messages[0].text == "hello"


async def test_a_waiting_worker_is_woken_by_the_commit_that_frees_the_conversation(store: Store) -> None:
    store.wakeups.turns = Patient()
    async with running(store) as inbox:
        await inbox.accept([a_submission(a_message())])
        (turn,) = await inbox.lease(an_ask(), 1)
        await inbox.accept([a_submission(a_message("more", provider_message_id="in-1"))])
        waiting = asyncio.create_task(inbox.lease(an_ask("w2"), 30))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await inbox.commit("w1", [a_commit(turn, "answer")])
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert len(await waiting) == 1


async def test_without_work_and_without_a_wait_the_answer_needs_no_poll(store: Store) -> None:
    store.wakeups.turns = Patient()
    async with running(store) as inbox, asyncio.timeout(PATIENCE_SECONDS):
        assert await inbox.lease(an_ask(), 0) == []


async def test_without_work_the_answer_comes_when_the_wait_is_over(store: Store) -> None:
    store.wakeups.turns = bell = Noting()
    async with running(store) as inbox:
        began = asyncio.get_running_loop().time()
        assert await inbox.lease(an_ask(), 0.3) == []
        assert asyncio.get_running_loop().time() - began > 0.25
        assert bell.asked[0] <= 0.3, "a poll would have outlasted the caller's wait"


async def test_a_lease_whose_call_is_cancelled_while_it_is_filled_goes_back_at_once(store: Store) -> None:
    database = Interrupted(store.database, "lease_turns")
    async with running(store, database) as inbox:
        await inbox.accept([a_submission(a_message())])
        call = asyncio.create_task(inbox.lease(an_ask(), 5))
        database.then = call.cancel
        with pytest.raises(asyncio.CancelledError):
            await call
        database.then = lambda: None
        (turn,) = await inbox.lease(an_ask("w2"), 5)
        assert turn.attempts == 0, "a lease that reached nobody counts for nothing"


async def test_a_lease_whose_call_is_cancelled_after_it_is_filled_goes_back_at_once(store: Store) -> None:
    database = Interrupted(store.database, "lease_turns")
    async with running(store, database) as inbox:
        await inbox.accept([a_submission(a_message())])
        call = asyncio.create_task(inbox.lease(an_ask(), 5))
        database.then = lambda: asyncio.get_running_loop().call_soon(call.cancel)
        with pytest.raises(asyncio.CancelledError):
            await call
        database.then = lambda: None
        (turn,) = await inbox.lease(an_ask("w2"), 5)
        assert turn.attempts == 0


async def test_a_delivery_whose_call_is_cancelled_while_it_is_filled_goes_back_at_once(store: Store) -> None:
    await store.hear("hi")
    (turn,) = await store.lease()
    await store.commit(turn, "answer")
    database = Interrupted(store.database, "lease_deliveries")
    outbox = Outbox(database, store.deliveries, wakeups=store.wakeups, new_id=new_id)
    loop = asyncio.create_task(outbox.deliveries.run())
    call = asyncio.create_task(outbox.lease(an_ask(), 5))
    database.then = call.cancel
    with pytest.raises(asyncio.CancelledError):
        await call
    database.then = lambda: None
    assert len(await outbox.lease(an_ask("s2"), 5)) == 1
    await outbox.close()
    await loop


async def test_workers_that_ask_while_others_are_served_are_served_next(store: Store) -> None:
    database = Interrupted(store.database, "lease_turns")
    async with running(store, database) as inbox:
        calls: list[asyncio.Task[list[LeasedTurn]]] = []

        def another_asks() -> None:
            if len(calls) < 20:
                calls.append(asyncio.create_task(inbox.lease(an_ask(f"w{len(calls)}", most=1), 1)))

        for number in range(20):
            await inbox.accept([a_submission(a_message(provider_message_id=f"{number}", chat_id=f"{number}"))])
        database.then = another_asks
        another_asks()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(calls) < 20:
                await asyncio.sleep(0.01)
            given = [turn for turns in await asyncio.gather(*calls) for turn in turns]
        assert len({turn.turn_id for turn in given}) == len(given) == 20


async def test_stopping_answers_those_who_wait(store: Store) -> None:
    async with running(store) as inbox:
        waiting = asyncio.create_task(inbox.lease(an_ask(), 30))
        await asyncio.sleep(0.05)
    assert await waiting == []


async def test_calls_that_come_together_share_a_transaction(store: Store) -> None:
    database = Interrupted(store.database, "accept")
    async with running(store, database) as inbox:
        calls = [inbox.accept([a_submission(a_message(provider_message_id=f"{i}", chat_id=f"{i}"))]) for i in range(50)]
        results = await asyncio.gather(*calls)
    assert all(not isinstance(result[0], ParleyError) for result in results)
    assert database.runs.count("accept") <= 3


async def test_one_submission_that_cannot_be_stored_fails_alone(
    tmp_path: Path, postgres_server: Server, store: Store
) -> None:
    """Postgres takes no NUL in a text; the contract forbids it, and storage does not trust that."""
    async with running(store) as inbox:
        good = [a_submission(a_message(provider_message_id=f"{i}")) for i in range(3)]
        bad = a_submission(a_message("nul \x00 here", provider_message_id="bad"))
        results = await inbox.accept([good[0], bad, *good[1:]])
    refused = [isinstance(each, InvalidField) for each in results]
    assert refused == [False, store.url.startswith("postgres"), False, False]
    assert {seq for (seq,) in await store.fetch("SELECT seq FROM messages")} == set(range(1, 5 - sum(refused)))


async def test_a_full_queue_refuses_before_anything_is_written(store: Store) -> None:
    pressure = Pressure(10, 10)
    pressure.note(Depths(10, 0, None, None), store.clock.now)
    async with running(store, pressure=pressure) as inbox:
        with pytest.raises(QueueFull) as refused:
            await inbox.accept([a_submission(a_message())])
        assert refused.value.retry_after is not None
        pressure.note(Depths(9, 9, None, None), store.clock.now)
        await inbox.accept([a_submission(a_message())])
    assert await store.fetch("SELECT count(*) FROM messages") == [(1,)]


async def test_depth_is_counted_and_no_further_than_asked(store: Store) -> None:
    for number in range(4):
        await store.hear("hi", chat_id=f"{number}")
    store.clock.pass_seconds(7)
    depths = await store.database.run("sweep", lambda rows: rows.depths(3))
    assert (depths.turns, depths.deliveries) == (3, 0)
    assert depths.oldest_turn_at is not None
    assert (store.clock.now - depths.oldest_turn_at).total_seconds() == 7
