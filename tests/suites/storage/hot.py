"""The stores of inbox and outbox on a real database with a clock of the test's own, and short words to use them."""

import asyncio
import base64
import contextlib
import functools
import tempfile
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from kit.errors import ParleyError
from kit.ids import new_id
from kit.moments import span, stamp
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import delivery_requests_pb2 as attempts
from parley.storage.v1 import inbox_service_pb2 as inbox
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, TurnCommit, TurnLease
from storage_service.backends import schema
from storage_service.backends.engines import open_engine
from storage_service.backends.hot import open_hot
from storage_service.backends.tables.columns import to_micros
from storage_service.domain import summary_work
from storage_service.domain.accepting import Acceptance
from storage_service.domain.asks import Ask, Handed
from storage_service.domain.database import Database, Kind
from storage_service.domain.delivery_work import DeliveryWork
from storage_service.domain.events import Events
from storage_service.domain.handing import remember
from storage_service.domain.mutations import Mutations
from storage_service.domain.receipts import record, rows_of
from storage_service.domain.sealing import Keyring, parse_keys
from storage_service.domain.sweeping import Sweeper
from storage_service.domain.tombstones import Tombstones
from storage_service.domain.turn_work import TurnWork
from storage_service.domain.turns import Done
from storage_service.domain.wakeups import Wakeups
from tests.postgres import Server as Postgres

DATABASES = ("sqlite", "postgres")
TENANT, ACCOUNT, AGENT, VERSION = "acme", "account-1", "agent-1", "version-1"
FALLBACK = "Please try again later."
START = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(seconds=30)
KEYS = "k:" + base64.b64encode(b"k" * 32).decode()


class Clock:
    """Moves when the test says so."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Store:
    """One database with the rules over it."""

    url: str
    clock: Clock
    database: Database
    engine: AsyncEngine
    wakeups: Wakeups
    acceptance: Acceptance
    turns: TurnWork
    deliveries: DeliveryWork
    sweeper: Sweeper
    workers: Sequence[Ask] = ()
    senders: Sequence[Ask] = ()
    handed: list[Any] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: iter(range(1, 1_000_000)))

    async def accept(self, *messages: chat.ChannelMessage, **more: Any) -> inbox.SubmissionResult:
        (result,) = await self.submit(a_submission(*messages, **more))
        assert not isinstance(result, ParleyError), result
        return result

    async def submit(self, *submissions: inbox.Submission) -> list[inbox.SubmissionResult | ParleyError]:
        return await self._handing("accept", self.acceptance.accept, submissions, workers=self.workers)

    async def hear(self, text: str, chat_id: str = "chat-1", **more: Any) -> inbox.AcceptedMessage:
        """Accepts one new message."""
        where = {name: more.pop(name) for name in ("tenant_id", "account_id") if name in more}
        message = a_message(text, chat_id=chat_id, provider_message_id=f"in-{next(self.numbers)}", **more)
        return (await self.accept(message, **where)).messages[0]

    async def lease(self, most: int = 10, worker: str = "w1", history: int = 20) -> list[LeasedTurn]:
        ask = Ask(worker, most, LEASE, history)
        return (await self.lease_all(ask))[0]

    async def lease_all(self, *asks: Ask) -> list[list[LeasedTurn]]:
        return await self.database.run("lease_turns", lambda rows: self.turns.lease(rows, asks))

    async def lease_summaries(self, most: int = 10, worker: str = "w1") -> list[LeasedTurn]:
        asks = [Ask(worker, most, LEASE, 20)]
        return (await self.database.run("lease_turns", lambda rows: summary_work.lease(rows, asks)))[0]

    async def commit(self, turn: LeasedTurn, *replies: str, worker: str = "w1", **more: Any) -> Done:
        (done,) = await self.commit_all((worker, a_commit(turn, *replies, **more)))
        return done

    async def commit_all(self, *commits: tuple[str, TurnCommit]) -> list[Done]:
        return await self._handing("turns", self.turns.commit, commits, senders=self.senders)

    async def extend(self, turn: LeasedTurn, worker: str = "w1") -> Done:
        leases = [a_lease(turn)]
        extend = self.turns.extend
        (done,) = await self.database.run("turns", lambda rows: extend(rows, leases, worker_id=worker, lease=LEASE))
        return done

    async def give_back(self, turn: LeasedTurn, worker: str = "w1", delay_seconds: float = 0) -> Done:
        leases, delay = [a_lease(turn)], timedelta(seconds=delay_seconds)
        back = self.turns.give_back
        (done,) = await self.database.run("turns", lambda rows: back(rows, leases, worker_id=worker, delay=delay))
        return done

    async def merge(self, turn: LeasedTurn, worker: str = "w1") -> Done:
        leases, merge = [a_lease(turn)], self.turns.merge
        (done,) = await self.database.run("turns", lambda rows: merge(rows, leases, worker_id=worker))
        return done

    async def lease_deliveries(self, most: int = 10, worker: str = "s1") -> list[attempts.LeasedDelivery]:
        lease, asks = self.deliveries.lease, [Ask(worker, most, LEASE, 0)]
        return (await self.database.run("lease_deliveries", lambda rows: lease(rows, asks)))[0]

    async def record(
        self, delivery: attempts.LeasedDelivery, outcome: str, worker: str = "s1", **more: Any
    ) -> attempts.AttemptResult:
        (result,) = await self.record_all((worker, a_record(delivery, outcome, **more)))
        return result

    async def record_all(self, *records: tuple[str, attempts.AttemptRecord]) -> list[attempts.AttemptResult]:
        return await self.database.run("deliveries", lambda rows: self.deliveries.record(rows, records))

    async def send(self, delivery: attempts.LeasedDelivery, provider_id: str, worker: str = "s1") -> None:
        """A whole delivery of one part, without trouble."""
        await self.record(delivery, "BEGUN", worker)
        await self.record(delivery, "SENT", worker, provider_message_id=provider_id)

    async def receive(self, state: str, account_id: str = ACCOUNT, **fields: Any) -> None:
        receipt = chat.Receipt(state=f"DELIVERY_STATE_{state}", **fields)

        async def work(rows: Any) -> None:
            said = rows_of([receipt], tenant_id=TENANT, account_id=account_id, now=rows.now, new_id=new_id)
            await record(rows, said, new_id=new_id)

        await self.database.run("deliveries", work)

    async def sweep(self, *names: str) -> None:
        for name in names or (
            "expired_turns",
            "overdue_turns",
            "expired_deliveries",
            "expired_summaries",
            "unmatched_receipts",
            "freed_lanes",
        ):
            await self.database.run("sweep", getattr(self.sweeper, name))

    async def fetch(self, statement: str, **values: Any) -> list[Any]:
        async with self.engine.connect() as connection:
            return list((await connection.execute(text(statement), values)).all())

    async def execute(self, statement: str, **values: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), {name: self._stored(value) for name, value in values.items()})

    async def turn_states(self) -> list[tuple[str, str]]:
        return [tuple(row) for row in await self.fetch("SELECT state, reason FROM turns ORDER BY id")]

    async def delivery_states(self) -> list[str]:
        return [row[0] for row in await self.fetch("SELECT state FROM deliveries ORDER BY conversation_id, seq")]

    async def _handing(self, kind: Kind, work: Any, items: Any, **asks: Sequence[Ask]) -> list[Any]:
        """Whoever waits is handed what is made; it stands in `handed`."""
        done: Handed[Any, Any] = await self.database.run(kind, lambda rows: work(rows, items, **asks))
        self.handed = [each for given in done.given for each in given]
        if kind == "accept":
            await self.database.run("read", lambda rows: remember(rows, self.handed))
            self.handed = [each.turn for each in self.handed]
        return done.results

    def _stored(self, value: Any) -> Any:
        return to_micros(value) if isinstance(value, datetime) and self.url.startswith("sqlite") else value


def a_message(text: str = "hello", **fields: Any) -> chat.ChannelMessage:
    given = {"channel": "whatsapp", "chat_id": "chat-1", "provider_message_id": "in-0", "text": text, **fields}
    given.setdefault("sender_id", f"person of {given['chat_id']}")
    at = given.pop("provider_at", None)
    return chat.ChannelMessage(**given, provider_at=stamp(at) if at else None)


def a_submission(*messages: chat.ChannelMessage, **fields: Any) -> inbox.Submission:
    return inbox.Submission(**{"tenant_id": TENANT, "account_id": ACCOUNT, "messages": messages, **fields})


def a_commit(turn: LeasedTurn, *replies: str, state: str = "REPLIED", **fields: Any) -> TurnCommit:
    given = {
        "tenant_id": turn.tenant_id,
        "turn_id": turn.turn_id,
        "epoch": turn.epoch,
        "owner_epoch": turn.setting.owner_epoch,
        "state": chat.TurnState.Value(f"TURN_STATE_{state}"),
        "replies": replies,
    }
    return TurnCommit(**{**given, **fields})


def a_lease(turn: LeasedTurn) -> TurnLease:
    return TurnLease(tenant_id=turn.tenant_id, turn_id=turn.turn_id, epoch=turn.epoch)


def a_record(delivery: attempts.LeasedDelivery, outcome: str, **fields: Any) -> attempts.AttemptRecord:
    retry_after = fields.pop("retry_after_seconds", 0)
    given = {
        "tenant_id": delivery.tenant_id,
        "delivery_id": delivery.delivery_id,
        "epoch": delivery.epoch,
        "part": delivery.next_part,
        "parts": 1,
        "outcome": attempts.AttemptOutcome.Value(f"ATTEMPT_OUTCOME_{outcome}"),
        "retry_after": span(timedelta(seconds=retry_after)),
    }
    return attempts.AttemptRecord(**{**given, **fields})


@contextlib.asynccontextmanager
async def open_store(
    database: str, folder: Path, postgres: Postgres, mutations: Mutations | None = None
) -> AsyncIterator[Store]:
    """A fresh database with one tenant, agent, prompt and account. A url is opened as it is."""
    url = database if "://" in database else fresh(database, folder, postgres)
    async with opened(url, mutations or Mutations()) as store:
        await seed(store)
        yield store


@contextlib.asynccontextmanager
async def opened(url: str, mutations: Mutations) -> AsyncIterator[Store]:
    clock, wakeups = Clock(), Wakeups()
    hot = open_hot(url, replica_id=new_id(), events=Events(wakeups), clock=clock)
    keyring = Keyring(parse_keys(KEYS), random_bytes=lambda size: b"r" * size)
    store = Store(
        url=url,
        clock=clock,
        database=hot.database,
        engine=open_engine(url),
        wakeups=wakeups,
        acceptance=Acceptance(new_id, Tombstones(keyring), mutations),
        turns=TurnWork(new_id, mutations, FALLBACK),
        deliveries=DeliveryWork(new_id, mutations),
        sweeper=Sweeper(new_id, FALLBACK, mutations=mutations),
    )
    await hot.database.open()
    yield store
    await hot.database.close()
    await store.engine.dispose()


async def seed(store: Store, accounts: Sequence[str] = (ACCOUNT, "account-2"), tenant_id: str = TENANT) -> None:
    at = store.clock.now
    await store.execute("INSERT INTO tenants (id, name, created_at) VALUES (:id, 'Acme', :at)", id=tenant_id, at=at)
    await store.execute(
        "INSERT INTO prompts (tenant_id, id, name, live_version_id, created_at) VALUES (:t, 'p', 'p', :v, :at)",
        t=tenant_id, v=VERSION, at=at,
    )  # fmt: skip
    await store.execute(
        "INSERT INTO prompt_versions (tenant_id, id, prompt_id, number, text, created_at) "
        "VALUES (:t, :v, 'p', 1, 'Be kind.', :at)",
        t=tenant_id, v=VERSION, at=at,
    )  # fmt: skip
    await store.execute(
        "INSERT INTO agents (tenant_id, id, name, prompt_id, model, fallback_text, created_at, updated_at) "
        "VALUES (:t, :id, 'agent', 'p', 'llama', '', :at, :at)",
        t=tenant_id, id=AGENT, at=at,
    )  # fmt: skip
    for account_id in accounts:
        await store.execute(
            "INSERT INTO channel_accounts (tenant_id, id, channel, account_key, address, agent_id, default_quiet_ms, "
            "credentials, created_at, updated_at) VALUES (:t, :id, 'whatsapp', :id, :id, :agent, 0, :empty, :at, :at)",
            t=tenant_id, id=account_id, agent=AGENT, empty=b"", at=at,
        )  # fmt: skip


def fresh(database: str, folder: Path, postgres: Postgres) -> str:
    if database == "postgres":
        return postgres.fresh(migrate)
    path = folder / "parley.db"
    path.write_bytes(_migrated_file())
    return f"sqlite:///{path}"


@functools.cache
def _migrated_file() -> bytes:
    """An empty database. Migrating takes longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "template.db")
        migrate(f"sqlite:///{path}")
        return path.read_bytes()


def migrate(url: str) -> None:
    """In a thread: a test's loop is running here."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, schema.migrate(url)).result()
