"""Does `parley queue` show who waits for a human, and give conversations to and fro, in a mesh?"""

from collections.abc import Iterator

import pytest

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
    assert listed(mesh) == []
    assert listed(mesh, "--all") == [(conversation, "contact_asked", "with a human")]

    assert mesh.command("queue", "give-back", conversation) == f"{conversation} is the agent's again\n"
    assert listed(mesh, "--all") == [(conversation, "contact_asked", "given back")]


def test_a_conversation_that_there_is_not_is_one_line_and_its_fix(mesh: Mesh) -> None:
    done = mesh.run("queue", "take", "nobody")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "parley: there is no conversation 'nobody'",
        "   fix: parley queue --all lists them",
    ]
