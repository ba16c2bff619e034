"""Does `parley deliveries` show what did not arrive, and is one sent again as often as a person wants it?"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandboxed import Sandbox, sandboxed


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandboxed(tmp_path_factory.mktemp("deliveries")) as opened:
        yield opened


def listed(sandbox: Sandbox, *words: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(sandbox.mesh.command("deliveries", *words, "--json"))["deliveries"]
    return rows


def lost(sandbox: Sandbox) -> dict[str, Any]:
    """A new person is answered, and nobody knows whether it arrived."""
    before = len(listed(sandbox, "--state", "unknown"))
    sandbox.do("telegram", "person")
    sandbox.do("telegram", "fault", fault="lost")
    sandbox.do("telegram", "say", text="did it arrive?")
    sandbox.mesh.wait_until(lambda: len(listed(sandbox, "--state", "unknown")) > before)
    return listed(sandbox, "--state", "unknown")[0]


def test_of_two_who_send_again_what_they_saw_one_does_though_it_is_unknown_once_more(sandbox: Sandbox) -> None:
    one = lost(sandbox)
    assert one["attempts"] == 1
    words = ("deliveries", "retry", one["id"], "--attempts-seen")
    assert sandbox.mesh.command(*words, "1") == f"{one['id']} is queued again\n"
    sandbox.mesh.wait_until(lambda: [row["attempts"] for row in listed(sandbox, "--state", "unknown")] == [2])
    late = sandbox.mesh.run(*words, "1")
    assert (late.returncode, late.stdout) == (1, "")
    assert "the delivery has 2 attempts by now, not 1" in late.stderr
    sandbox.do("telegram", "fault", fault="none")
    sandbox.mesh.command(*words, "2")
    sandbox.mesh.wait_until(lambda: listed(sandbox, "--state", "unknown") == [])
    assert len(sandbox.answers("telegram")) == 3
