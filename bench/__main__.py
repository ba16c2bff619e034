"""What does a message cost, against what one would write oneself and against the machine? Prints ratios of one run.

python -m bench [--quick] [--only machine|baselines|mesh|growth|models|agent|rendering|sending]
"""

import argparse
import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import agent, database, growth, machine, models, outages, rendering, run, sending
from bench.systems import Baseline, ParleyMesh
from tests import postgres

SATURATED = run.Shape(messages=6000)
STEADY = run.Shape(messages=1500, rate=100.0, people_at_once=64)
QUICK = run.Shape(messages=1500)
BASELINE = run.Shape(messages=1200, people_at_once=64)
ALONE = {  # without a mesh
    "growth": (growth.show,),
    "models": (models.show,),
    "agent": (agent.show,),
    "rendering": (rendering.show,),
    "sending": (sending.show, outages.show),
}
SECTIONS = ("machine", "baselines", "mesh", *ALONE)


async def five_processes(shape: run.Shape, folder: Path, store: database.Store) -> list[run.Result]:
    return [await run.measure(ParleyMesh("parley, five processes", processes=True), shape, folder, store)]


async def one_process(shape: run.Shape, folder: Path, store: database.Store) -> list[run.Result]:
    return [await run.measure(ParleyMesh("parley, one process", processes=False), shape, folder, store)]


async def long_talks(shape: run.Shape, folder: Path, store: database.Store) -> list[run.Result]:
    """Each person says ten times as much: a turn brings what was said before."""
    shape = replace(shape, messages=2 * shape.messages, per_person=10 * shape.per_person)
    name = f"parley, five, talks of {2 * shape.per_person}"
    return [await run.measure(ParleyMesh(name, processes=True), shape, folder, store)]


async def baselines(folder: Path, store: database.Store) -> list[tuple[str, run.Result]]:
    usual = Baseline("FastAPI + background task + ORM", "bench.baselines.background", driver="postgresql+asyncpg://")
    durable = Baseline("FastAPI + procrastinate", "bench.baselines.durable", driver="postgresql://", workers=1)
    floor = Baseline("one process that remembers nothing", "bench.baselines.floor", driver="")
    compared = (("Postgres", usual, BASELINE), ("Postgres", durable, BASELINE), ("none", floor, SATURATED))
    return [(name, await run.measure(system, shape, folder, store)) for name, system, shape in compared]


def table(title: str, results: list[tuple[str, run.Result]]) -> Table:
    """Figures by system; the first row is 1.00 of the ratio."""
    drawn = Table(title=title, title_justify="left")
    heads = ("system", "database", "replies/s", "x first", "webhooks/s", "p50 ms", "p99 ms", "CPU us", "of database")
    for head in (*heads, "stmts", "bytes", "MiB", "lost/doubled/inverted"):
        drawn.add_column(head, justify="left" if head in ("system", "database") else "right")
    first = results[0][1].seen["replies_per_second"]
    for store, result in results:
        seen = result.seen
        drawn.add_row(
            result.system,
            store,
            f"{seen['replies_per_second']:,.0f}",
            f"{seen['replies_per_second'] / first:.2f}",
            f"{seen['webhooks_per_second']:,.0f}",
            f"{seen['webhook_p50_ms']:.1f}",
            f"{seen['webhook_p99_ms']:.1f}",
            f"{result.own_cpu_us:,.0f}",
            f"{result.cpu_us.get('postgres', 0):,.0f}",
            f"{result.statements:.2f}",
            f"{result.bytes_stored:,.0f}",
            f"{result.resident_mib:,.0f}",
            f"{seen['lost']:.0f}/{seen['doubled']:.0f}/{seen['inverted']:.0f}",
        )
    return drawn


def hops(results: list[tuple[str, run.Result]]) -> Table:
    """CPU microseconds per message, by process."""
    drawn = Table(title="CPU microseconds per message, by hop", title_justify="left")
    for head in ("system", "database", "hop", "CPU us"):
        drawn.add_column(head, justify="right" if head == "CPU us" else "left")
    for store, result in results:
        for name, spent in result.cpu_us.items():
            drawn.add_row(result.system, store, name, f"{spent:,.0f}")
    return drawn


async def compare(console: Console, folder: Path, *, quick: bool, only: str) -> None:
    """Every system in turn on the same machine, in one run."""
    saturated = QUICK if quick else SATURATED
    counted = {"shared_preload_libraries": "pg_stat_statements", "shared_buffers": "256MB"}
    with postgres.Cluster(fsync=True, options=counted) as cluster:
        await asyncio.to_thread(cluster.execute, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        server = database.PostgresCluster(cluster)
        file = database.SqliteFile(folder)
        if only in ("", "machine"):
            rows = (
                await machine.postgres_rows_per_second(cluster.server_url, 3),
                await machine.sqlite_rows_per_second(folder, 3),
            )
            console.print(f"machine: durable rows/s by group commit: Postgres {rows[0]:,.0f}, SQLite {rows[1]:,.0f}")
        if only in ("", "mesh", "baselines"):
            results: list[tuple[str, run.Result]] = []
            if only != "mesh":
                results += await baselines(folder, server)
            if only != "baselines":
                for store, name in ((server, "Postgres"), (file, "SQLite")):
                    results += [(name, r) for r in await one_process(saturated, folder, store)]
                    results += [(name, r) for r in await five_processes(saturated, folder, store)]
                results += [("Postgres", r) for r in await long_talks(saturated, folder, server)]
            console.print(table("saturated: each person waits for the answer, then writes again", results))
            console.print(hops(results))
        if only in ("", "mesh"):
            steady = await five_processes(STEADY, folder, server) + await one_process(STEADY, folder, server)
            console.print(table("100 messages a second", [("Postgres", r) for r in steady]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a quarter of the messages")
    parser.add_argument("--only", default="", choices=SECTIONS, help="one section")
    given = parser.parse_args()
    console = Console(width=180)
    if given.only not in ALONE:
        with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
            asyncio.run(compare(console, Path(folder), quick=given.quick, only=given.only))
    for name, shows in ALONE.items():
        for show in shows if given.only in ("", name) else ():
            show(console, quick=given.quick)


if __name__ == "__main__":
    main()
