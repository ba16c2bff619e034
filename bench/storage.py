"""What does a message cost storage? accept, lease, commit, lease delivery, begin, sent; by database, load and size.

Run: python -m bench.storage [--messages 10000 1000000] [--conversations 1000 100000] [--hot 10000] [--callers 1 128]
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bench.storage_rows import fill
from kit.ids import new_id
from kit.process import fastest_loop
from parley.chat.v1.message_pb2 import TURN_STATE_REPLIED, ChannelMessage
from parley.storage.v1 import delivery_requests_pb2 as attempts
from parley.storage.v1.inbox_service_pb2 import Submission
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, TurnCommit
from storage_service.backends import schema
from storage_service.backends.hot import open_hot
from storage_service.domain.accepting import Acceptance
from storage_service.domain.asks import Ask
from storage_service.domain.delivery_work import DeliveryWork
from storage_service.domain.events import Events
from storage_service.domain.housekeeping import Housekeeping
from storage_service.domain.inbox import Inbox
from storage_service.domain.outbox import Outbox
from storage_service.domain.pressure import Pressure
from storage_service.domain.sealing import Keyring
from storage_service.domain.sweeping import Sweeper
from storage_service.domain.tombstones import Tombstones
from storage_service.domain.turn_work import TurnWork
from storage_service.domain.wakeups import Wakeups
from tests.postgres import Cluster

TENANT, ACCOUNT = "bench", "account"
LEASE = timedelta(seconds=60)
REST_SECONDS, WARM_UP_SECONDS = 3.0, 2.5  # so long that storage's second look at its tables is over
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Outcome:
    """One run."""

    messages: int
    replies: int
    seconds: float
    own_cpu_seconds: float
    database_cpu_seconds: float

    def line(self, label: str) -> str:
        micros = 1_000_000 / self.messages
        own, database = self.own_cpu_seconds * micros, self.database_cpu_seconds * micros
        rates = f"{self.messages / self.seconds:>8.0f}/s {self.replies / self.seconds:>8.0f}/s"
        return f"{label:<56} {rates} {own:>8.0f} {database:>8.0f}"


class Load:
    """Everything that happens to a message in storage, as gateway, agent and sender ask for it."""

    def __init__(self, inbox: Inbox, outbox: Outbox, *, conversations: int, callers: int) -> None:
        self._inbox, self._outbox = inbox, outbox
        self._conversations, self._callers = conversations, callers
        self._number = 0
        self._room = asyncio.Semaphore(callers)
        self.sent = self.answered = 0

    async def run(self, seconds: float) -> None:
        ends_at = time.monotonic() + seconds
        self._room = asyncio.Semaphore(self._callers)
        async with asyncio.TaskGroup() as group:
            loops = [group.create_task(work) for work in (self._answer(), self._send())]
            arrivals = [asyncio.create_task(self._arrive(ends_at)) for _ in range(self._callers)]
            await asyncio.gather(*arrivals)
            await self._rest()
            for loop in loops:
                loop.cancel()

    async def _rest(self) -> None:
        """Until all that arrived is sent: a lease that is dropped here would block its chat in the next run."""
        with suppress(TimeoutError):
            async with asyncio.timeout(REST_SECONDS):
                for _ in range(self._callers):
                    await self._room.acquire()

    async def _arrive(self, ends_at: float) -> None:
        while time.monotonic() < ends_at:
            await self._room.acquire()
            if time.monotonic() >= ends_at:
                self._room.release()
                return
            self._number += 1
            chat = f"chat-{self._number % self._conversations}"
            message = ChannelMessage(
                channel="api", chat_id=chat, sender_id=chat, text="How long does it take?", provider_message_id=new_id()
            )
            await self._inbox.accept([Submission(tenant_id=TENANT, account_id=ACCOUNT, messages=[message])])

    async def _answer(self) -> None:
        ask = Ask("agent", 64, LEASE, 10)
        async with asyncio.TaskGroup() as group:
            while True:
                turns = await self._inbox.lease(ask, 5)
                if turns:
                    group.create_task(self._commit(turns))

    async def _commit(self, turns: list[LeasedTurn]) -> None:
        for turn in turns:
            if turn.messages[0].provider_message_id.startswith("hot-"):
                continue
            for _ in turn.messages[1:]:  # Answered together: one reply frees the room of all.
                self._room.release()
        await self._inbox.commit("agent", [_reply(turn) for turn in turns])
        self.answered += sum(len(turn.messages) for turn in turns)

    async def _send(self) -> None:
        ask = Ask("sender", 64, LEASE, 0)
        async with asyncio.TaskGroup() as group:
            while True:
                given = await self._outbox.lease(ask, 5)
                if given:
                    group.create_task(self._deliver(given))

    async def _deliver(self, given: list[attempts.LeasedDelivery]) -> None:
        await self._outbox.record("sender", [_record(each, attempts.ATTEMPT_OUTCOME_BEGUN) for each in given])
        await self._outbox.record("sender", [_record(each, attempts.ATTEMPT_OUTCOME_SENT) for each in given])
        self.sent += len(given)
        for _ in given:
            self._room.release()


def _reply(turn: LeasedTurn) -> TurnCommit:
    return TurnCommit(
        tenant_id=turn.tenant_id,
        turn_id=turn.turn_id,
        epoch=turn.epoch,
        owner_epoch=turn.setting.owner_epoch,
        state=TURN_STATE_REPLIED,
        replies=["It takes as long as it takes, and we tell you when it is done."],
    )


def _record(given: attempts.LeasedDelivery, outcome: attempts.AttemptOutcome) -> attempts.AttemptRecord:
    sent = outcome == attempts.ATTEMPT_OUTCOME_SENT
    return attempts.AttemptRecord(
        tenant_id=given.tenant_id,
        delivery_id=given.delivery_id,
        epoch=given.epoch,
        parts=1,
        outcome=outcome,
        provider_message_id=new_id() if sent else "",
    )


async def measure(url: str, *, conversations: int, callers: int, seconds: float, database_pid: int | None) -> Outcome:
    wakeups = Wakeups()
    hot = open_hot(url, replica_id=new_id(), events=Events(wakeups))
    await hot.database.open()
    tombstones = Tombstones(Keyring({"k": b"k" * 32}, random_bytes=os.urandom))
    acceptance, work = Acceptance(new_id, tombstones), TurnWork(new_id)
    outbox = Outbox(hot.database, DeliveryWork(new_id), wakeups=wakeups, new_id=new_id)
    pressure, deliveries = Pressure(10**9, 10**9), outbox.deliveries
    inbox = Inbox(hot.database, acceptance, work=work, pressure=pressure, wakeups=wakeups, deliveries=deliveries)
    stopping = asyncio.Event()
    house = Housekeeping(hot.database, Sweeper(new_id, "It does not."), pressure=pressure)
    running = (inbox.turns.run(), outbox.deliveries.run(), house.run(stopping))
    loops = [asyncio.create_task(each) for each in running]
    load = Load(inbox, outbox, conversations=conversations, callers=callers)
    await load.run(WARM_UP_SECONDS)
    sent, answered, began = load.sent, load.answered, time.monotonic()
    own, database = time.process_time(), cpu_seconds(database_pid)
    await load.run(seconds)
    outcome = Outcome(
        max(1, load.answered - answered),
        load.sent - sent,
        time.monotonic() - began,
        time.process_time() - own,
        cpu_seconds(database_pid) - database,
    )
    stopping.set()
    await inbox.close()
    await outbox.close()
    await asyncio.wait(loops)
    await hot.database.close()
    return outcome


def cpu_seconds(pid: int | None) -> float:
    """Of a server and all its processes."""
    if pid is None:
        return 0.0
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    stats = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in [pid, *children]]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / TICKS


@contextmanager
def a_database(kind: str) -> Iterator[tuple[str, int | None]]:
    with tempfile.TemporaryDirectory() as folder:
        if kind == "sqlite":
            yield f"sqlite:///{folder}/parley.db", None
            return
        with Cluster(fsync=True, options={"shared_buffers": "256MB"}) as cluster:
            yield cluster.fresh(), cluster.pid


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgres"], nargs="+", default=["sqlite", "postgres"])
    parser.add_argument("--messages", type=int, nargs="+", default=[10_000], help="messages stored before")
    parser.add_argument("--conversations", type=int, nargs="+", default=[1_000], help="chats that write")
    parser.add_argument("--callers", type=int, nargs="+", default=[8, 128], help="webhooks at once; 1: no group commit")
    parser.add_argument("--hot", type=int, default=0, help="messages that wait in one more conversation")
    parser.add_argument("--seconds", type=float, default=5)
    given = parser.parse_args()
    print(f"{'':<56} {'messages':>10} {'replies':>10} {'own us':>8} {'db us':>8}  (CPU per message)")
    for kind in given.database:
        for messages in given.messages:
            for conversations in given.conversations:
                with a_database(kind) as (url, pid):
                    asyncio.run(schema.migrate(url))
                    asyncio.run(fill(url, messages=messages, conversations=conversations, hot=given.hot))
                    for callers in given.callers:
                        work = measure(
                            url,
                            conversations=conversations,
                            callers=callers,
                            seconds=given.seconds,
                            database_pid=pid,
                        )
                        with asyncio.Runner(loop_factory=fastest_loop()) as runner:
                            outcome = runner.run(work)
                        label = f"{kind} {messages:,} messages, {conversations:,} chats, {callers} callers"
                        label += f", {given.hot:,} hot" if given.hot else ""
                        print(outcome.line(label), flush=True)


if __name__ == "__main__":
    main()
