"""One system, one load: what came out, and what each process spent for it."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from bench import cost, database
from bench.systems import Place, System
from tests.simulated.wire import free_port


@dataclass(frozen=True, slots=True)
class Shape:
    """How many messages, and how fast; rate 0 means saturated."""

    messages: int
    rate: float = 0.0
    people_at_once: int = 256
    per_person: int = 5
    connections: int = 64


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table."""

    system: str
    seen: dict[str, float]
    cpu_us: dict[str, float]
    statements: float
    bytes_stored: float
    resident_mib: float

    @property
    def own_cpu_us(self) -> float:
        """CPU microseconds per message of the system and its database, not of the load."""
        return sum(self.cpu_us.values())


async def measure(system: System, shape: Shape, folder: Path, store: database.Store) -> Result:
    """Starts the system on an empty database, runs the load once and stops it."""
    world_port = free_port()
    url = await store.fresh()
    place = Place(folder, world_port, url)
    # The model server must answer before a system looks for it, so the world listens first.
    gate = folder / "gateway-url"
    gate.unlink(missing_ok=True)
    world = await _load(shape, world_port, gate)
    try:
        gate.write_text(await system.start(place))
        seen, spent, rows = await _go(world, system, store)
        resident = sum(cost.of_family(pid).resident_bytes for pid in system.pids().values()) / 2**20
    finally:
        await system.stop()
        if world.returncode is None:
            world.kill()
        await world.wait()
    per_message = {name: seconds / shape.messages * 1e6 for name, seconds in spent.items()}
    return Result(
        system.name, seen, per_message, rows.statements / shape.messages, rows.bytes / shape.messages, resident
    )


async def _load(shape: Shape, world_port: int, gate: Path) -> asyncio.subprocess.Process:
    command = [
        *("-m", "bench.load", "--gateway-file", str(gate), "--world-port", str(world_port)),
        *("--messages", str(shape.messages), "--per-person", str(shape.per_person), "--rate", str(shape.rate)),
        *("--people-at-once", str(shape.people_at_once), "--connections", str(shape.connections)),
    ]
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, *command, stdin=pipe, stdout=pipe)


async def _go(
    world: asyncio.subprocess.Process, system: System, store: database.Store
) -> tuple[dict[str, float], dict[str, float], database.Rows]:
    assert world.stdin is not None
    assert world.stdout is not None
    world.stdin.write(b"prepare\n")
    await asyncio.wait_for(world.stdout.readline(), 120)
    watched = {**system.pids(), **store.pids()}
    before, rows_before = {name: cost.of_family(pid) for name, pid in watched.items()}, await store.rows()
    world.stdin.write(b"go\n")
    line = await asyncio.wait_for(world.stdout.readline(), 240)
    spent = {name: cost.of_family(pid).since(before[name]) for name, pid in watched.items()}
    return json.loads(line), spent, (await store.rows()) - rows_before
