"""Can every channel be tried with no account, and does Parley keep its promises when its providers do not?"""

import itertools
import os
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Mesh, bare_environment, running_mesh
from tests.sandboxed import Sandbox, sandboxed
from tests.simulated.wire import free_port
from tests.stalls import PATIENCE_SECONDS

CHANNELS = ("whatsapp", "sms", "whatsapp_cloud", "telegram", "instagram", "slack", "discord")
REAL = {
    "TWILIO_ACCOUNT_SID": "AC" + "7" * 32,
    "TWILIO_AUTH_TOKEN": "the-token-of-a-real-account",
    "TWILIO_WHATSAPP_NUMBER": "whatsapp:+14155550001",
    "TELEGRAM_BOT_TOKEN": "123456:the-token-of-a-real-bot",
    "TELEGRAM_WEBHOOK_SECRET": "the-secret-of-a-real-bot",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Started where real accounts are set, which must not be touched."""
    with sandboxed(tmp_path_factory.mktemp("sandbox"), **REAL) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    """With a new person on every phone, for whom all goes well."""
    for channel in CHANNELS:
        running.do(channel, "fault", fault="none")
        running.do(channel, "receipts", automatic=True)
        running.do(channel, "person")
    return running


def test_the_first_thing_said_is_where_the_page_is(running: Sandbox) -> None:
    assert f"sandbox   http://localhost:{running.port}" in running.mesh.log
    assert str(Path("data") / "sandbox") in running.mesh.log


@pytest.mark.parametrize("channel", CHANNELS)
def test_what_is_typed_arrives_signed_and_the_answer_is_on_the_phone(sandbox: Sandbox, channel: str) -> None:
    sandbox.do(channel, "say", text=f"hello {channel}")
    sandbox.mesh.wait_until(lambda: sandbox.answers(channel) == [f'echo: you said "hello {channel}"'])
    assert ("message", "200") in sandbox.events(channel)


@pytest.mark.parametrize(
    ("channel", "last"), [("whatsapp", "read"), ("sms", "delivered"), ("whatsapp_cloud", "read"), ("instagram", "read")]
)
def test_receipts_are_believed_and_end_at_the_last_that_the_channel_has(
    sandbox: Sandbox, channel: str, last: str
) -> None:
    before = len(sandbox.deliveries(last))
    sandbox.do(channel, "say", text="hello")
    sandbox.mesh.wait_until(lambda: sandbox.last(channel)["state"] == last)
    sandbox.mesh.wait_until(lambda: len(sandbox.deliveries(last)) > before)
    receipts = [status for what, status in sandbox.events(channel) if what.startswith("receipt")]
    assert set(receipts) == {"200"}


@pytest.mark.parametrize("channel", ["whatsapp", "telegram", "slack"])
def test_a_webhook_that_comes_twice_is_answered_once(sandbox: Sandbox, channel: str) -> None:
    sandbox.do(channel, "fault", fault="duplicate")
    sandbox.do(channel, "say", text="once, please")
    sandbox.mesh.wait_until(lambda: len(sandbox.answers(channel)) == 1)
    assert [status for what, status in sandbox.events(channel) if what == "message"][-2:] == ["200", "200"]
    sandbox.do(channel, "fault", fault="none")
    sandbox.do(channel, "say", text="and now this")  # what follows is answered after what came before
    sandbox.mesh.wait_until(lambda: 'echo: you said "and now this"' in sandbox.answers(channel))
    assert sandbox.answers(channel) == ['echo: you said "once, please"', 'echo: you said "and now this"']


def test_messages_that_change_places_are_both_answered(sandbox: Sandbox) -> None:
    sandbox.do("telegram", "fault", fault="reorder")
    for text in ("first", "second"):
        sandbox.do("telegram", "say", text=text)
    sandbox.mesh.wait_until(lambda: all(text in _all(sandbox, "telegram") for text in ("first", "second")))


def test_a_late_webhook_is_answered_when_it_comes(sandbox: Sandbox) -> None:
    sandbox.do("sms", "fault", fault="delay", seconds=1)
    sandbox.do("sms", "say", text="better late")
    sandbox.mesh.wait_until(lambda: "better late" in _all(sandbox, "sms"))


@pytest.mark.parametrize("channel", ["whatsapp", "telegram", "discord"])
def test_no_attempt_is_made_before_retry_after(sandbox: Sandbox, channel: str) -> None:
    sandbox.do(channel, "fault", fault="throttled", seconds=2)
    sandbox.do(channel, "say", text="patience")
    sandbox.mesh.wait_until(lambda: "patience" in _all(sandbox, channel))
    events = sandbox.events(channel)
    assert "429" in [status for _, status in events]
    assert "too early" not in [status for _, status in events]


def test_a_provider_that_breaks_is_asked_again_until_it_takes_the_send(sandbox: Sandbox) -> None:
    sandbox.do("telegram", "fault", fault="broken")
    sandbox.do("telegram", "say", text="again")
    sandbox.mesh.wait_until(lambda: ("sendMessage", "500") in sandbox.events("telegram"))
    assert sandbox.answers("telegram") == []
    sandbox.do("telegram", "fault", fault="none")
    sandbox.mesh.wait_until(lambda: sandbox.answers("telegram") == ['echo: you said "again"'])


@pytest.mark.parametrize("channel", ["whatsapp", "instagram", "slack"])
def test_a_lost_answer_is_an_unknown_send_until_its_receipt_comes(sandbox: Sandbox, channel: str) -> None:
    """By our id in the callback, by the echo of its words, and by what the message itself carries."""
    before = len(sandbox.deliveries("sent"))
    sandbox.do(channel, "fault", fault="lost")
    sandbox.do(channel, "say", text="did it arrive?")
    sandbox.mesh.wait_until(lambda: len(sandbox.deliveries("unknown")) == 1)
    assert len(sandbox.answers(channel)) == 1
    sandbox.do(channel, "receipt", id=sandbox.last(channel)["id"])
    sandbox.mesh.wait_until(lambda: not sandbox.deliveries("unknown") and len(sandbox.deliveries("sent")) > before)
    assert len(sandbox.answers(channel)) == 1


def test_a_window_that_is_closed_at_once_is_a_send_that_failed(sandbox: Sandbox) -> None:
    before = len(sandbox.deliveries("failed"))
    sandbox.do("instagram", "fault", fault="closed")
    sandbox.do("instagram", "say", text="still there?")
    sandbox.mesh.wait_until(lambda: len(sandbox.deliveries("failed")) == before + 1)
    assert sandbox.answers("instagram") == []


def test_an_account_is_tested_and_set_up_at_the_stand_ins(sandbox: Sandbox) -> None:
    file = sandbox.mesh.folder / "data" / "sandbox" / "sandbox.env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = dict(line.split("=", 1) for line in file.read_text().splitlines())
    values = {name: shlex.split(value)[0] for name, value in told.items()}
    there = Mesh(
        sandbox.mesh.folder, sandbox.mesh.http_port, {**sandbox.mesh.environment, **values}, sandbox.mesh.process
    )
    assert f"set to {sandbox.mesh.url}/webhook/telegram" in there.command("channels", "test", "telegram")
    said = there.command("channels", "add", "telegram", "--address", "telegram")
    assert f"set to {sandbox.mesh.url}/webhook/telegram/" in said
    sandbox.do("telegram", "say", text="by its own address")
    sandbox.mesh.wait_until(lambda: any("by its own" in each for each in sandbox.answers("telegram")))


def test_who_opted_out_at_the_provider_is_not_written_to_any_more(sandbox: Sandbox) -> None:
    sandbox.do("sms", "fault", fault="opted_out")
    sandbox.do("sms", "say", text="are you there?")
    sandbox.mesh.wait_until(lambda: any("opted_out" in each for each in sandbox.deliveries("failed")))
    sandbox.do("sms", "fault", fault="none")
    sandbox.do("sms", "say", text="START")
    sandbox.mesh.wait_until(lambda: len(sandbox.answers("sms")) == 1)


def test_a_closed_window_is_a_send_that_failed(sandbox: Sandbox) -> None:
    before = len(sandbox.deliveries("failed"))
    sandbox.do("whatsapp", "fault", fault="window")
    sandbox.do("whatsapp", "say", text="still there?")
    sandbox.mesh.wait_until(lambda: ("receipt refused", "200") in sandbox.events("whatsapp"))
    sandbox.mesh.wait_until(lambda: len(sandbox.deliveries("failed")) == before + 1)
    assert sandbox.last("whatsapp")["state"] == "failed"


def test_real_accounts_are_left_alone(running: Sandbox) -> None:
    """Nothing of them is in the sandbox's folder, and their own folder is untouched."""
    data = running.mesh.folder / "data"
    assert [each.name for each in data.iterdir()] == ["sandbox"]
    assert "+14155550001" not in (running.mesh.folder / "log").read_text()


def test_every_process_is_lent_the_accounts(tmp_path: Path) -> None:
    with sandboxed(tmp_path, "--processes") as sandbox:
        sandbox.do("telegram", "say", text="to five")
        sandbox.mesh.wait_until(lambda: "to five" in _all(sandbox, "telegram"))


def test_a_taken_port_is_told_in_one_line_and_its_fix(running: Sandbox) -> None:
    addresses = {name: f"127.0.0.1:{free_port()}" for name in running.mesh.environment if name.endswith("_ADDRESS")}
    other = {**running.mesh.environment, **addresses, "HTTP_PORT": str(free_port())}
    command = [sys.executable, "-m", "kit.command", "up", "--sandbox"]
    folder = running.mesh.folder
    done = subprocess.run(command, cwd=folder, env=other, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert f"port {running.port} on 127.0.0.1 (sandbox) is in use" in done.stderr.splitlines()[0]
    assert f"SANDBOX_PORT={running.port + 1}" in done.stderr.splitlines()[1]


def test_a_sandbox_of_its_own_says_what_a_mesh_needs_to_use_it(tmp_path: Path) -> None:
    port, http_port = free_port(), free_port()
    environment = bare_environment(tmp_path) | {"PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "kit.command", "sandbox", "--port", str(port)]
    command += ["--url", f"http://localhost:{http_port}"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines = [*itertools.takewhile(lambda line: line != "\n", process.stdout)]
        needed = dict(line.strip().split("=", 1) for line in lines if "=" in line)
        try:
            with running_mesh(tmp_path, **needed, HTTP_PORT=str(http_port)) as mesh:
                sandbox = Sandbox(mesh, port)
                sandbox.do("sms", "say", text="from outside")
                mesh.wait_until(lambda: "from outside" in _all(sandbox, "sms"))
        finally:
            os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_SECONDS) == 0


def _all(sandbox: Sandbox, channel: str) -> str:
    return "\n".join(sandbox.answers(channel))
