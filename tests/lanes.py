"""Which tests run beside each other? `make test` has a process more than processors, and each takes the next lane.

A lane is a file, whose tests share what their module starts; the meshes are shared by many files, which are one lane.
What takes longest begins first, so that the processes end together. A plain `pytest` runs all in one, as ever.
"""

import os

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

MOST_PROCESSES = 4  # each has a Postgres and its own meshes, and deadlines are a part of what is tested
TOGETHER = ("tests/mesh/",)
LONGEST_FIRST = ("tests/mesh/", "tests/command/", "tests/browser/", "tests/clients/", "tests/suites/")


class Lanes(LoadScopeScheduling):  # type: ignore[misc]  # it comes without types
    """Whoever is done takes the next lane."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in TOGETHER if file.startswith(folder)), file)


@pytest.hookimpl(tryfirst=True)  # xdist registers its own later, and who is later is asked first
def pytest_xdist_auto_num_workers() -> int:
    """How many processes `-n auto` is: one more than processors, since some always wait. On one there is one."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(processors + 1, MOST_PROCESSES) if processors > 1 else 0


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Lanes:
    """Hands out lanes in the order in which the processes collected them."""
    config.option.loadscopereorder = False
    return Lanes(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a process of several: what takes longest is first."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _rank(item.nodeid))


def _rank(nodeid: str) -> int:
    return next((rank for rank, folder in enumerate(LONGEST_FIRST) if nodeid.startswith(folder)), len(LONGEST_FIRST))
