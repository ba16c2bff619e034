"""May a process have as many sockets as the system gives, and not only as many as a shell begins with?"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SERVICE = """
import resource
from kit import process
from kit.settings import Settings

async def serve(settings, lifetime):
    print(*resource.getrlimit(resource.RLIMIT_NOFILE))

process.run("storage", Settings, serve=serve)
"""
ASKS = """
import resource
from kit import open_files
open_files.MANY = (600, 300)
open_files.ask_for_many()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "given"),
    [
        pytest.param(256, 500, 500, id="all that the system gives"),
        pytest.param(256, 800, 600, id="no more than anybody needs"),
        pytest.param(700, 800, 700, id="never less than there is"),
        pytest.param(256, 256, 256, id="nothing where there is no more"),
    ],
)
def test_it_asks_for_as_many_as_it_may_have(soft: int, hard: int, given: int) -> None:
    assert limits(ASKS, soft=soft, hard=hard) == (given, hard)


def test_a_service_asks_at_its_start() -> None:
    assert limits(SERVICE, soft=256, hard=900) == (900, 900)


def limits(program: str, *, soft: int, hard: int) -> tuple[int, ...]:
    """What a program says of its limits whose shell began with these."""
    limited = f"ulimit -Sn {soft} && ulimit -Hn {hard} && exec {sys.executable} -c '{program}'"
    world = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'gen/python'}"}
    done = subprocess.run(["bash", "-c", limited], cwd=ROOT, env=world, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return tuple(map(int, done.stdout.split()))
