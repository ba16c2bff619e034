"""What did a way of asking cost? Rounds of it, by turns with the others, and the median of each figure."""

import asyncio
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields

from bench import cost, token_streams
from bench.model_calls import SAID, Heard, Way

WARM_SECONDS = 0.3
# Callers begin one after the other within this time: tokens of real models do not come in step.
BEGIN_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Cell:
    """One load, and the ways that it is put through, the direct one first."""

    label: str
    model: str
    at_once: int
    ways: Mapping[str, Way]
    tokens: int = 0  # of one stream; 0: whole answers

    @property
    def answer(self) -> str:
        return token_streams.TEXT if self.tokens else f"re: {SAID}"


@dataclass(frozen=True, slots=True)
class Figures:
    """What one way came to, in one round or as the median of several. Times of a call in ms, CPU of a call in us."""

    calls_per_second: float
    p50: float
    p99: float
    first_text: float
    caller_us: float
    service_us: float


async def compared(cell: Cell, pid: int, *, rounds: int, seconds: float) -> dict[str, Figures]:
    """Every way in turn, again and again, so that what else the machine does meets all of them."""
    found: dict[str, list[Figures]] = {name: [] for name in cell.ways}
    for way in cell.ways.values():
        await _round(cell, way, pid=pid, seconds=WARM_SECONDS)
    for _ in range(rounds):
        for name, way in cell.ways.items():
            found[name].append(await _round(cell, way, pid=pid, seconds=seconds))
    return {name: _median(each) for name, each in found.items()}


def _median(found: list[Figures]) -> Figures:
    return Figures(*(statistics.median(getattr(each, field.name) for each in found) for field in fields(Figures)))


async def _round(cell: Cell, way: Way, *, pid: int, seconds: float) -> Figures:
    """As many callers at once as the cell says; each asks again until the time is over."""
    took: list[float] = []
    first: list[float] = []
    before, own, began = cost.of_process(pid), time.process_time(), time.perf_counter()

    async def caller(number: int) -> None:
        await asyncio.sleep(BEGIN_SECONDS * number / cell.at_once)
        while (asked_at := time.perf_counter()) < began + seconds:
            heard = await way(cell.model)
            took.append(time.perf_counter() - asked_at)
            first.append(heard.first_at - asked_at)
            _check(cell, heard)

    await asyncio.gather(*(caller(number) for number in range(cell.at_once)))
    wall, own, calls = time.perf_counter() - began, time.process_time() - own, len(took)
    spent = cost.of_process(pid).since(before)
    return Figures(
        calls_per_second=calls / wall,
        p50=statistics.median(took) * 1e3,
        p99=sorted(took)[int(0.99 * (calls - 1))] * 1e3,
        first_text=statistics.median(first) * 1e3,
        caller_us=own / calls * 1e6,
        service_us=spent / calls * 1e6,
    )


def _check(cell: Cell, heard: Heard) -> None:
    """A fast answer that is not the answer is worth nothing."""
    if heard.text != cell.answer:
        raise SystemExit(f"{cell.label}: the answer is not what the model said: {heard.text[:80]!r}")
