"""What does an account notice of another one whose provider is down, or says "too fast" to all that is sent?

Storage and one sender, each a process, on SQLite. Messages of one account are queued at a steady rate, each timed from
the call that queues it to its arrival at a provider that answers at once: alone, and beside an account that has a lot
to send while its provider fails, or refuses with Retry-After. When all are timed that provider is well again, and what
waited goes out. Ratios of one run: the kinds follow each other in turn, and each figure is the median of the rounds.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grpc import aio
from rich.console import Console
from rich.table import Table

from bench import instant
from bench.outgoing import METADATA, TENANT, TOKEN, accounts, queue
from bench.systems import Processes
from kit.ids import new_id
from parley.sender.v1 import sender_service_pb2, sender_service_pb2_grpc
from tests.simulated.slack import Slack
from tests.simulated.wire import free_port

ROUNDS, QUICK_ROUNDS = 5, 2
SENDS, QUICK_SENDS = 400, 150
PER_SECOND = 40.0
PEOPLE = 50  # to whom the timed ones go, in turn
WAITING = 500  # of the account that is ill
LONGEST_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Kind:
    """Beside whom the timed account sends."""

    name: str
    mode: str = ""  # of the other account's provider


ALONE = Kind("alone")
KINDS = (ALONE, Kind("beside an account whose provider is down", "down"), Kind("beside a storm of 429", "throttled:1"))


@dataclass(slots=True)
class Seen:
    """When each text was at the provider of the timed account."""

    at: dict[str, float] = field(default_factory=dict)
    calls: int = 0

    def note(self, text: str) -> None:
        self.calls += 1
        self.at.setdefault(text, time.monotonic())


@dataclass(frozen=True, slots=True)
class Figure:
    """One round of one kind."""

    p50: float  # seconds
    p95: float
    calls: float  # for each reply that went out
    of_the_other: float


def show(console: Console, *, quick: bool) -> None:
    """Prints one table."""
    rounds, sends = (QUICK_ROUNDS, QUICK_SENDS) if quick else (ROUNDS, SENDS)
    found = asyncio.run(_measure(rounds, sends))
    drawn = Table(title=f"from the queue to the provider, {PER_SECOND:.0f}/s, beside {WAITING} replies that wait")
    for head in ("an account", "p50 ms", "x alone", "p95 ms", "x alone", "calls a reply", "calls a reply of the other"):
        drawn.add_column(head, justify="left" if head == "an account" else "right")
    alone = found[ALONE.name]
    for kind in KINDS:
        own = found[kind.name]
        drawn.add_row(
            kind.name,
            f"{own.p50 * 1000:.1f}",
            f"{own.p50 / alone.p50:.2f}",
            f"{own.p95 * 1000:.1f}",
            f"{own.p95 / alone.p95:.2f}",
            f"{own.calls:.3f}",
            f"{own.of_the_other:.3f}" if kind.mode else "",
        )
    console.print(drawn)


async def _measure(rounds: int, sends: int) -> Mapping[str, Figure]:
    found = defaultdict[str, list[Figure]](list)
    for _ in range(rounds):
        for kind in KINDS:
            with tempfile.TemporaryDirectory(prefix="parley-bench-outages-") as folder:
                found[kind.name].append(await _round(Path(folder), kind, sends=sends))
    return {name: _median(figures) for name, figures in found.items()}


def _median(figures: Sequence[Figure]) -> Figure:
    return Figure(
        statistics.median(each.p50 for each in figures),
        statistics.median(each.p95 for each in figures),
        statistics.median(each.calls for each in figures),
        statistics.median(each.of_the_other for each in figures),
    )


async def _round(folder: Path, kind: Kind, *, sends: int) -> Figure:
    seen, port, slack = Seen(), free_port(), Slack(mode=kind.mode or "ok")
    server = await instant.serve(seen.note, port)
    await slack.start()
    children, environment = Processes(), _environment(folder, port, slack.base_url)
    try:
        children.spawn("storage", [sys.executable, "-m", "storage_service"], environment, folder)
        made = await accounts(environment["STORAGE_ADDRESS"], "whatsapp", "slack")
        people = await queue(environment["DATABASE_URL"], made["whatsapp"], "whatsapp", number=PEOPLE)
        if kind.mode:
            await queue(environment["DATABASE_URL"], made["slack"], "slack", number=WAITING)
        children.spawn("sender", [sys.executable, "-m", "sender_service"], environment, folder)
        async with asyncio.timeout(LONGEST_SECONDS):
            while seen.calls < PEOPLE or (kind.mode and not slack.requests):
                await asyncio.sleep(0.01)
            waits = await _timed(environment["SENDER_ADDRESS"], people, seen, sends=sends)
            slack.mode = "ok"
            while kind.mode and len(slack.sends.all) < WAITING:
                await asyncio.sleep(0.01)
        spread = statistics.quantiles(waits, n=20)
        return Figure(spread[9], spread[18], seen.calls / (PEOPLE + sends), slack.requests / WAITING)
    finally:
        await children.stop()
        server.close()
        await slack.stop()


async def _timed(address: str, people: Sequence[str], seen: Seen, *, sends: int) -> list[float]:
    """Queues them one after the other, whether or not those before have arrived. How long each took."""
    began: dict[str, float] = {}
    async with aio.insecure_channel(address) as wire:
        sender = sender_service_pb2_grpc.SenderServiceStub(wire)

        async def send(number: int) -> None:
            text = f"Reply {number}"
            began[text] = time.monotonic()
            asked = sender_service_pb2.SendRequest(
                tenant_id=TENANT, request_id=new_id(), conversation_id=people[number % len(people)], text=text
            )
            await sender.Send(asked, metadata=METADATA, timeout=30, wait_for_ready=True)

        async with asyncio.TaskGroup() as group:
            first = time.monotonic()
            for number in range(sends):
                await asyncio.sleep(max(0.0, first + number / PER_SECOND - time.monotonic()))
                group.create_task(send(number))
    while not began.keys() <= seen.at.keys():
        await asyncio.sleep(0.01)
    return [seen.at[text] - at for text, at in began.items()]


def _environment(folder: Path, port: int, slack: str) -> dict[str, str]:
    return {
        "DATABASE_URL": f"sqlite:///{folder / 'parley.db'}",
        "DATA_DIR": str(folder / "data"),
        "STORAGE_ADDRESS": f"127.0.0.1:{free_port()}",
        "SENDER_ADDRESS": f"127.0.0.1:{free_port()}",
        "TWILIO_API_BASE_URL": f"http://127.0.0.1:{port}",
        "SLACK_API_BASE_URL": slack,
        "LOG_LEVEL": "warning",
        "MESH_TOKEN": TOKEN,
        "SENDER_DRAIN_SECONDS": "0",
    }
