"""Postgres plans a statement once on a connection: is it planned when a message comes, and right for its tables?"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Collection
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import text

from kit.errors import StorageUnavailable
from parley.storage.v1.turn_requests_pb2 import Usage
from storage_service.backends import tables
from storage_service.backends.statements import Statements
from storage_service.domain.asks import Ask
from storage_service.domain.database import Kind
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.conftest import ON_POSTGRES
from tests.suites.storage.hot import ACCOUNT, LEASE, TENANT, Store, a_message, a_submission

pytestmark = ON_POSTGRES

SOME, MANY = 1_300, 2_000
GROWING = "conversations|messages|turns|deliveries|attempts|receipts|raw_payloads|contacts|identities|media|summaries"
WHOLE = re.compile(rf"Scan (using \w+ )?on ({GROWING})\b")
INDEX = re.compile(r"using (?P<index>\w+) on")
WORK: tuple[Kind, ...] = ("accept", "turns", "deliveries")


async def asked(store: Store, kind: Kind, statement: str) -> list[Any]:
    """On the very connection of that kind of work, within a transaction of its own."""

    async def work(rows: Any) -> list[Any]:
        return [tuple(row) for row in await rows._connection.fetch(statement)]

    return await store.database.run(kind, work)


async def plan(store: Store, kind: Kind, *, like: str) -> str:
    """How the one statement that looks like this is run on the connection of that kind of work."""
    find = f"SELECT name FROM pg_prepared_statements WHERE statement LIKE '{like}'"
    ((name,),) = await asked(store, kind, find)
    lines = await asked(store, kind, f'EXPLAIN EXECUTE "{name}" (NULL, NULL)')
    return "\n".join(line for (line,) in lines)


async def plan_of_lanes(store: Store) -> str:
    """How conversations that got a message are found and locked."""
    return await plan(store, "accept", like="%FROM conversations c%unnest($1%FOR UPDATE OF c")


async def grow(store: Store) -> None:
    """Many chats, of which nothing tells the planner."""
    await store.execute(
        "INSERT INTO conversations (tenant_id, id, account_id, channel, chat_id, contact_id, agent_id, created_at, "
        "updated_at) SELECT :t, 'c' || n, :a, 'whatsapp', 'n' || n, 'nobody', 'agent-1', now(), now() "
        "FROM generate_series(1, :many) AS n",
        t=TENANT, a=ACCOUNT, many=MANY,
    )  # fmt: skip


async def say(store: Store) -> None:
    """As many messages as a small place has in a week."""
    await store.execute(
        "INSERT INTO messages (tenant_id, id, conversation_id, seq, role, text, account_id, chat_id, sender_id, "
        "reply_to_provider_message_id, provider_at, created_at, correlation_id, traceparent) "
        "SELECT :t, 'm' || n, 'c' || n % 200, n, 'agent', 'words', :a, 'n' || n % 200, '', '', now(), now(), '', '' "
        "FROM generate_series(1, :some) AS n",
        t=TENANT, a=ACCOUNT, some=SOME,
    )  # fmt: skip


async def counted(store: Store) -> float:
    """How many chats the planner believes there are; -1 when it never looked."""
    ((tuples,),) = await store.fetch("SELECT reltuples FROM pg_class WHERE relname = 'conversations'")
    return float(tuples)


async def test_a_plan_made_on_empty_tables_is_made_anew_when_they_grew(store: Store) -> None:
    await store.hear("the first")
    made = await plan_of_lanes(store)
    await grow(store)
    assert await plan_of_lanes(store) == made
    await store.database.beat()
    anew = await plan_of_lanes(store)
    assert "Index Scan using conversations_pkey on conversations c" in anew
    assert await counted(store) == MANY + 1


async def test_where_there_are_few_messages_too_a_delivery_finds_its_text_by_its_key(store: Store) -> None:
    async def heads(rows: Any) -> Any:
        return await rows.heads([(TENANT, "c1")])

    await store.database.run("lease_deliveries", heads)
    await say(store)
    await store.database.beat()
    made = await plan(store, "lease_deliveries", like="%unnest($1%LATERAL%d.reply_to_seq")
    assert re.search(r"messages_pkey on messages m .*\n.*Index Cond: .*\(id = ", made), made


async def test_no_statement_reads_the_whole_of_a_table_that_grows(store: Store) -> None:
    await grow(store)
    await say(store)
    await store.database.beat()
    async with store.engine.connect() as connection:
        partial = await connection.scalar(
            text("SELECT array_agg(indexrelid::regclass::text) FROM pg_index WHERE indpred IS NOT NULL")
        )
    statements = Statements.load(Path(tables.__file__).parent.parent / "postgres" / "statements.sql")
    read_whole = {name: await scans(store, name, statements[name], but=partial) for name in statements}
    assert {name: found for name, found in read_whole.items() if found} == {}


async def scans(store: Store, name: str, statement: str, *, but: Collection[str]) -> list[str]:
    """The scans of whole tables, or of all entries of an index, in the plan of a statement."""
    await asked(store, "turns", f"PREPARE {name} AS {statement}")
    nothing = ", ".join(["NULL"] * max((int(number) for number in re.findall(r"\$(\d+)", statement)), default=0))
    lines = [
        line for (line,) in await asked(store, "turns", f"EXPLAIN EXECUTE {name}" + f"({nothing})" * bool(nothing))
    ]
    found = [line for line, below in pairwise([*lines, ""]) if WHOLE.search(line) and "Index Cond" not in below]
    return [line.strip() for line in found if (scanned := INDEX.search(line)) is None or scanned["index"] not in but]


async def test_nobody_waits_for_a_table_that_somebody_else_looks_at(store: Store) -> None:
    await grow(store)
    async with store.engine.begin() as vacuum:
        await vacuum.execute(text("LOCK TABLE conversations IN SHARE UPDATE EXCLUSIVE MODE"))
        await store.database.beat()
        assert await counted(store) == -1
    await store.database.beat()
    assert await counted(store) == MANY


async def a_whole_way(store: Store) -> None:
    """From a stranger's message to the provider's answer, while a worker and a sender wait."""
    store.workers, store.senders = [Ask("w1", 10, LEASE, 20)], [Ask("s1", 10, LEASE, 0)]
    message = a_message("one", chat_id="stranger")
    await store.accept(message, raw_payload=b"Body=one")
    (turn,) = store.handed
    await store.commit(turn, "two", usage=Usage(input_tokens=7))
    (delivery,) = store.handed
    await store.record(delivery, "BEGUN")
    await store.record(delivery, "SENT", provider_message_id="SM1")


async def test_after_the_rehearsal_a_message_meets_no_statement_for_the_first_time(store: Store) -> None:
    await store.database.open(rehearse=True)
    known = {kind: await prepared(store, kind) for kind in WORK}
    await a_whole_way(store)
    assert {kind: await prepared(store, kind) - known[kind] for kind in WORK} == {kind: set() for kind in WORK}


async def prepared(store: Store, kind: Kind) -> set[str]:
    found = await asked(store, kind, "SELECT statement FROM pg_prepared_statements")
    return {statement for (statement,) in found}


async def connections(store: Store) -> set[int]:
    """Those of the hot side, by their process."""
    found = await store.fetch(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'parley-storage' AND datname = current_database()"
    )
    return {pid for (pid,) in found}


async def test_lost_connections_are_made_again_before_there_is_work_for_them(store: Store) -> None:
    await store.database.open(rehearse=True)
    made = await connections(store)
    for pid in made:
        await store.fetch("SELECT pg_terminate_backend(:pid)", pid=pid)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(anew := await connections(store) - made) < len(made):
            with contextlib.suppress(StorageUnavailable):
                await store.database.beat()
            await asyncio.sleep(0.05)
    assert len(anew) == len(made) >= len(WORK)
    assert len(await prepared(store, "accept")) > len(await prepared(store, "media"))
    assert await store.fetch("SELECT count(*) FROM messages") == [(0,)]


async def test_what_a_stranger_says_is_durable_though_making_their_chat_waits_for_no_disk(store: Store) -> None:
    async def work(rows: Any) -> str:
        await store.acceptance.accept(rows, [a_submission(a_message("from a stranger"))])
        return str(await rows._connection.fetchval("SHOW synchronous_commit"))

    run: Callable[..., Awaitable[str]] = store.database.run
    assert await run("accept", work) == "on"
    assert await asked(store, "accept", "SHOW synchronous_commit") == [("on",)]
