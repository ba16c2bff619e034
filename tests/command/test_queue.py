"""Does `parley queue` show who waits for a human, and give conversations to and fro, in a mesh?"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from kit.ids import new_id
from tests.running import Mesh, running_mesh


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    with running_mesh(tmp_path_factory.mktemp("queue")) as mesh:
        yield mesh


def listed(mesh: Mesh, *words: str) -> list[tuple[str, str, str]]:
    """Conversation, reason and state."""
    _, *rows = [line.split("\t") for line in mesh.command("queue", *words).splitlines()]
    return [(row[0], row[1], row[2]) for row in rows]


def test_who_asked_for_a_person_waits_is_taken_over_and_given_back(mesh: Mesh) -> None:
    assert listed(mesh) == []
    mesh.command("chat", stdin="quiero hablar con una persona\n")
    mesh.wait_until(lambda: len(listed(mesh)) == 1)
    ((conversation, reason, state),) = listed(mesh)
    assert (reason, state) == ("contact_asked", "waits")

    assert mesh.command("queue", "take", conversation) == f"{conversation} is a human's now: the agent is silent\n"
    again = f"{conversation} was with a human already, who may be somebody else; nothing has changed\n"
    assert mesh.command("queue", "take", conversation) == again
    assert listed(mesh) == []
    assert listed(mesh, "--all") == [(conversation, "contact_asked", "with a human")]

    assert mesh.command("queue", "give-back", conversation) == f"{conversation} is the agent's again\n"
    assert listed(mesh, "--all") == [(conversation, "contact_asked", "given back")]


def test_who_is_taken_from_the_agent_is_found_among_those_that_a_human_has(mesh: Mesh) -> None:
    mesh.command("chat", stdin="hello there\n")
    mesh.wait_until(lambda: "replied" in mesh.command("turns", "--state", "replied"))
    conversation = mesh.command("turns", "--state", "replied").splitlines()[1].split("\t")[-1]
    assert mesh.command("deliveries").splitlines()[1].split("\t")[-1] == conversation
    before = listed(mesh, "--all")
    mesh.command("queue", "take", conversation)
    assert listed(mesh) == []
    assert listed(mesh, "--all") == [*before, (conversation, "", "with a human")]
    mesh.command("queue", "give-back", conversation)
    assert listed(mesh, "--all") == before


@pytest.mark.parametrize("deed", ["take", "give-back"])
def test_an_id_that_is_empty_is_called_so(mesh: Mesh, deed: str) -> None:
    """As where a script's variable is."""
    done = mesh.run("queue", deed, "")
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "parley: the conversation's ID is empty")


def test_a_web_chat_without_an_address_is_told_that_it_is_a_name_of_ones_own(mesh: Mesh) -> None:
    for words in ([], ["--address", ""]):
        done = mesh.run("channels", "add", "webchat", *words)
        fix = "   fix: a name of your own, for example --address shop"
        assert (done.returncode, done.stderr.splitlines()) == (2, ["parley: webchat needs an address", fix])


def test_a_list_that_is_longer_says_so(mesh: Mesh) -> None:
    mesh.command("chat", stdin="/help\n/status\n")
    assert mesh.command("turns", "--state", "replied", "--limit", "1").splitlines()[-1] == (
        "… and more; show more with --limit 2"
    )


def test_keys_of_which_not_all_are_listed_say_so(mesh: Mesh) -> None:
    tenant = new_id()
    (file,) = mesh.folder.rglob("parley.db")
    with contextlib.closing(sqlite3.connect(file, timeout=30)) as connection, connection:
        connection.execute("INSERT INTO tenants (id, name, created_at) VALUES (?1, 'Acme', 0)", [tenant])
        connection.executemany(
            "INSERT INTO api_keys (tenant_id, id, name, prefix, hash, scopes, created_at) "
            "VALUES (?1, ?2, 'more', 'p', ?1 || ?2, '', 0)",
            [(tenant, f"{number:03}") for number in range(501)],
        )
    listed = mesh.command("keys", "list", "--tenant", tenant).splitlines()
    assert [line.split("\t")[0] for line in listed[1:-1]] == [f"{number:03}" for number in range(500, 0, -1)]
    assert listed[-1] == "… and perhaps more: these are the newest 500, and an older one may be active"


def test_what_is_listed_is_one_document_for_a_program(mesh: Mesh) -> None:
    mesh.command("chat", stdin="/help\n/status\n/human\n")
    mesh.wait_until(lambda: len(listed(mesh)) == 1)
    turns = json.loads(mesh.command("turns", "--state", "replied", "--limit", "1", "--json"))
    (turn,) = turns["turns"]
    assert (turn["state"], turn["messages"], turns["more"]) == ("replied", 1, True)
    assert datetime.fromisoformat(turn["created_at"]).utcoffset() == timedelta()
    ended = json.loads(mesh.command("turns", "--state", "replied", "--json"))["turns"]
    assert ended[0] == turn
    assert [each["created_at"] for each in ended] == sorted((each["created_at"] for each in ended), reverse=True)
    deliveries = json.loads(mesh.command("deliveries", "--json"))
    assert [each for each in deliveries["deliveries"] if each["conversation_id"] == turn["conversation_id"]]
    ((conversation, reason, state),) = listed(mesh)
    queue = json.loads(mesh.command("queue", "--json"))
    assert queue["more"] is False
    assert [(each["conversation_id"], each["reason"], each["state"]) for each in queue["queue"]] == [
        (conversation, reason, state)
    ]
    assert datetime.fromisoformat(queue["queue"][0]["due_at"])
    mesh.command("queue", "give-back", conversation)


@pytest.mark.parametrize(
    ("words", "said", "fix"),
    [
        (("deliveries", "retry", "no"), "there is no delivery 'no'", "parley deliveries lists them"),
        (("keys", "revoke", "no"), "there is no key 'no'", "parley keys list shows their ids"),
    ],
)
def test_what_is_not_there_is_one_line_and_its_fix(mesh: Mesh, words: tuple[str, ...], said: str, fix: str) -> None:
    done = mesh.run(*words)
    assert (done.returncode, done.stderr) == (1, f"parley: {said} in tenant 'default'\n   fix: {fix}\n")


@pytest.mark.parametrize("words", [("deliveries", "retry", ""), ("listen", "--replay", ""), ("listen", "")])
def test_an_id_that_a_script_left_empty_is_a_mistake_and_lists_nothing(mesh: Mesh, words: tuple[str, ...]) -> None:
    done = mesh.run(*words)
    assert done.returncode
    assert done.stdout == ""
    assert done.stderr.startswith("parley: ")


def test_what_people_wrote_is_for_no_other_account_of_the_machine(mesh: Mesh) -> None:
    files = list(mesh.folder.rglob("parley.db*"))
    assert files
    assert {file.stat().st_mode & 0o077 for file in files} == {0}


def test_a_conversation_that_there_is_not_is_one_line_and_its_fix(mesh: Mesh) -> None:
    done = mesh.run("queue", "take", "nobody")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "parley: there is no conversation 'nobody'",
        "   fix: parley turns and parley queue --all list them",
    ]
