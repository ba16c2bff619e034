"""What does `parley models pull` do? Has a server fetch a model; shows a bar per layer, or plain lines in a pipe."""

import asyncio
import sys
from collections.abc import AsyncIterable

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from kit.command import model_calls
from kit.command.model_calls import Asked
from kit.command.screen import say
from parley.llm.v1.model_pb2 import PullModelRequest, PullModelResponse

MOST_SECONDS = 24 * 3600.0
STEP_PERCENT = 10  # how often a pipe hears of a layer
DONE = "success"  # which we say ourselves
SHORT = 12  # characters of a digest that tell layers apart


async def pull(name: str, backend: str) -> None:
    """Returns when the model is there."""
    shown = _Bars() if _is_a_screen() else _Lines()
    try:
        async with model_calls.service(Asked(name, backend, pulling=True)) as llm:
            steps = llm.PullModel(PullModelRequest(model=name, backend=backend), timeout=MOST_SECONDS)
            await _show(steps, shown)
    except asyncio.CancelledError:
        say("stopped; layers that are complete stay, and the same command goes on from there")
        raise
    say(f"{name} is there; try it: parley models test {name}", "green")


class _Bars:
    """For a person: a bar for each layer, and a line for what is done between them."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(highlight=False))
        self._layers: dict[str, TaskID] = {}
        self._status = ""

    def begin(self) -> None:
        self._progress.start()

    def end(self) -> None:
        self._progress.stop()

    def show(self, step: PullModelResponse) -> None:
        if not step.layer:
            if step.status != self._status:
                self._progress.console.print(step.status, markup=False)
            self._status = step.status
            return
        if step.layer not in self._layers:
            self._layers[step.layer] = self._progress.add_task(escape(_short(step.layer)), total=None)
        total = step.total_bytes or None
        self._progress.update(self._layers[step.layer], completed=step.completed_bytes, total=total)


class _Lines:
    """For a pipe: a line for each status, and for each tenth of a layer."""

    def __init__(self) -> None:
        self._status = ""
        self._percent: dict[str, int] = {}

    def begin(self) -> None:
        """Nothing is drawn."""

    def end(self) -> None:
        """Nothing was drawn."""

    def show(self, step: PullModelResponse) -> None:
        if not step.layer:
            if step.status != self._status:
                say(step.status)
            self._status = step.status
        elif step.total_bytes:
            done = 100 * step.completed_bytes // step.total_bytes
            percent = done - done % STEP_PERCENT
            if percent != self._percent.get(step.layer):
                say(f"{_short(step.layer)} {percent} % of {step.total_bytes} bytes")
            self._percent[step.layer] = percent


async def _show(steps: AsyncIterable[PullModelResponse], shown: _Bars | _Lines) -> None:
    shown.begin()
    try:
        async for step in steps:
            if step.status != DONE:
                shown.show(step)
    finally:
        shown.end()


def _is_a_screen() -> bool:
    return sys.stdout.isatty() and not Console().is_dumb_terminal


def _short(layer: str) -> str:
    return layer.rpartition(":")[2][:SHORT]
