"""What does the model service cost over calling the model server directly? Per call, and per token of a stream.

The model server answers at once, in a process of its own, and so does the real model service; the bench is the caller.
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from bench.instant import CHAT, OLLAMA
from bench.model_calls import Direct, Through
from bench.model_rounds import Cell, Figures, compared
from bench.systems import Processes
from bench.token_streams import TOKENS
from kit.calling import Mesh
from kit.process import calm_collector, fastest_loop
from kit.settings import Settings
from tests.simulated.wire import free_port

MOST_ADDED_MS, LEAST_TOKENS = 1.5, 5_000
TOKEN = "bench-mesh-token-bench-mesh-token"
ROUNDS, SECONDS = 5, 1.0
QUICK_ROUNDS, QUICK_SECONDS = 2, 0.5
# Streams of the paced model at once: 64 with 100 tokens a second each offer more than the target asks for.
FEW, CALLS, STREAMS, PACED = 1, 32, 16, 64
HEADS = ("load", "way", "calls/s", "tokens/s", "p50 ms", "x", "p99 ms", "x", "first\ntext ms")
CPU_HEADS = ("caller's\nCPU us", "service's\nCPU us", "x", "service's\nper token", "target")
Compared = dict[str, Figures]


def show(console: Console, *, quick: bool) -> None:
    """Prints one table."""
    calm_collector()
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-models-") as folder,
        asyncio.Runner(loop_factory=fastest_loop()) as runner,
    ):
        rows = runner.run(_measure(Path(folder), quick=quick))
    console.print(table(rows))


async def _measure(folder: Path, *, quick: bool) -> list[tuple[Cell, Compared]]:
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if quick else (ROUNDS, SECONDS)
    async with _started(folder) as (direct, through, pid):
        cells = _cells(direct, through)
        return [(cell, await compared(cell, pid, rounds=rounds, seconds=seconds)) for cell in cells]


def _cells(direct: Direct, through: Through) -> list[Cell]:
    whole = {"direct": direct.ollama, "Generate": through.generate, "GenerateMany": through.many}
    cells = [Cell("one answer", next(iter(OLLAMA)), at_once, whole) for at_once in (FEW, CALLS)]
    for protocol, names, way in (("Ollama", OLLAMA, direct.ollama_stream), ("OpenAI", CHAT, direct.chat_stream)):
        ways = {"direct": way, "GenerateStream": through.stream}
        at_once, by_token, paced = names
        for label, model, loads in (
            ("whole", at_once, (FEW, STREAMS)),
            ("by token", by_token, (FEW, STREAMS)),
            ("100/s", paced, (PACED,)),
        ):
            cells += [Cell(f"{protocol}, {label}", model, load, ways, TOKENS) for load in loads]
    return cells


@asynccontextmanager
async def _started(folder: Path) -> AsyncIterator[tuple[Direct, Through, int]]:
    """A model server and a model service, and their callers; the pid is the service's."""
    world, service, health = (free_port() for _ in range(3))
    url, children = f"http://127.0.0.1:{world}", Processes()
    environment = {
        "DATA_DIR": str(folder / "data"),
        "LLM_ADDRESS": f"127.0.0.1:{service}",
        "METRICS_PORT": str(health),
        "OLLAMA_BASE_URL": url,
        "OPENAI_BASE_URL": f"{url}/v1",
        "LOG_LEVEL": "warning",
        "MESH_TOKEN": TOKEN,
    }
    mesh = Mesh(Settings(llm_address=environment["LLM_ADDRESS"], mesh_token=SecretStr(TOKEN)))
    await mesh.open()
    direct, through = Direct(url, most_connections=2 * PACED), Through(mesh.channel("llm"))
    try:
        children.spawn("world", [sys.executable, "-m", "bench.instant", "--port", str(world)], {}, folder)
        await children.answer(f"{url}/api/version")
        children.spawn("llm_service", [sys.executable, "-m", "llm_service"], environment, folder)
        await children.answer(f"http://127.0.0.1:{health}/readyz")
        yield direct, through, children.pids()["llm_service"]
    finally:
        await through.aclose()
        await direct.aclose()
        await mesh.close()
        await children.stop()


def table(rows: list[tuple[Cell, Compared]]) -> Table:
    """A line for each way. Each x is how many times the direct call's the figure left of it is, both CPUs together."""
    title = "the model service over calling the model server directly, medians"
    drawn = Table(title=title, title_justify="left")
    for number, head in enumerate((*HEADS, *CPU_HEADS)):
        drawn.add_column(head, justify="left" if number < 2 else "right", no_wrap=True)
    for cell, found in rows:
        direct = found["direct"]
        for name, seen in found.items():
            drawn.add_row(*_row(cell, name, seen=seen, direct=direct))
        drawn.add_section()
    return drawn


def _row(cell: Cell, name: str, *, seen: Figures, direct: Figures) -> Iterator[str]:
    through = seen is not direct
    yield from (f"{cell.label}, {cell.at_once} at once", name)
    yield f"{seen.calls_per_second:,.0f}"
    yield f"{seen.calls_per_second * cell.tokens:,.0f}" if cell.tokens else ""
    for own, others in ((seen.p50, direct.p50), (seen.p99, direct.p99)):
        yield from (f"{own:.2f}", f"{own / others:.2f}")
    yield f"{seen.first_text:.2f}" if cell.tokens else ""
    yield f"{seen.caller_us:,.0f}"
    yield f"{seen.service_us:,.0f}" if through else ""
    yield f"{(seen.caller_us + through * seen.service_us) / direct.caller_us:.2f}"
    yield f"{seen.service_us / cell.tokens:.1f}" if through and cell.tokens else ""
    yield _target(cell, seen=seen, direct=direct) if through else ""


def _target(cell: Cell, *, seen: Figures, direct: Figures) -> str:
    """Which one holds for this row, and how far it is."""
    if not cell.tokens:
        return f"+{seen.p50 - direct.p50:.2f} of {MOST_ADDED_MS} ms" if cell.at_once == FEW else ""
    return f"{seen.calls_per_second * cell.tokens:,.0f} of {LEAST_TOKENS:,}/s"
