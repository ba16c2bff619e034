"""How do five services run as one mesh, in one process or in five, and how do they end?

They end against the arrows: first the gateway, which takes new work, and last storage, which everybody writes to.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable
from itertools import groupby
from typing import Any

from kit import local, logs
from kit.command import services
from kit.command.screen import Mistake, complain
from kit.command.services import SERVICES, Service
from kit.lifetime import Lifetime
from kit.monitoring import Monitoring
from kit.process import WRONG_SETTING
from kit.settings import SettingsError

DRAIN_SECONDS = 25.0  # for one rank of services; what is not done by then is done again after the next start
FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 15.0
ORDERLY = (0, -signal.SIGTERM)  # drained, or told to end before it could listen to that
STEADY_SECONDS = 10.0  # a process that lived this long starts again with the first backoff

WhenReady = Callable[[], Coroutine[Any, Any, None]]


async def run_here(settings: dict[str, Any], when_ready: WhenReady) -> int:
    """Runs all services in this process; returns the exit code. Any of them ending by itself ends the mesh."""
    lifetimes = {service.name: Lifetime() for service in SERVICES}
    with local.share():
        running = {
            each.name: asyncio.create_task(services.serve_of(each)(settings[each.name], lifetimes[each.name]))
            for each in SERVICES
        }
    monitoring = Monitoring(lifetimes["gateway"], "gateway")  # the last of the arrows: ready when it is
    await monitoring.start(settings["gateway"].metrics_host, settings["gateway"].metrics_port)
    stopping = _stop_on_signals()
    ready = asyncio.create_task(_when_all_ready(lifetimes, when_ready))
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait([*running.values(), waiting], return_when=asyncio.FIRST_COMPLETED)
    fallen = [name for name, task in running.items() if task.done()]
    for task in (ready, waiting):
        task.cancel()
    await _drain((lifetimes[each.name].stop, running[each.name], each) for each in SERVICES)
    await monitoring.close()
    return _report(running, fallen)


async def run_apart(options: dict[str, list[str]], when_ready: WhenReady) -> int:
    """Runs each service in a process of its own, started again when it dies; returns the exit code.

    One that refuses its settings as it is first started ends the mesh: they are the same the next time.
    """
    stopping = _stop_on_signals()
    keepers = {each.name: Keeper(each, options[each.name], ending=stopping) for each in SERVICES}
    running = {name: asyncio.create_task(keeper.keep()) for name, keeper in keepers.items()}
    ready, waiting = asyncio.create_task(when_ready()), asyncio.create_task(stopping.wait())
    await asyncio.wait([*running.values(), waiting], return_when=asyncio.FIRST_COMPLETED)
    refused = [name for name, task in running.items() if task.done()]
    for task in (ready, waiting):
        task.cancel()
    await _drain((keepers[each.name].stop, running[each.name], each) for each in SERVICES)
    for name in refused:
        complain(Mistake(f"{name} refuses its settings; its line above says which, and why", fix="parley doctor"))
    return WRONG_SETTING if refused else 0


class Keeper:
    """Keeps one service running as a process."""

    def __init__(self, service: Service, options: list[str], *, ending: asyncio.Event) -> None:
        """`ending`: set when the whole mesh was told to."""
        self._service = service
        self._ending = ending
        self._command = (
            sys.executable,
            "-m",
            "kit.command",
            "serve",
            service.name,
            *options,
            f"--parent={os.getpid()}",
        )
        self._stopping = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    async def keep(self) -> None:
        """Starts it again, ever more patiently, until stop; or until it refuses its settings at its first start."""
        log = logs.get("mesh")
        is_first = True
        backoff = FIRST_BACKOFF_SECONDS
        clock = asyncio.get_running_loop().time
        while not self._stopping.is_set():
            began = clock()
            # A session of its own: Ctrl-C reaches us alone, and we end them in order.
            self._process = await asyncio.create_subprocess_exec(*self._command, start_new_session=True)
            log.info("process.started", service=self._service.name, pid=self._process.pid)
            code = await self._process.wait()
            if self._stopping.is_set() or (is_first and code == WRONG_SETTING):
                return
            is_first = False
            backoff = FIRST_BACKOFF_SECONDS if clock() - began > STEADY_SECONDS else backoff
            # systemd tells each process of a unit to end, not us alone. Who still drains needs it again until its turn.
            is_told = self._ending.is_set() and code in ORDERLY
            say, event = (log.info, "process.ended") if is_told else (log.error, "process.died")
            say(event, service=self._service.name, code=code, restart_seconds=backoff)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), backoff)
            backoff = min(backoff * 2, LONGEST_BACKOFF_SECONDS)

    def stop(self) -> None:
        """Asks the process to drain."""
        self._stopping.set()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, how: signal.Signals) -> None:
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(how)


async def _when_all_ready(lifetimes: dict[str, Lifetime], when_ready: WhenReady) -> None:
    await asyncio.gather(*(lifetime.wait_ready([name]) for name, lifetime in lifetimes.items()))
    await when_ready()


async def _drain(parts: Iterable[tuple[Callable[[], None], "asyncio.Task[None]", Service]]) -> None:
    """Stops rank after rank; one that does not end in time is cut."""
    for _rank, members in groupby(sorted(parts, key=lambda part: part[2].leaves), key=lambda part: part[2].leaves):
        tasks = []
        for stop, task, _service in members:
            stop()
            tasks.append(task)
        _done, late = await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


def _report(running: dict[str, "asyncio.Task[None]"], fallen: list[str]) -> int:
    """Names what ended by itself, or failed while it drained. Cancelled is what we cut ourselves."""
    log = logs.get("mesh")
    failed = 1 if fallen else 0
    for name, task in running.items():
        error = None if task.cancelled() else task.exception()
        if isinstance(error, SettingsError):
            complain(Mistake(f"{name}: {error}", fix="parley doctor"))
            failed = WRONG_SETTING
        elif error is not None:
            log.error("service.failed", service=name, exc_info=error)
            failed = failed or 1
        elif name in fallen:
            log.error("service.ended", service=name)
    return failed


def _stop_on_signals() -> asyncio.Event:
    """SIGINT and SIGTERM end the mesh in order; a second Ctrl-C ends it at once."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        loop.remove_signal_handler(signal.SIGINT)

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop)
    return stopping
