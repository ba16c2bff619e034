"""Is the inspector there on a laptop, and does `parley listen` go on until it is told to end?"""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kit.command import up
from kit.command.settings import values_of
from tests.running import running_mesh
from tests.stalls import PATIENCE_SECONDS

SECRETS = {"TELEGRAM_BOT_TOKEN": "123456:listened-to", "TELEGRAM_WEBHOOK_SECRET": "webhook-secret-listened-to"}


def test_lines_come_while_it_listens_until_it_is_told_to_end(tmp_path: Path) -> None:
    with running_mesh(tmp_path, **SECRETS) as mesh:
        address = mesh.command("listen", "--page").strip()
        assert address.startswith(f"{mesh.url}/inspector#token=")
        assert address.partition("=")[2] != (tmp_path / "data" / "mesh.token").read_text().strip()
        assert mesh.get("/inspector") == 200
        command = [sys.executable, "-m", "kit.command", "listen", "--json"]
        process = subprocess.Popen(command, cwd=mesh.folder, env=mesh.environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        try:
            mesh.command("send", "telegram", "while it listens")
            row = json.loads(process.stdout.readline())
            assert (row["channel"], row["result"], row["status"]) == ("telegram", "accepted", 200)
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=PATIENCE_SECONDS) == 130
            process.stdout.close()


@pytest.mark.parametrize(("host", "asked", "found"), [("127.0.0.1", "", "on"), ("0.0.0.0", "", ""), ("", "off", "off")])
def test_it_is_on_where_only_this_machine_reaches_the_gateway_and_nobody_said_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, asked: str, found: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBHOOK_INSPECTOR", asked)
    up.let_webhooks_be_seen({"http_host": host} if host else {})
    assert values_of(["WEBHOOK_INSPECTOR"]).get("WEBHOOK_INSPECTOR", "") == found
