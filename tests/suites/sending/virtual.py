"""Senders and providers whose time passes only when nobody has anything to do: an hour is over in a second.

The rules and the database of storage are real, and so are the sender's courier, the channels and the sandbox's
stand-ins; what is missing is the network, and with it every wall clock.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import orjson

from channels.channel import Answer, Call, Unavailable, Unknown, Webhook
from channels.registry import CHANNELS
from kit.errors import from_item
from kit.ids import new_id
from parley.storage.v1.delivery_requests_pb2 import AttemptRecord, AttemptResult
from parley.storage.v1.directory_pb2 import AccountSecrets, ChannelAccount
from sandbox.provider import Account, Ask, Later, Provider, Reading, Reply, Taken, Trying, Words
from sandbox.registry import STAND_INS
from sender_service.domain.addresses import Addresses
from sender_service.domain.courier import Clocks, Courier
from sender_service.domain.pacing import pacing
from sender_service.domain.retries import Retries
from sender_service.domain.trips import Load
from storage_service.domain.outbox import Outbox
from storage_service.domain.receipts import record, rows_of
from tests.suites.channels.described import against_all
from tests.suites.storage.hot import START, TENANT, Store, a_commit, a_submission
from tests.unit.sandbox.world import drawn

GATEWAY = "https://chat.example.com"
HANDS = 64
STEP = timedelta(milliseconds=50)  # nothing happens in between, which costs less than a database for each millisecond
LATENCY = timedelta(milliseconds=100)

# What a provider does with a request at a moment: None lets it through, else what it answers or how it is lost.
Weather = Callable[[datetime, Taken], "Reply | Exception | None"]


def fine(_at: datetime, _taken: Taken) -> None:
    """Nothing goes wrong."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One call that reached a provider."""

    at: datetime
    channel: str
    to: str
    text: str
    taken: bool


@dataclass
class Line:
    """What one account's provider makes of what it is asked, and shows to people."""

    provider: Provider
    channel: str
    weather: Weather = fine
    seen: list[Seen] = field(default_factory=list)
    reports: bool = True  # it tells later what became of a send

    @property
    def shown(self) -> list[tuple[str, str]]:
        """What people saw, in the order they saw it."""
        return [(each.to, each.text) for each in self.seen if each.taken]


@dataclass
class Virtual:
    """A mesh without a network."""

    store: Store
    senders: int = 1
    tenant_per_second: float = 0.0
    options: dict[str, dict[str, str]] = field(default_factory=dict)  # of accounts, by channel
    lines: dict[str, Line] = field(default_factory=dict)
    events: list[tuple[datetime, int, Callable[[], Any]]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    running: set["asyncio.Task[None]"] = field(default_factory=set)
    calling: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    accounts: dict[str, AccountSecrets] = field(default_factory=dict)
    unheard: Callable[[Ask], bool] = lambda _ask: False  # a provider's answer to what it was asked before is lost, too
    complaints: set[str] = field(default_factory=set)  # what the providers' descriptions say against the calls

    def __post_init__(self) -> None:
        draw = drawn()
        values = {name: value for each in STAND_INS for name, value in each.made_up(draw).items()}
        self._account = Account(values, lambda: self.now, draw)
        self._outbox = Outbox(self.store.database, self.store.deliveries, wakeups=self.store.wakeups, new_id=new_id)
        for each in STAND_INS:
            provider = each.build(self._account)
            self.lines |= {handset.channel: Line(provider, handset.channel) for handset in provider.handsets}
        self._couriers = [self._courier(f"sender-{number}") for number in range(self.senders)]

    @property
    def now(self) -> datetime:
        return self.store.clock.now

    async def open(self) -> None:
        for name in self.lines:
            channel = CHANNELS[name]
            address = self._account.values.get(channel.address_environment, "")
            account = ChannelAccount(
                id=f"on-{name}", channel=name, account_key=name, address=address, options=self.options.get(name, {})
            )
            credentials = dict(self._account.credentials(channel))
            self.accounts[account.id] = AccountSecrets(account=account, credentials=credentials)
            await self.store.execute(
                "INSERT INTO channel_accounts (tenant_id, id, channel, account_key, address, agent_id, "
                "default_quiet_ms, credentials, created_at, updated_at) "
                "VALUES (:t, :id, :channel, :id, :id, 'agent-1', 0, :empty, :at, :at)",
                t=TENANT, id=account.id, channel=name, empty=b"", at=self.now,
            )  # fmt: skip

    async def close(self) -> None:
        await self._outbox.close()
        assert self.complaints == set(), "a call that its provider does not describe"

    async def ask(self, channel: str, people: Sequence[int], *replies: str) -> list[str]:
        """These people write, and are answered at once, each with all of the replies. Who they are."""
        line, submissions, who = self.lines[channel], [], []
        for number in people:
            person = line.provider.person(number)
            words = Words(f"hello from {number}", person, f"{GATEWAY}/webhook/{channel}", self.now)
            webhook = line.provider.say(channel, words)
            assert isinstance(webhook, Webhook), "nobody listens here"
            decoded = CHANNELS[channel].decode(webhook)
            submissions.append(a_submission(*decoded.messages, account_id=f"on-{channel}"))
            who.append(person.id)
        await self.store.submit(*submissions)
        while turns := await self.store.lease(most=200):
            await self.store.commit_all(*(("w1", a_commit(turn, *replies)) for turn in turns))
        return who

    async def run(self, seconds: float = 0.0) -> None:
        """Lets so much time pass; without it, as much as there is something to do."""
        until = self.now + timedelta(seconds=seconds) if seconds else datetime.max.replace(tzinfo=START.tzinfo)
        while True:
            await self._work()
            next_at = await self._next()
            if next_at is None or next_at > until:
                break
            self.store.clock.now = max(_stepped(next_at), self.now)
            while self.events and self.events[0][0] <= self.now:
                happened = heapq.heappop(self.events)[2]()
                if happened is not None:
                    await happened
        if seconds:
            self.store.clock.now = until

    async def states(self) -> dict[str, int]:
        """How many deliveries stand how."""
        rows = await self.store.fetch("SELECT state, count(*) FROM deliveries GROUP BY state")
        return {row[0]: row[1] for row in rows}

    async def attempts(self) -> int:
        (row,) = await self.store.fetch("SELECT count(*) FROM attempts")
        return int(row[0])

    async def _work(self) -> None:
        """Everything that can be done at this moment."""
        while True:
            await self._settle()
            started = 0
            for number, courier in enumerate(self._couriers):
                free = HANDS - len(self.running) // len(self._couriers)
                leased = await self.store.lease_deliveries(free, f"sender-{number}") if free > 0 else []
                for each in leased:
                    load = Load(each, self.accounts[each.account_id])
                    task = asyncio.create_task(courier.deliver(load, asyncio.Event()))
                    self.running.add(task)
                    task.add_done_callback(self._ended)
                started += len(leased)
            if not started:
                return

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self.running.discard(task)
        self.changed.set()

    async def _settle(self) -> None:
        """Until all that run wait for a provider."""
        while len(self.running) > self.calling:
            self.changed.clear()
            await self.changed.wait()

    async def _next(self) -> datetime | None:
        due = await self.store.database.run("lease_deliveries", lambda rows: rows.next_due())
        ahead = [self.events[0][0]] if self.events else []
        ahead += [due.delivery_at] if due.delivery_at is not None else []
        return min(ahead, default=None)

    def _at(self, when: datetime, what: Callable[[], Any]) -> None:
        heapq.heappush(self.events, (when, next(self.numbers), what))

    async def _call(self, call: Call, _within_seconds: float) -> Answer:
        """One request: it arrives now, and its answer some time later."""
        answer = self._arrive(call)
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._at(self.now + LATENCY, lambda: self._answered(answered))
        self.calling += 1
        self.changed.set()
        await answered
        if isinstance(answer, Exception):
            raise answer
        return Answer(answer.status, dict(answer.headers), orjson.dumps(answer.content))

    def _answered(self, answered: "asyncio.Future[None]") -> None:
        self.calling -= 1
        answered.set_result(None)

    def _arrive(self, call: Call) -> Reply | Exception:
        url = urlsplit(call.url)
        name, path = url.path.lstrip("/").split("/", 1)
        ask = Ask(call.method, f"/{path}", call.headers, call.body, url.query)
        provider = next(line.provider for line in self.lines.values() if line.provider.name == name)
        self.complaints |= set(against_all(name, [ask]))
        said = provider.answer(ask)
        if isinstance(said, Reply):
            return Unknown(provider_code="connection_lost") if self.unheard(ask) else said
        assert not isinstance(said, Reading | Later | Trying)  # no files are sent here, and nobody listens
        line = self.lines[said.channel]
        trouble = line.weather(self.now, said)
        taken = trouble is None or isinstance(trouble, Unknown)
        line.seen.append(Seen(self.now, said.channel, said.to, said.text, taken))
        if not taken:
            assert trouble is not None
            return trouble
        said.keep()
        if line.reports:
            self._report(line, said)
        return said.reply if trouble is None else trouble

    def _report(self, line: Line, taken: Taken) -> None:
        url = taken.callback or f"{GATEWAY}/webhook/{line.channel}"
        handset = next(each for each in line.provider.handsets if each.channel == line.channel)
        for number, state in enumerate(handset.receipts, start=1):
            self._at(self.now + LATENCY * 2 * number, partial(self._told, line, taken, state, url=url))

    async def _told(self, line: Line, taken: Taken, state: str, *, url: str) -> None:
        webhook = line.provider.receipt(taken, state, url=url)
        if webhook is None:
            return
        decoded, account_id = CHANNELS[line.channel].decode(webhook), f"on-{line.channel}"
        if decoded.messages:
            await self.store.submit(a_submission(*decoded.messages, account_id=account_id))

        async def work(rows: Any) -> None:
            told = decoded.receipts
            said = rows_of(told, tenant_id=TENANT, account_id=account_id, now=rows.now, new_id=new_id)
            await record(rows, said, new_id=new_id)

        await self.store.database.run("deliveries", work)

    def _elapsed(self) -> float:
        return (self.now - START).total_seconds()

    def _courier(self, worker: str) -> Courier:
        async def written(item: AttemptRecord, _within_seconds: float) -> AttemptResult:
            (result,) = await self._outbox.record(worker, [item])
            if result.HasField("error"):
                raise from_item(result.error)
            return result

        bases = {line.provider.name: f"http://sandbox/{line.provider.name}" for line in self.lines.values()}
        return Courier(
            channels=CHANNELS,
            record=written,
            provider=self._call,
            retries=Retries(5, timedelta(days=1), lambda: 0.5),
            pacing=pacing(self.tenant_per_second),
            addresses=Addresses(GATEWAY, bases),
            clocks=Clocks(lambda: self.now, self._elapsed),
            lease_seconds=60.0,
        )


def _stepped(at: datetime) -> datetime:
    """The next step from then on: nothing happens early."""
    return START + -((START - at) // STEP) * STEP


def down(_at: datetime, _taken: Taken) -> Exception:
    """Nobody answers there."""
    return Unavailable(provider_code="connect")


def lost(_at: datetime, _taken: Taken) -> Exception:
    """It is taken, and the answer is lost."""
    return Unknown(provider_code="connection_lost")


@asynccontextmanager
async def virtual(store: Store, **more: Any) -> Any:
    """A mesh on this store."""
    world = Virtual(store, **more)
    await world.open()
    try:
        yield world
    finally:
        await world.close()
