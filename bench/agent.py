"""Does a turn cost the agent more when much was said before? CPU per turn without the model, by length of the history.

Against the same turn written straight against the store: see bench/baselines/straight.py. Ratios of one run; each
figure is the median of rounds that follow each other in turn. No more than HISTORY messages are shown to the model:
what was said before them should cost nothing.
"""

import asyncio
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from agent_service.settings import Settings
from bench import agent_own, instant_llm, talks
from bench.agent_own import Cost
from bench.agent_wire import Kind, Stand
from kit.process import calm_collector
from tests.simulated.wire import free_port

HISTORY: int = Settings.model_fields["agent_history"].default
ROUNDS, TURNS, OWN_TURNS = 7, 256, 400
WARM_TURNS = 2 * talks.PEOPLE
AGENT = Kind("agent, the process", "agent_service")
FRAMES = Kind("straight, in frames, the process", "bench.baselines.straight", {"BENCH_FRAMES": "1"})
EACH = Kind("straight, a call for each, the process", "bench.baselines.straight", {"BENCH_FRAMES": ""})
# What is measured, and what it is a multiple of.
AGAINST = {
    agent_own.OWN: agent_own.STRAIGHT,
    agent_own.STRAIGHT: "",
    agent_own.LEASE: "",
    AGENT.name: FRAMES.name,
    FRAMES.name: "",
    EACH.name: FRAMES.name,
}
Costs = Mapping[tuple[str, int], Cost]


def show(console: Console, *, quick: bool) -> None:
    """Prints one table. Filling the file takes some seconds."""
    rounds, turns = (3, 128) if quick else (ROUNDS, TURNS)
    once = talks.PEOPLE + WARM_TURNS + rounds * turns
    short = (talks.Talks(history, once) for history in (0, 50, HISTORY))
    lengths = (*short, talks.Talks(5_000, talks.PEOPLE))
    with tempfile.TemporaryDirectory(prefix="parley-bench-agent-") as folder:
        console.print(f"[dim]sqlite: filling {sum(each.history * each.chats for each in lengths):,} messages …[/dim]")
        talks.fill(Path(folder, "talks.db"), lengths)
        costs = asyncio.run(_measure(Path(folder), lengths, rounds=rounds, turns=turns))
    console.print(_table(costs, lengths))


async def _measure(folder: Path, lengths: tuple[talks.Talks, ...], *, rounds: int, turns: int) -> Costs:
    port = free_port()
    server, stands = await instant_llm.serve(port), list[Stand]()
    try:
        for number, kind in enumerate((AGENT, FRAMES, EACH)):
            stands.append(Stand(kind, folder=folder / f"{number}", llm_port=port))
            await stands[-1].open(folder / "talks.db")
        leased = {each.history: await stands[0].lease(each, history=HISTORY) for each in lengths}
        calm_collector()  # as the agent's process does
        own = await asyncio.to_thread(agent_own.measure, leased, rounds=rounds, turns=OWN_TURNS)
        return {**own, **await _wire(stands, lengths, rounds=rounds, turns=turns)}
    finally:
        for stand in stands:
            await stand.close()
        await server.stop(None)


async def _wire(stands: list[Stand], lengths: tuple[talks.Talks, ...], *, rounds: int, turns: int) -> Costs:
    spent = defaultdict[tuple[str, int], list[float]](list)
    for stand in stands:
        stand.start()
        for each in lengths:
            await stand.round(each, WARM_TURNS)
    for _ in range(rounds):
        for each in lengths:
            for stand in stands:
                spent[stand.kind.name, each.history].append(await stand.round(each, turns))
    return {key: Cost(statistics.median(figures)) for key, figures in spent.items()}


def _table(costs: Costs, lengths: tuple[talks.Talks, ...]) -> Table:
    drawn = Table(title=f"CPU of a turn without the model; {HISTORY} messages are asked for", title_justify="left")
    for head in ("what", "messages before", "p50 us", "p99 us", "x none before", "x straight"):
        drawn.add_column(head, justify="left" if head == "what" else "right")
    for name, against in AGAINST.items():
        for each in lengths:
            spent, other = costs[name, each.history], costs.get((against, each.history))
            drawn.add_row(
                name,
                f"{each.history:,}",
                f"{spent.median:,.0f}",
                f"{spent.tail:,.0f}" if spent.tail else "",
                f"{spent.median / costs[name, 0].median:.2f}",
                f"{spent.median / other.median:.2f}" if other else "",
            )
    return drawn
