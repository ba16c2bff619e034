"""Does `parley preview` show what the model would be sent for a conversation, in a mesh?"""

import re
from collections.abc import Iterator

import pytest

from tests.running import Mesh, running_mesh


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    with running_mesh(tmp_path_factory.mktemp("preview")) as mesh:
        yield mesh


def test_a_conversation_is_shown_part_by_part_with_what_is_asked(mesh: Mesh) -> None:
    mesh.command("chat", stdin="I would like to order the green lamp, please\n")
    _, turn = mesh.command("turns", "--state", "replied").splitlines()
    conversation = turn.split("\t")[-1]

    lines = mesh.command("preview", conversation, "--ask", "and the red one?").splitlines()

    heads = [line.split(",")[:2] for line in lines if line.startswith("── ") and " of " not in line]
    assert heads == [
        ["── system", " system"],
        ["── history", " contact"],
        ["── history", " agent"],
        ["── new", " contact"],
    ]
    assert "I would like to order the green lamp, please" in lines
    assert "The person writes in English. Answer in that language unless asked otherwise." in lines
    assert lines[-3] == "and the red one?"
    assert re.fullmatch(r"── \d+ of \d+ tokens; \d+ for the answer", lines[-2])
    assert lines[-1] == "model: the default; tools: hand_off"


def test_a_conversation_that_there_is_not_is_one_line_and_its_fix(mesh: Mesh) -> None:
    done = mesh.run("preview", "nobody")
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        ["parley: there is no conversation 'nobody'", "   fix: parley turns lists some"],
    )
