"""Does a message cost more when much is stored? Storage alone: from 10 k to 1 M messages, 1 k to 100 k chats, one hot.

The first row of each database is 1.00. One caller at a time shows what group commit gives.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench import storage
from bench.storage_rows import fill
from kit.process import fastest_loop
from storage_service.backends import schema

SECONDS = 4.0
CALLERS = 128


@dataclass(frozen=True, slots=True)
class Stored:
    """What a database holds before, and who then writes: (label, chats, callers)."""

    messages: int
    conversations: int
    runs: tuple[tuple[str, int, int], ...]
    hot: int = 0


SIZES = (
    Stored(
        10_000,
        1_000,
        (
            ("1 k chats write", 1_000, CALLERS),
            ("one caller: no group commit", 1_000, 1),
        ),
    ),
    Stored(
        1_000_000,
        100_000,
        (
            ("1 k chats write", 1_000, CALLERS),
            ("100 k chats write", 100_000, CALLERS),
        ),
    ),
    Stored(10_000, 1_000, (("and one chat with 10,000 waiting", 1_000, CALLERS),), hot=10_000),
)


def show(console: Console, *, quick: bool) -> None:
    """Prints one table for both databases. Filling a million takes a minute or two."""
    drawn = Table(title="storage as it grows: accept, lease, commit, send, record", title_justify="left")
    for head in ("database", "stored before", "messages/s", "own CPU us", "database CPU us", "x first"):
        drawn.add_column(head, justify="left" if head in ("database", "stored before") else "right")
    for kind in ("postgres", "sqlite"):
        first = 0.0
        for size in SIZES:
            messages = min(size.messages, 50_000) if quick else size.messages
            console.print(f"[dim]{kind}: filling {messages:,} messages …[/dim]")
            for label, outcome in _measure(kind, size, messages=messages):
                micros = 1e6 / outcome.messages
                own, database = outcome.own_cpu_seconds * micros, outcome.database_cpu_seconds * micros
                first = first or own + database
                rate, ratio = f"{outcome.messages / outcome.seconds:,.0f}", f"{(own + database) / first:.2f}"
                drawn.add_row(kind, f"{messages:,} messages, {label}", rate, f"{own:,.0f}", f"{database:,.0f}", ratio)
    console.print(drawn)


def _measure(kind: str, size: Stored, *, messages: int) -> Iterator[tuple[str, storage.Outcome]]:
    with storage.a_database(kind) as (url, pid):
        asyncio.run(schema.migrate(url))
        asyncio.run(fill(url, messages=messages, conversations=size.conversations, hot=size.hot))
        for label, conversations, callers in size.runs:
            work = storage.measure(url, conversations=conversations, callers=callers, seconds=SECONDS, database_pid=pid)
            with asyncio.Runner(loop_factory=fastest_loop()) as runner:
                yield label, runner.run(work)
