"""Does a test run again when the machine stood still, and only then?"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.stalls import FOLDERS, STOOD_STILL_SECONDS, Watch, memory

ROOT = Path(__file__).resolve().parents[2]
STANDS_STILL = """
import gc, signal, os, subprocess, sys, time

def test_it(tmp_path_factory):
    tries = tmp_path_factory.getbasetemp().parent / "tries"
    tries.open("a").write("x")
    if {stalled}:
        me = f"os.kill({{os.getpid()}}, signal."
        stop = f"import os, signal, time; {{me}}SIGSTOP); time.sleep(1); {{me}}SIGCONT)"
        subprocess.run([sys.executable, "-c", stop])
    assert len(tries.read_text()) > {enough}
"""


@pytest.mark.parametrize(
    ("stalled", "enough", "said"),
    [(True, 1, "1 passed, 1 rerun"), (True, 9, "1 failed, 2 rerun"), (False, 1, "1 failed")],
    ids=["passes at last", "fails at last", "nothing stood still"],
)
def test_a_failure_counts_unless_the_machine_stood_still(stalled: bool, enough: int, said: str, tmp_path: Path) -> None:
    tried = tmp_path / "test_tried.py"
    tried.write_text(STANDS_STILL.format(stalled=stalled, enough=enough))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.stalls",
        "-c",
        "/dev/null",
        "--basetemp",
        "run/once",
        "test_tried.py",
    ]
    (tmp_path / "run").mkdir()
    told = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert said in told.stdout.splitlines()[-1], told.stdout
    assert ("ran again, since the machine stood still: test_tried.py::test_it" in told.stdout) is stalled


def test_a_stand_still_counts_before_the_thread_that_looks_has_run_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watch, "_look", lambda _watch: None)
    monkeypatch.setattr("tests.stalls.stolen_seconds", lambda: 0.0)
    watch = Watch()
    watch.began()
    assert not watch.stood_still()
    watch.looked = time.monotonic() - STOOD_STILL_SECONDS - 0.1
    assert watch.stood_still()


@pytest.mark.parametrize("chosen", [False, True])
def test_what_tests_write_stays_in_memory_where_there_is_room_and_nobody_chose_otherwise(
    chosen: bool, tmp_path: Path
) -> None:
    tried = tmp_path / "test_tried.py"
    tried.write_text("def test_it(tmp_path):\n    print('HERE', tmp_path)\n")
    room = memory()
    may_run = room is not None and not os.statvfs(room).f_flag & os.ST_NOEXEC
    wanted = str(tmp_path) if chosen else str(room) if may_run else tempfile.gettempdir()
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-s", "-p", "tests.stalls", "-c", "/dev/null", "test_tried.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)} | ({FOLDERS: str(tmp_path)} if chosen else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"HERE {wanted}/pytest-of-" in told.stdout, told.stdout
