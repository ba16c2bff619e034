"""How fast does one sender process send, what does pacing cost, and what do a thousand stuck conversations cost others?

Storage and one sender, each a process, on SQLite; a provider on loopback that answers at once. Deliveries stand in the
outbox, each in a conversation of its own, before the sender starts; the time is from its first call to its last. The
stuck ones are another account's, whose provider takes the connection and never answers. Ratios of one run, each figure
the median of rounds that follow each other in turn.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import instant
from bench.cost import of_process
from bench.outgoing import TOKEN, accounts, queue
from bench.systems import Processes
from tests.simulated.wire import free_port

ROUNDS, QUICK_ROUNDS = 5, 3
SENDS, QUICK_SENDS = 4000, 1500
STUCK = 1000
LONGEST_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to send."""

    name: str
    paced: bool = True
    stuck: int = 0


UNPACED = Kind("without pacing", paced=False)
PACED = Kind("paced, below all limits")
BESIDE = Kind(f"paced, beside {STUCK:,} stuck conversations", stuck=STUCK)
KINDS = (UNPACED, PACED, BESIDE)
AGAINST = {UNPACED.name: UNPACED.name, PACED.name: UNPACED.name, BESIDE.name: PACED.name}


@dataclass(slots=True)
class Seen:
    """What the providers were asked."""

    times: list[float] = field(default_factory=list)

    def note(self, _text: str) -> None:
        self.times.append(time.monotonic())


@dataclass(frozen=True, slots=True)
class Figure:
    """One round of one kind."""

    per_second: float
    cpu_us: float


def show(console: Console, *, quick: bool) -> None:
    """Prints one table."""
    rounds, sends = (QUICK_ROUNDS, QUICK_SENDS) if quick else (ROUNDS, SENDS)
    found = asyncio.run(_measure(rounds, sends))
    drawn = Table(title=f"one sender process, {sends:,} conversations, a provider that answers at once")
    for head in ("sent", "sends/s", "against", "x", "sender CPU us", "x"):
        drawn.add_column(head, justify="left" if head in ("sent", "against") else "right")
    for kind in KINDS:
        own, base = found[kind.name], found[AGAINST[kind.name]]
        fast, cheap = own.per_second / base.per_second, own.cpu_us / base.cpu_us
        drawn.add_row(
            kind.name,
            f"{own.per_second:,.0f}",
            AGAINST[kind.name],
            f"{fast:.2f}",
            f"{own.cpu_us:,.0f}",
            f"{cheap:.2f}",
        )
    console.print(drawn)


async def _measure(rounds: int, sends: int) -> Mapping[str, Figure]:
    found = defaultdict[str, list[Figure]](list)
    for _ in range(rounds):
        for kind in KINDS:
            with tempfile.TemporaryDirectory(prefix="parley-bench-sending-") as folder:
                found[kind.name].append(await _round(Path(folder), kind, sends=sends))
    return {
        name: Figure(
            statistics.median(each.per_second for each in figures), statistics.median(each.cpu_us for each in figures)
        )
        for name, figures in found.items()
    }


async def _round(folder: Path, kind: Kind, *, sends: int) -> Figure:
    seen, port = Seen(), free_port()
    server = await instant.serve(seen.note, port)
    silent = await asyncio.start_server(_never, "127.0.0.1", 0)
    children, environment = Processes(), _environment(folder, port, silent.sockets[0].getsockname()[1], kind=kind)
    try:
        children.spawn("storage", [sys.executable, "-m", "storage_service"], environment, folder)
        made = await accounts(environment["STORAGE_ADDRESS"], "whatsapp", "telegram")
        await queue(environment["DATABASE_URL"], made["telegram"], "telegram", number=kind.stuck)
        await queue(environment["DATABASE_URL"], made["whatsapp"], "whatsapp", number=sends)
        children.spawn("sender", [sys.executable, "-m", "sender_service"], environment, folder)
        async with asyncio.timeout(LONGEST_SECONDS):
            while not seen.times:
                await asyncio.sleep(0.01)
            before = of_process(children.pids()["sender"])
            while len(seen.times) < sends:
                await asyncio.sleep(0.01)
        spent = of_process(children.pids()["sender"]).since(before)
        return Figure((sends - 1) / (seen.times[-1] - seen.times[0]), spent / sends * 1e6)
    finally:
        await children.stop()
        server.close()
        silent.close()


async def _never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes all that is said, and says nothing."""
    while await reader.read(65_536):
        pass
    writer.close()


def _environment(folder: Path, port: int, silent: int, *, kind: Kind) -> dict[str, str]:
    return {
        "DATABASE_URL": f"sqlite:///{folder / 'parley.db'}",
        "DATA_DIR": str(folder / "data"),
        "STORAGE_ADDRESS": f"127.0.0.1:{free_port()}",
        "SENDER_ADDRESS": f"127.0.0.1:{free_port()}",
        "TWILIO_API_BASE_URL": f"http://127.0.0.1:{port}",
        "TELEGRAM_API_BASE_URL": f"http://127.0.0.1:{silent}",
        "SENDER_PACED": str(kind.paced).lower(),
        "LOG_LEVEL": "warning",
        "MESH_TOKEN": TOKEN,
        "SENDER_DRAIN_SECONDS": "0",
    }
