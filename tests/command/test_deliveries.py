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


def test_what_was_put_aside_is_listed_with_all_until_it_is_put_back_or_sent_again(sandbox: Sandbox) -> None:
    one = lost(sandbox)
    assert sandbox.mesh.command("deliveries", "aside", one["id"]) == f"{one['id']} is unknown, and put aside\n"
    assert listed(sandbox, "--state", "unknown") == []
    (shown,) = listed(sandbox, "--state", "unknown", "--all")
    assert (shown["id"], shown["state"], shown["put_aside_by"]) == (one["id"], "unknown", "mesh")
    rows = [line.split("\t")[:2] for line in sandbox.mesh.command("deliveries").splitlines()]
    assert [one["id"], "unknown, put aside"] in rows
    assert sandbox.mesh.command("deliveries", "put-back", one["id"]) == f"{one['id']} is unknown, and left to do\n"
    assert listed(sandbox, "--state", "unknown") == [one]
    late = sandbox.mesh.run("deliveries", "aside", one["id"], "--attempts-seen", "0")
    assert (late.returncode, "1 attempt by now, not 0" in late.stderr) == (1, True)
    sandbox.mesh.command("deliveries", "aside", one["id"])
    sandbox.do("telegram", "fault", fault="none")
    sandbox.mesh.command("deliveries", "retry", one["id"])
    sandbox.mesh.wait_until(lambda: len(sandbox.answers("telegram")) == 2)
    assert listed(sandbox, "--state", "unknown", "--all") == []


@pytest.mark.parametrize("deed", ["aside", "put-back"])
def test_what_is_not_there_is_not_put_aside(sandbox: Sandbox, deed: str) -> None:
    for named, code, said in (("", 2, "the delivery's ID is empty"), ("no", 1, "there is no delivery 'no'")):
        done = sandbox.mesh.run("deliveries", deed, named)
        assert (done.returncode, said in done.stderr.splitlines()[0]) == (code, True)
