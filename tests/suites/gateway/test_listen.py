"""Does `parley listen` show in the terminal what came in, why it was refused, and the same once more?"""

import json
from pathlib import Path
from typing import Any

import pytest

from kit.command.listen import listen
from kit.command.listen_options import Looking
from kit.command.screen import Mistake
from tests.suites.gateway.conftest import CREDENTIALS, World, running

SECRET = CREDENTIALS["telegram"]["webhook_secret"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a mesh, as the command finds it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    return tmp_path


class Terminal:
    """What a person types, and reads."""

    def __init__(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        self.world = world
        self._capsys = capsys
        capsys.readouterr()

    async def shows(self, **looking: Any) -> str:
        await listen(Looking(urls=[f"http://127.0.0.1:{self.world.port}"], **looking))
        return self._capsys.readouterr().out

    async def rows(self, **looking: Any) -> list[dict[str, Any]]:
        self._capsys.readouterr()
        out = await self.shows(once=True, as_json=True, **looking)
        return [json.loads(line) for line in out.splitlines() if line.startswith('{"id"')]


async def test_what_came_in_is_shown_whole_again_and_as_a_curl(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with running(here, webhook_inspector="on") as world:
        terminal = Terminal(world, capsys)
        good = world.webhook("telegram", "words of a person")
        await world.post(good)
        forged = {**good.headers, "x-telegram-bot-api-secret-token": "another"}
        await world.client.post(good.url, content=good.body, headers=forged)
        first, second = await terminal.rows()
        assert [first["result"], second["result"]] == ["accepted", "refused"]
        assert [each["id"] for each in await terminal.rows(refused=True)] == [second["id"]]
        shown = await terminal.shows(once=True, refused=True)
        assert "401 telegram       refused (signature)" in shown
        assert "fix: parley channels add telegram: it tells the provider a secret of ours" in shown
        whole = await terminal.shows(arrival=first["id"][:36])
        assert "x-telegram-bot-api-secret-token: [webhook_secret]" in whole
        assert "stored as message" in whole
        assert "words of a person" not in whole
        assert "words of a person" in await terminal.shows(arrival=first["id"], text=True)
        assert "duplicate, 1 message replay of" in await terminal.shows(replay=first["id"])
        curl = await terminal.shows(curl=first["id"])
        assert '"x-telegram-bot-api-secret-token: $TELEGRAM_WEBHOOK_SECRET"' in curl
        assert SECRET not in shown + whole + curl


async def test_what_cannot_be_shown_is_said_with_its_fix(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(here) as off:
        with pytest.raises(Mistake, match="keeps no webhooks") as mistake:
            await Terminal(off, capsys).shows(once=True)
        assert "WEBHOOK_INSPECTOR=on" in mistake.value.fix
    with pytest.raises(Mistake, match="no gateway answers"):
        await listen(Looking(once=True, urls=["http://127.0.0.1:9"]))
    async with running(here, webhook_inspector="on") as world:
        with pytest.raises(Mistake, match="there is no webhook 'nobody'"):
            await Terminal(world, capsys).shows(arrival="nobody")
        monkeypatch.setenv("MESH_TOKEN", "x" * 32)
        with pytest.raises(Mistake, match="refuses our token"):
            await Terminal(world, capsys).shows(once=True)
