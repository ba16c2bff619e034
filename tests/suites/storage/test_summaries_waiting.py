"""When is it looked for summary jobs? When it was heard of one, behind the turns, and else never."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from kit.ids import new_id
from parley.chat.v1.message_pb2 import TURN_KIND_ANSWER, TURN_KIND_SUMMARY
from storage_service.backends.hot import open_hot
from storage_service.domain.changes import Changes
from storage_service.domain.database import HotRows, Kind
from storage_service.domain.events import Events
from storage_service.domain.handing import GivenTurn
from storage_service.domain.summaries import Origin, wanted
from storage_service.domain.wakeups import Wakeups
from tests.postgres import Server as Postgres
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.doors import Patient, an_ask, running
from tests.suites.storage.hearing import until_they_hear
from tests.suites.storage.hot import START, TENANT, Store, a_commit, a_message, a_submission, migrate
from tests.suites.storage.statements_run import on_postgres, on_sqlite
from tests.suites.storage.summing import talked, wanting


class Watched:
    """Rows that note what is asked of them: each is one statement on Postgres, or its counterpart."""

    def __init__(self, rows: Any, noted: list[str]) -> None:
        self._rows = rows
        self._noted = noted

    def __getattr__(self, name: str) -> Any:
        if callable(found := getattr(self._rows, name)) or name == "summaries":
            self._noted.append(name)
        return Watched(found, self._noted) if name == "summaries" else found


class Counted:
    """A database that says which statements were run."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.noted: list[str] = []

    async def run(self, kind: Kind, work: Callable[[HotRows], Awaitable[Any]]) -> Any:
        return await self._database.run(kind, lambda rows: work(Watched(rows, self.noted)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


async def test_without_summaries_neither_an_idle_nor_a_busy_worker_pays_for_them(store: Store) -> None:
    database = Counted(store.database)
    async with running(store, database) as inbox:
        assert await inbox.lease(an_ask(), 1.5) == []  # idle: polls, and finds nothing
        idle = list(database.noted)
        database.noted.clear()
        await inbox.accept([a_submission(a_message())])
        (turn,) = await inbox.lease(an_ask(), 5)
        await inbox.extend("w1", [], lease=an_ask().lease)
        await inbox.commit("w1", [a_commit(turn, "answer")])
    assert set(idle) == {"ready_turns", "next_due"}
    assert "summaries" not in database.noted
    assert len(idle) <= 8, "no more often than before"


async def test_a_job_costs_four_statements_to_lease_and_two_to_end(store: Store) -> None:
    await wanting(store)
    database = Counted(store.database)
    async with running(store, database) as inbox:
        (job,) = await inbox.lease(an_ask(), 5)
        leased = database.noted[database.noted.index("summaries") :]
        database.noted.clear()
        await inbox.commit("w1", [a_commit(job, summary="They talked.")])
        ended = database.noted[database.noted.index("summaries") :]
    assert leased[:6] == ["summaries", "ready", "lanes_and_settings", "summaries", "oldest", "write"]
    assert ended == ["summaries", "locked", "write"]


async def test_a_worker_that_waits_is_woken_for_a_summary(store: Store) -> None:
    store.wakeups.turns = Patient()
    async with running(store) as inbox:
        turn = await talked(store, 19)
        await store.hear("one more")
        (turn,) = await inbox.lease(an_ask(), 5)
        waiting = asyncio.create_task(inbox.lease(an_ask("w2"), 30))
        await asyncio.sleep(0.05)
        await inbox.commit("w1", [a_commit(turn, "answer", wants_summary=True)])
        async with asyncio.timeout(PATIENCE_SECONDS):
            (job,) = await waiting
    assert job.kind == TURN_KIND_SUMMARY


async def test_replies_come_first_and_a_worker_that_is_full_gets_no_summary(store: Store) -> None:
    await wanting(store)
    for chat_id in "ab":
        await store.hear("hi", chat_id=chat_id)
    async with running(store) as inbox:
        first = await inbox.lease(an_ask(most=1), 5)
        then = await inbox.lease(an_ask("w2", most=3), 5)
    assert [each.kind for each in first] == [TURN_KIND_ANSWER]
    assert [each.kind for each in then] == [TURN_KIND_ANSWER, TURN_KIND_SUMMARY]


async def test_jobs_that_one_worker_had_no_room_for_go_to_the_next(store: Store) -> None:
    for chat_id in "abc":
        await wanting(store, chat_id=chat_id)
    async with running(store) as inbox:
        given = [await inbox.lease(an_ask(f"w{number}", most=1), 5) for number in range(3)]
    assert len({turn.turn_id for turns in given for turn in turns}) == 3


async def test_a_job_that_nobody_in_this_process_heard_of_is_found_by_the_sweep(store: Store) -> None:
    await wanting(store)
    store.wakeups.turns, store.wakeups.summaries = Patient(), Patient()
    async with running(store) as inbox:
        waiting = asyncio.create_task(inbox.lease(an_ask(), 30))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await store.sweep("expired_summaries")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert [each.kind for each in await waiting] == [TURN_KIND_SUMMARY]


async def test_a_summary_that_never_reached_its_worker_was_no_attempt(store: Store) -> None:
    await wanting(store)
    async with running(store) as inbox:
        (job,) = await inbox.lease(an_ask(), 5)
        inbox.turns.take_back("w1", [GivenTurn(job)])
        async with asyncio.timeout(PATIENCE_SECONDS):
            (again,) = await inbox.lease(an_ask("w2"), 5)
    assert (again.turn_id, again.attempts, again.epoch) == (job.turn_id, 0, 2)


async def test_other_replicas_hear_of_it(postgres_server: Postgres) -> None:
    url = postgres_server.fresh(migrate)
    here, there = Wakeups(), Wakeups()
    events = Events(there)
    hots = [open_hot(url, replica_id=new_id(), events=each) for each in (Events(here), events)]
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        crying = [group.create_task(hot.crier.run()) for hot in hots if hot.crier]
        for hot in (*hots, *hots):
            await hot.database.beat()
        await until_they_hear(here, there)
        events.committed(asked_for("chat-1"))
        assert await here.summaries.wait(5)
        assert here.turns.rung, "a worker that waits there looks for it"
        for task in crying:
            task.cancel()
    for hot in hots:
        await hot.database.close()


def asked_for(chat_id: str) -> Changes:
    """What a commit leaves behind that wants a summary."""
    job = wanted((TENANT, chat_id), "job-1", origin=Origin("", ""), now=START)
    return Changes(wanted_summaries={chat_id: job})


async def test_what_asks_for_a_summary_is_written_with_the_rest_and_costs_nothing_where_nobody_asks(
    tmp_path: Path, postgres_server: Postgres
) -> None:
    asked = asked_for("chat-1")
    asked.waiting["turn-1"] = (TENANT, "turn-1", START, 1, 1, START)

    assert await on_postgres(Changes()) == []
    assert len(await on_postgres(asked)) == 1, "in the statement that is sent anyway"
    assert on_sqlite(Changes(), tmp_path, server=postgres_server) == []
    assert len(on_sqlite(asked_for("chat-1"), tmp_path, server=postgres_server)) == 1
