"""Does every test run once, and in company that it can bear, when several processes share them?"""

import os
import subprocess
import sys
from pathlib import Path

from tests import lanes

ROOT = Path(__file__).resolve().parents[2]
TELLS = """
import os

def test_one(tmp_path_factory):
    told = tmp_path_factory.getbasetemp().parents[1] / f"{os.environ['PYTEST_XDIST_WORKER']}-{__file__.split('/')[-2]}"
    told.open("a").write("x")

def test_two():
    assert __file__.endswith("test_a.py")
"""

COUNTS = """
import os

def test_it():
    print("of", os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0"))
    assert False
"""


def test_several_processes_run_each_test_once_tell_one_result_and_share_the_meshes_with_nobody(tmp_path: Path) -> None:
    for folder in ("mesh", "unit"):
        (tmp_path / "tests" / folder).mkdir(parents=True)
        for name in ("a", "b"):
            (tmp_path / "tests" / folder / f"test_{name}.py").write_text(TELLS)
    (tmp_path / "run").mkdir()
    plugins = ("-p", "tests.stalls", "-p", "tests.lanes", "-n", "2", "--import-mode", "importlib")
    command = [sys.executable, "-m", "pytest", *plugins, "-c", "/dev/null", "--rootdir", ".", "--basetemp", "run/once"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [*command, "tests"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1, done.stdout
    assert "2 failed, 6 passed" in done.stdout.splitlines()[-1], done.stdout
    assert "FAILED tests/mesh/test_b.py::test_two" in done.stdout
    told = list((tmp_path / "run").glob("gw*"))
    assert sum(len(each.read_text()) for each in told) == 4, told
    assert len([each for each in told if each.name.endswith("-mesh")]) == 1, told


def test_as_many_processes_run_as_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "test_count.py").write_text(COUNTS)
    command = [sys.executable, "-m", "pytest", "-p", "tests.lanes", "-n", "auto", "-c", "/dev/null", "--rootdir", "."]
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert f"of {lanes.pytest_xdist_auto_num_workers()}" in done.stdout.splitlines(), done.stdout
