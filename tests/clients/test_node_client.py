"""Can a program in another language, made from proto/ alone, list, authenticate and hold a conversation?"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import ROOT, Mesh, running_mesh
from tests.stalls import PATIENCE_SECONDS

CLIENT = Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    with running_mesh(tmp_path_factory.mktemp("mesh")) as mesh:
        yield mesh


def test_a_node_program_with_a_key_holds_one_conversation(mesh: Mesh) -> None:
    key = mesh.command("keys", "create", "node", "--scope", "agent.use", "--scope", "conversations.read").strip()
    told = _node(mesh, key)
    assert told["rpcs"] == ["HandleMessage", "PreviewContext", "CheckText"]
    assert told["first"]["state"] == told["second"]["state"] == "TURN_STATE_REPLIED"
    assert any("hello from node" in reply for reply in told["first"]["replies"])
    assert told["repeated"]["duplicate"] is True
    assert told["repeated"]["replies"] == told["first"]["replies"]
    assert told["second"]["conversationId"] == told["first"]["conversationId"]
    assert told["first"]["conversationId"] in [each["id"] for each in told["listed"]["conversations"]]
    assert told["forbidden"]["code"] == "PERMISSION_DENIED"


def test_a_node_program_without_a_key_is_refused(mesh: Mesh) -> None:
    told = _node(mesh)
    assert told["first"]["code"] == told["listed"]["code"] == "UNAUTHENTICATED"


def test_a_revoked_key_is_refused_within_five_seconds(mesh: Mesh) -> None:
    key = mesh.command("keys", "create", "short", "--scope", "agent.use").strip()
    listed = [line.split("\t") for line in mesh.command("keys", "list").splitlines()]
    key_id = next(row[0] for row in listed if row[1] == "short")
    assert _node(mesh, key)["first"]["state"] == "TURN_STATE_REPLIED"
    mesh.command("keys", "revoke", key_id)
    mesh.wait_until(lambda: _node(mesh, key)["first"].get("code") == "UNAUTHENTICATED", seconds=20)


def _node(mesh: Mesh, *key: str) -> dict[str, Any]:
    node = shutil.which("node")
    assert node, "Node is missing (Debian, Ubuntu: apt-get install nodejs npm), see scripts/test_tools.py"
    command = [node, "client.mjs", str(ROOT / "proto"), mesh.agent_address, mesh.storage_address, *key]
    done = subprocess.run(command, cwd=CLIENT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told
