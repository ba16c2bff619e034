"""Does `parley up` run the mesh, in one process and in five, say so, and end without leaving anything behind?"""

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Mesh, running_mesh
from tests.simulated.wire import free_port
from tests.stalls import PATIENCE_SECONDS

MOST_RESIDENT_KB = 250 * 1024
MOST_START_SECONDS = (
    10.0  # five are promised on a machine of one's own; tests share theirs, so waiting for it is no part
)


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    with running_mesh(tmp_path_factory.mktemp("one")) as mesh:
        yield mesh


def test_the_banner_says_where_it_is_and_which_model_answers(mesh: Mesh) -> None:
    mesh.wait_until(lambda: "ready " in mesh.log)
    assert f"web chat  http://localhost:{mesh.http_port}" in mesh.log
    assert str(mesh.folder / "data") in mesh.log
    assert "model     echo" in mesh.log


def test_it_is_ready_soon_and_small(mesh: Mesh) -> None:
    mesh.wait_until(lambda: "ready " in mesh.log)
    took = re.search(r"ready +after ([0-9.]+) s", mesh.log)
    assert took
    assert float(took[1]) - _kept_waiting_seconds(mesh.process.pid) < MOST_START_SECONDS
    assert _resident_kb(mesh.process.pid) < MOST_RESIDENT_KB


def test_what_is_typed_in_the_terminal_is_answered(mesh: Mesh) -> None:
    assert "from the terminal" in mesh.command("chat", stdin="hello from the terminal\n")


def test_all_that_a_pipe_says_is_answered_before_it_ends(mesh: Mesh) -> None:
    told = mesh.command("chat", stdin="first of three\nsecond of three\nthird of three\n")
    assert all(f"{which} of three" in told for which in ("first", "second", "third"))


def test_the_turn_and_its_delivery_are_listed(mesh: Mesh) -> None:
    mesh.command("chat", stdin="and listed\n")
    assert "replied" in mesh.command("turns", "--state", "replied")
    assert "delivery" in mesh.command("deliveries").splitlines()[0]


def test_doctor_finds_every_service_and_that_an_echo_answers(mesh: Mesh) -> None:
    done = mesh.run("doctor", "--json")
    found = {each["about"]: each for each in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1
    assert {name: found[name]["level"] for name in ("storage", "agent", "llm", "sender", "gateway")} == dict.fromkeys(
        ("storage", "agent", "llm", "sender", "gateway"), "ok"
    )
    assert found["model"]["level"] == "look"
    assert "Ollama" in found["model"]["fix"]
    assert found["database"]["level"] == "ok"
    assert "deploy/prometheus/rules.yaml" in found["metrics"]["found"]


def test_a_second_mesh_on_the_same_port_is_told_so_in_one_line(mesh: Mesh) -> None:
    done = mesh.run("up")
    assert done.returncode == 2
    assert f"port {mesh.http_port}" in done.stderr.splitlines()[0]
    assert "--http-port" in done.stderr.splitlines()[1]


def test_a_second_storage_on_the_same_file_is_told_so_in_one_line(mesh: Mesh) -> None:
    by_another_name = mesh.folder / "link.db"
    by_another_name.symlink_to(mesh.folder / "data" / "parley.db")
    for file in (mesh.folder / "data" / "parley.db", by_another_name):
        done = mesh.run(
            "serve", "storage", DATABASE_URL=f"sqlite:///{file}", STORAGE_ADDRESS=f"127.0.0.1:{free_port()}"
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert "another storage is at work on this file, which takes one; stop that one" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert "told of it" in mesh.command("chat", stdin="told of it\n")


def test_a_sent_webhook_of_an_account_that_is_not_there_says_what_to_do(mesh: Mesh) -> None:
    twilio = {
        "TWILIO_ACCOUNT_SID": "AC" + "1" * 32,
        "TWILIO_AUTH_TOKEN": "token-that-only-we-have",
        "TWILIO_WHATSAPP_NUMBER": "whatsapp:+14155238886",
    }
    other = Mesh(mesh.folder, mesh.http_port, {**mesh.environment, **twilio}, mesh.process)
    done = other.run("send", "whatsapp", "hello")
    assert done.returncode == 1
    assert "fix: " in done.stdout


@pytest.mark.parametrize("options", [(), ("--processes",)], ids=["one process", "five processes"])
def test_a_database_that_cannot_be_used_ends_it_with_one_line(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "diary.txt").write_text("Dear diary, this is no database, and has never been one.")
    with (
        pytest.raises(AssertionError, match="parley up ended"),
        running_mesh(tmp_path, *options, DATABASE_URL=f"sqlite:///{tmp_path / 'diary.txt'}") as mesh,
    ):
        pytest.fail(f"it is ready: {mesh.log}")
    log = (tmp_path / "log").read_text()
    assert [line for line in log.splitlines() if "it is no SQLite database; move it away, or name another" in line]
    assert log.count("it is no SQLite database") == 1
    assert "Traceback" not in log
    started = [json.loads(line)["pid"] for line in log.splitlines() if '"process.started"' in line]
    assert [pid for pid in started if _runs(pid)] == []


def test_five_processes_outlive_the_death_of_one_and_end_with_their_parent(tmp_path: Path) -> None:
    with running_mesh(tmp_path, "--processes") as mesh:
        first = _pid_of(mesh, "storage")
        os.kill(first, signal.SIGKILL)
        mesh.wait_until(lambda: _pid_of(mesh, "storage") != first)
        mesh.wait_until(lambda: "after the death" in mesh.run("chat", stdin="after the death\n").stdout)
        everybody = [_pid_of(mesh, name) for name in ("storage", "agent", "llm", "sender", "gateway")]
    assert [pid for pid in everybody if _runs(pid)] == []


def test_a_signal_to_each_process_at_once_ends_them_and_is_nobodys_death(tmp_path: Path) -> None:
    """As systemd sends it to all of a unit."""
    with running_mesh(tmp_path, "--processes") as mesh:
        everybody = [_pid_of(mesh, name) for name in ("storage", "agent", "llm", "sender", "gateway")]
        for pid in (mesh.process.pid, *everybody):
            os.kill(pid, signal.SIGTERM)
        assert mesh.process.wait(timeout=PATIENCE_SECONDS) == 0
        assert '"process.ended"' in mesh.log
        assert "process.died" not in mesh.log
        assert '"level":"error"' not in mesh.log


def test_services_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    with running_mesh(tmp_path, "--processes") as mesh:
        everybody = [_pid_of(mesh, name) for name in ("storage", "agent", "llm", "sender", "gateway")]
        mesh.process.kill()
        mesh.process.wait()
        mesh.wait_for(lambda: not any(_runs(pid) for pid in everybody), seconds=PATIENCE_SECONDS)


def _pid_of(mesh: Mesh, service: str) -> int:
    started = [json.loads(line) for line in mesh.log.splitlines() if '"process.started"' in line]
    pids: list[int] = [each["pid"] for each in started if each["service"] == service]
    return pids[-1]


def _kept_waiting_seconds(pid: int) -> float:
    """How long it wanted a processor and others had it, if the kernel says so."""
    told = Path(f"/proc/{pid}/schedstat")
    return int(told.read_text().split()[1]) / 1e9 if told.exists() else 0.0


def _resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def _runs(pid: int) -> bool:
    """A zombie whose parent was killed is the init process's to bury, and does not run."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
