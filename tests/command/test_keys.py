"""Is a key that is made for the console good for all that the page asks for?"""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.running import Mesh, running_mesh
from tests.stalls import PATIENCE_SECONDS


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    with running_mesh(tmp_path_factory.mktemp("keys")) as mesh:
        yield mesh


def ask(mesh: Mesh, key: str, path: str, **change: str) -> Any:
    """What the gateway answers, which must be 200."""
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "1", "Content-Type": "application/json"}
    method, body = ("PUT", json.dumps(change).encode()) if change else ("GET", None)
    asked = urllib.request.Request(f"{mesh.url}/v1/{path}", data=body, headers=headers, method=method)
    with urllib.request.urlopen(asked, timeout=PATIENCE_SECONDS) as answer:
        return json.load(answer)


def test_a_key_made_for_the_console_opens_every_room_and_pauses_an_account(mesh: Mesh) -> None:
    key = mesh.command("keys", "create", "ada", "--console").strip()
    for path in ("queue", "conversations", "deliveries"):
        assert "next_page_token" in ask(mesh, key, path)
    account = ask(mesh, key, "accounts?channel=webchat")["accounts"][0]
    assert ask(mesh, key, f"accounts/{account['id']}/state", state="paused")["state"] == "paused"
    (line,) = [each for each in mesh.command("keys", "list").splitlines() if "ada" in each]
    assert {"conversations.read", "conversations.write", "outbox.write"} <= set(line.split())


def test_a_key_with_its_own_scopes_is_made_as_ever(mesh: Mesh) -> None:
    mesh.command("keys", "create", "shop", "--scope", "agent.use", "--scope", "conversations.read")
    (line,) = [each for each in mesh.command("keys", "list").splitlines() if "shop" in each]
    assert "agent.use conversations.read" in line
