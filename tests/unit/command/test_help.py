"""Is the command quick to ask, and does it answer a mistake with one line and its fix?"""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kit.command.main import app
from tests.running import bare_environment

HEAVY = ("grpc", "httpx", "pydantic", "fastapi", "sqlalchemy", "structlog", "uvloop")


def parley(folder: Path, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = bare_environment(folder) | settings
    command = [sys.executable, "-m", "kit.command", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_help_imports_nothing_that_takes_time() -> None:
    script = f"import sys, kit.command.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_help_names_every_command() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    for name in (
        "up",
        "serve",
        "chat",
        "send",
        "listen",
        "sandbox",
        "doctor",
        "migrate",
        "restored",
        "move",
        "deliveries",
        "turns",
        "preview",
        "keys",
        "models",
        "guard",
        "prompts",
        "queue",
        "channels",
        "version",
    ):
        assert f" {name} " in shown


@pytest.mark.parametrize(
    "name",
    [
        "up",
        "serve",
        "chat",
        "send",
        "sandbox",
        "doctor",
        "deliveries",
        "turns",
        "preview",
        "models",
        "guard",
        "prompts",
        "queue",
        "channels",
    ],
)
def test_help_of_a_command_shows_an_example(name: str) -> None:
    assert f"parley {name}" in CliRunner().invoke(app, [name, "--help"]).output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("serve", "storrage"), "there is no service 'storrage'"),
        (("send", "fax", "hello"), "there is no channel 'fax'"),
        (("deliveries", "--state", "lost"), "there is no state 'lost'"),
        (("turns", "--state", "lost"), "there is no state 'lost'"),
        (("send", "whatsapp", "hello"), "not set: TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_WHATSAPP_NUMBER"),
        (("send", "api", "hello"), "no webhooks"),
        (("send", "telegram", "hello"), "not set: TELEGRAM_BOT_TOKEN, TELEGRAM_WEBHOOK_SECRET"),
        (("keys", "list"), "no mesh has run with the data folder"),
        (("keys", "create", "till"), "what may it do?"),
        (("keys", "create", "till", "--console", "--scope", "agent.use"), "--console and --scope say different things"),
        (("models",), "no mesh has run with the data folder"),
        (("models", "test", "llama3.2"), "no mesh has run with the data folder"),
        (("models", "pull", "llama3.2"), "no mesh has run with the data folder"),
        (("guard", "check", "hello"), "no mesh has run with the data folder"),
        (("guard", "eval", "absent.jsonl"), "absent.jsonl: cannot be read"),
        (("queue",), "no mesh has run with the data folder"),
        (("channels", "list"), "no mesh has run with the data folder"),
        (("channels", "test", "telegram"), "no mesh has run with the data folder"),
        (("channels", "add", "fax"), "there is no channel 'fax'"),
        (("channels", "add", "telegram", "--set", "secret"), "a --set names no credential of telegram"),
        (("channels", "add", "telegram"), "no mesh has run with the data folder"),
        (("prompts", "list", "default"), "no mesh has run with the data folder"),
        (("prompts", "add", "default", "no-such-file"), "no-such-file cannot be read"),
    ],
)
def test_a_mistake_is_one_line_and_its_fix(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = parley(tmp_path, *words)
    assert done.returncode in {1, 2}
    lines = done.stderr.splitlines()
    assert said in lines[0]
    assert lines[1].strip().startswith("fix: ")
    assert len(lines) == 2
    assert not (tmp_path / "data").exists()


def test_help_of_what_models_can_do_shows_an_example() -> None:
    for name in ("pull", "test"):
        assert f"parley models {name}" in CliRunner().invoke(app, ["models", name, "--help"]).output


def test_help_of_what_guard_can_do_shows_an_example() -> None:
    for name in ("check", "eval"):
        assert f"parley guard {name}" in CliRunner().invoke(app, ["guard", name, "--help"]).output


def test_help_of_what_prompts_can_do_shows_an_example() -> None:
    for name in ("list", "diff", "add", "live"):
        assert f"parley prompts {name}" in CliRunner().invoke(app, ["prompts", name, "--help"]).output


def test_help_of_what_channels_can_do_shows_an_example() -> None:
    for name in ("list", "add", "test", "remove", "pause", "resume"):
        assert f"parley channels {name}" in CliRunner().invoke(app, ["channels", name, "--help"]).output


def test_a_wrong_setting_is_one_line_that_does_not_show_it(tmp_path: Path) -> None:
    done = parley(tmp_path, "up", HTTP_PORT="canary-4711")
    assert done.returncode == 2
    assert "HTTP_PORT" in done.stderr
    assert "canary" not in done.stderr + done.stdout
    assert len(done.stderr.splitlines()) == 1


def test_no_color_is_respected_and_pipes_get_none(tmp_path: Path) -> None:
    assert "\x1b[" not in parley(tmp_path, "doctor", NO_COLOR="1", FORCE_COLOR="").stdout
    assert "\x1b[" not in parley(tmp_path, "doctor").stdout


def test_env_may_say_that_there_shall_be_no_color(tmp_path: Path) -> None:
    assert "\x1b[" in parley(tmp_path, "doctor", FORCE_COLOR="1").stdout
    (tmp_path / ".env").write_text("NO_COLOR=1\n")
    assert "\x1b[3" not in parley(tmp_path, "doctor", FORCE_COLOR="1").stdout


def test_the_version_is_told_however_it_is_asked_for(tmp_path: Path) -> None:
    told = [parley(tmp_path, word) for word in ("version", "--version")]
    assert [(done.returncode, done.stderr) for done in told] == [(0, ""), (0, "")]
    assert told[0].stdout == told[1].stdout
    assert told[0].stdout.startswith("parley 0.")


def test_a_gateway_whose_port_is_taken_says_which_setting_to_change_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = parley(tmp_path, "serve", "gateway", "--http-port", str(taken.getsockname()[1]))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("parley gateway: HTTP_PORT: cannot listen on 127.0.0.1:")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("service", ["storage", "agent", "llm", "sender"])
def test_a_service_whose_port_is_taken_says_so_in_one_line_and_nothing_else(tmp_path: Path, service: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        setting, address = f"{service.upper()}_ADDRESS", f"127.0.0.1:{taken.getsockname()[1]}"
        done = parley(tmp_path, "serve", service, **{setting: address})
    assert (done.returncode, done.stdout) == (2, "")
    said = f"parley {service}: {setting}: cannot listen on {address}: the port is in use by another program"
    assert done.stderr.splitlines() == [said]


@pytest.mark.parametrize("words", [("migrate",), ("up",), ("serve", "storage")], ids=lambda words: words[0])
def test_a_data_folder_that_cannot_be_made_is_named_in_one_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "a-file").touch()
    anywhere = {f"{service}_ADDRESS": "127.0.0.1:0" for service in ("STORAGE", "AGENT", "LLM", "SENDER")}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    done = parley(tmp_path, *words, "--data-dir", "a-file/data", HTTP_PORT=port, **anywhere)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("DATA_DIR: cannot make the folder a-file/data: Not a directory")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("package", ["storage_service", "agent_service", "llm_service", "sender_service", "gateway"])
def test_a_service_that_would_ignore_what_is_typed_after_it_does_not_start(tmp_path: Path, package: str) -> None:
    command = [sys.executable, "-m", package, "--data-dir", "elsewhere"]
    environment = bare_environment(tmp_path)
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert f"parley serve {package.removesuffix('_service')}, which has some" in done.stderr
    assert not list(tmp_path.iterdir())
