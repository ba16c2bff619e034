"""Did the machine stand still while a test ran? Such a failure proves nothing, and the test runs again, said so aloud.

A thread looks at the clock every 20 ms, and the kernel counts what a neighbour on the host took (`steal`). Deadlines
are a part of what is tested, and no process keeps one that does not run. A test that fails while the machine runs has
failed. What was imported is frozen, since a full collection of it stops the world itself. A disk that stands still is
seen by nobody: what tests write stays in memory, where there is room.
"""

import gc
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

LOOK_SECONDS = 0.02
STOOD_STILL_SECONDS = 0.4
# Ends a test that hangs, and is no part of what is tested: a disk has kept who writes to it waiting for 15 s.
PATIENCE_SECONDS = 60.0
SHORT_PATIENCE_SECONDS = 20.0  # the same, where nothing is written to a disk and one fault would hang many tests
RERUNS = 2
KERNEL = Path("/proc/stat")
MEMORY, LEAST_FREE_BYTES = Path("/dev/shm"), 2 * 1024**3
FOLDERS = "PYTEST_DEBUG_TEMPROOT"  # where pytest makes them; whoever sets it chooses


class Watch:
    """How long the longest stand-still was since a test began, seconds."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.since_steal = stolen_seconds()
        self.looked = time.monotonic()
        threading.Thread(target=self._look, name="stalls", daemon=True).start()

    def began(self) -> None:
        """A test begins."""
        self.longest, self.since_steal = 0.0, stolen_seconds()

    def stood_still(self) -> bool:
        """Whether this process, or its machine, did not run for a while since then.

        A test may run on, and fail, before the thread that looks does: what it has not seen yet counts, too.
        """
        unseen = time.monotonic() - self.looked - LOOK_SECONDS
        return max(self.longest, unseen, stolen_seconds() - self.since_steal) >= STOOD_STILL_SECONDS

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            now = time.monotonic()
            self.longest, self.looked = max(self.longest, now - self.looked - LOOK_SECONDS), now


def stolen_seconds() -> float:
    """What a host gave to others while this machine wanted to run, per processor; 0 where no kernel says it."""
    if not KERNEL.exists():
        return 0.0
    columns = KERNEL.read_text().splitlines()[0].split()
    return int(columns[8]) / os.sysconf("SC_CLK_TCK") / (os.cpu_count() or 1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every test may run again, on this one condition."""
    watch = config.stash[WATCH]
    for item in items:
        item.add_marker(pytest.mark.flaky(reruns=RERUNS, condition=watch.stood_still))


def memory() -> Path | None:
    """Where files stay in memory, if there is room: a disk takes several times as long to copy a database."""
    has_room = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > LEAST_FREE_BYTES
    return MEMORY if has_room else None


def pytest_configure(config: pytest.Config) -> None:
    """Looks from the start, and gives tests their folders: some run programs there, which not every mount allows."""
    config.stash[WATCH] = Watch()
    if (room := memory()) and not os.statvfs(room).f_flag & os.ST_NOEXEC:
        os.environ.setdefault(FOLDERS, str(room))


def pytest_collection_finish() -> None:
    """What was imported stays: no collection walks through it again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Each attempt is judged on its own time."""
    item.config.stash[WATCH].began()
    yield


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names what ran again."""
    again = terminalreporter.stats.get("rerun", [])
    for report in again:
        terminalreporter.write_line(f"ran again, since the machine stood still: {report.nodeid}")


WATCH = pytest.StashKey[Watch]()
