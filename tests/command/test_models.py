"""Do `parley models`, `models test` and `models pull` say what a person wants to know, through a mesh as it runs?"""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command.model_servers import Registry, serving
from tests.running import Mesh, running_mesh
from tests.simulated.ollama import Ollama
from tests.simulated.wire import free_port
from tests.stalls import PATIENCE_SECONDS

MODELS = """
default = "chat"
[backends.local]
kind = "ollama"
base_url = "{well}"
[backends.broken]
kind = "ollama"
base_url = "{ill}"
[backends.registry]
kind = "ollama"
base_url = "{registry}"
[backends.cloud]
kind = "openai"
base_url = "http://127.0.0.1:{nobody}/v1"
offers_all = false
[models.chat]
backend = "local"
name = "llama3.2:latest"
window_tokens = 8192
input_price = 2.5
output_price = 10.0
[models.frail]
backend = "broken"
name = "llama3.2:latest"
fallbacks = ["chat"]
[models.alone]
backend = "broken"
name = "other:latest"
[models.away]
backend = "cloud"
[models.absent]
backend = "local"
name = "qwen9"
"""


@dataclass(frozen=True)
class World:
    mesh: Mesh
    registry: Registry

    def rows(self) -> dict[str, dict[str, str]]:
        head, *rows = [line.split("\t") for line in self.mesh.command("models").splitlines() if "\t" in line]
        return {row[1]: dict(zip(head, row, strict=True)) for row in rows}

    def refused(self, *words: str) -> tuple[str, str]:
        """What went wrong, and the fix: two lines, and the code 1."""
        done = self.mesh.run(*words)
        lines = done.stderr.splitlines()
        assert done.returncode == 1, done.stdout + done.stderr
        assert len(lines) == 2, done.stderr
        return lines[0], lines[1]

    def findings(self) -> dict[str, dict[str, str]]:
        return {each["about"]: each for each in json.loads(self.mesh.run("doctor", "--json").stdout)["findings"]}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("models")
    well, ill, registry = Ollama(), Ollama(mode="500"), Registry()
    with serving(well, ill, registry):
        urls = {"well": well.base_url, "ill": ill.base_url, "registry": registry.base_url}
        (folder / "models.toml").write_text(MODELS.format(**urls, nobody=free_port()))
        with running_mesh(folder, DEFAULT_MODEL="", LLM_RECHECK_SECONDS="0.2") as mesh:
            yield World(mesh, registry)


def test_every_model_is_listed_with_its_state_and_terms_and_the_default_is_marked(world: World) -> None:
    rows = world.rows()
    chat = rows["chat"]
    assert (chat["default"], chat["backend"], chat["state"]) == ("*", "local", "ready")
    assert (chat["window"], chat["in/1M"], chat["out/1M"]) == ("8192", "2.5", "10")
    assert (rows["frail"]["fallbacks"], rows["frail"]["in/1M"], rows["frail"]["default"]) == ("chat", "", "")
    assert (rows["absent"]["state"], rows["away"]["state"]) == ("missing", "unreachable")
    assert world.mesh.command("models").splitlines()[-1].endswith("answers with chat, as models.toml says.")


def test_a_program_gets_the_same_as_json(world: World) -> None:
    listed = json.loads(world.mesh.command("models", "--json"))
    chat = next(each for each in listed["models"] if each["name"] == "chat")
    assert listed["default_model"] == "chat"
    assert chat["default"] is True
    assert (chat["state"], chat["input_price"], chat["window_tokens"]) == ("ready", 2.5, 8192)


def test_a_model_that_is_tried_out_answers_and_says_what_it_took(world: World) -> None:
    said = world.mesh.command("models", "test", "chat", "--text", "hello world")
    assert said.startswith("re: hello world\n")
    facts = {line.split()[0]: line for line in said.splitlines() if line.startswith("  ")}
    assert "chat at local" in facts["model"]
    assert "stop" in facts["finish"]
    assert facts["attempts"].endswith(" 1")
    assert "read" in facts["tokens"]
    assert "tokens/s" in facts["speed"]
    assert "prices of models.toml" in facts["cost"]
    assert {"first", "total"} <= set(facts)


def test_without_a_name_the_default_is_tried_out(world: World) -> None:
    assert "chat at local" in world.mesh.command("models", "test")


def test_a_model_that_was_passed_over_is_named_with_its_reason(world: World) -> None:
    said = world.mesh.command("models", "test", "frail")
    assert "chat at local" in said
    (passed,) = [line for line in said.splitlines() if "passed over" in line]
    assert "frail at broken" in passed
    assert "MODEL_UNAVAILABLE" in passed or "MODEL_PAUSED" in passed


def test_a_model_that_fails_is_one_line_and_its_fix_and_is_then_paused(world: World) -> None:
    what, fix = world.refused("models", "test", "alone")
    assert "alone: The model server answered 500. (MODEL_UNAVAILABLE)" in what
    assert "fix: start its server" in fix
    assert world.rows()["alone"]["state"].startswith("paused, again in ")
    what, fix = world.refused("models", "test", "alone")
    assert "(MODEL_PAUSED)" in what
    assert " Again in " in what
    found = world.findings()
    assert found["model"]["level"] == "ok"
    assert found["models"]["level"] == "look"
    assert "alone is paused" in found["models"]["found"]


def test_a_name_with_wrong_spelling_suggests_the_nearest(world: World) -> None:
    what, fix = world.refused("models", "test", "lama3.2")
    assert "lama3.2" in what
    assert "did you mean llama3.2?" in fix
    assert "did you mean local?" in world.refused("models", "pull", "phi4", "--backend", "lcal")[1]


def test_a_model_that_its_server_does_not_have_says_so(world: World) -> None:
    what, fix = world.refused("models", "test", "absent")
    assert "(MODEL_UNKNOWN)" in what
    assert "parley models pull" in fix


def test_a_fetched_model_is_shown_in_plain_lines_and_listed(world: World) -> None:
    said = world.mesh.command("models", "pull", "phi4", "--backend", "registry").splitlines()
    assert said[0] == "pulling manifest"
    assert "a1b2c3d4e5f6 50 % of 2019377376 bytes" in said
    assert said[-1] == "phi4 is there; try it: parley models test phi4"
    assert world.rows()["phi4:latest"]["backend"] == "registry"


def test_on_a_terminal_a_layer_is_a_bar_without_colours_when_they_are_not_wanted(world: World) -> None:
    shown = _on_a_terminal(world.mesh, "models", "pull", "phi5", "--backend", "registry", NO_COLOR="1")
    assert "━" in shown
    assert "2.0/2.0 GB" in shown
    assert "\x1b[3" not in shown
    assert "phi5 is there" in shown


def test_what_cannot_be_fetched_is_one_line_and_its_fix(world: World) -> None:
    assert "(MODEL_UNKNOWN)" in world.refused("models", "pull", "nope", "--backend", "registry")[0]
    what, fix = world.refused("models", "pull", "phi4", "--backend", "cloud")
    assert "Only Ollama can fetch 'phi4'. (MODEL_UNSUPPORTED)" in what
    assert "--backend" in fix


def test_ctrl_c_ends_a_fetch_at_the_server_too_and_without_a_traceback(world: World) -> None:
    command = [sys.executable, "-u", "-m", "kit.command", "models", "pull", "endless", "--backend", "registry"]
    with subprocess.Popen(
        command,
        cwd=world.mesh.folder,
        env=world.mesh.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        while "100 %" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert "stopped; layers that are complete stay" in out
    assert err == ""
    assert world.registry.abandoned.wait(PATIENCE_SECONDS)


def test_a_wrong_file_is_found_by_doctor_while_the_mesh_goes_on(world: World) -> None:
    file = world.mesh.folder / "models.toml"
    good = file.read_text()
    file.write_text(good.replace("base_url", "bse_url", 1))
    try:
        found = world.findings()
        assert found["models.toml"]["level"] == "broken"
        assert "did you mean base_url?" in found["models.toml"]["found"]
        assert found["model"]["level"] == "ok"
    finally:
        file.write_text(good)


def test_a_mesh_with_a_wrong_file_does_not_start_and_says_why_in_one_line(tmp_path: Path, world: World) -> None:
    (tmp_path / "models.toml").write_text('[backends.here]\nkind = "echo"\nqueu = 1\n')
    ports = [free_port() for _ in range(5)]
    names = ("STORAGE_ADDRESS", "AGENT_ADDRESS", "LLM_ADDRESS", "SENDER_ADDRESS")
    addresses = {name: f"127.0.0.1:{port}" for name, port in zip(names, ports, strict=False)}
    settings = {"DATA_DIR": str(tmp_path / "data"), "HTTP_PORT": str(ports[-1]), **addresses}
    other = Mesh(tmp_path, ports[-1], {**world.mesh.environment, **settings}, world.mesh.process)
    done = other.run("up")
    assert done.returncode == 2
    assert "did you mean queue?" in done.stderr.splitlines()[0]
    assert "fix: " in done.stderr.splitlines()[1]
    assert not (tmp_path / "data").exists()


def _on_a_terminal(mesh: Mesh, *words: str, **settings: str) -> str:
    """What a person sees."""
    ours, theirs = pty.openpty()
    environment = {**mesh.environment, "TERM": "xterm", "COLUMNS": "100", **settings}
    command = [sys.executable, "-m", "kit.command", *words]
    process = subprocess.Popen(command, cwd=mesh.folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown, deadline = b"", time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            read = os.read(ours, 4096)
        except OSError:  # nobody holds the other end any more
            break
        if not read:
            break
        shown += read
    os.close(ours)
    assert process.wait(timeout=PATIENCE_SECONDS) == 0, shown.decode()
    return shown.decode()
