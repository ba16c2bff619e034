"""Do `parley prompts list`, `add`, `diff` and `live` show and change what new conversations are told, in a mesh?"""

from collections.abc import Iterator

import pytest

from tests.running import Mesh, running_mesh


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    with running_mesh(tmp_path_factory.mktemp("prompts")) as mesh:
        yield mesh


def written(mesh: Mesh, text: str) -> str:
    (mesh.folder / "prompt.txt").write_text(text)
    return "prompt.txt"


def versions(mesh: Mesh, name: str) -> list[tuple[str, str, str]]:
    """Number, whether it is live, and how it begins."""
    _, *rows = [line.split("\t") for line in mesh.command("prompts", "list", name).splitlines()]
    return [(row[0], row[1], row[4]) for row in rows]


def test_a_number_that_no_version_can_have_is_said_to_be_too_large(mesh: Mesh) -> None:
    done = mesh.run("prompts", "live", "default", str(2**31))
    assert (done.returncode, done.stdout) == (2, "")
    assert "less than or equal to 2147483647" in done.stderr
    assert "Traceback" not in done.stderr


def refused(mesh: Mesh, *words: str) -> list[str]:
    done = mesh.run("prompts", *words)
    assert done.returncode == 1, done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 2, done.stderr
    return lines


def test_a_version_is_added_compared_made_live_and_taken_back(mesh: Mesh) -> None:
    said = mesh.command("prompts", "add", "shop", written(mesh, "Be kind.\nSell shoes.\n"), "--live")
    assert said == "version 1 of shop is live: new conversations get it\n"
    said = mesh.command("prompts", "add", "shop", written(mesh, "Be kind.\nSell hats.\n"))
    assert said == "version 2 of shop is not live yet\n"
    assert versions(mesh, "shop") == [("2", "", "Be kind."), ("1", "*", "Be kind.")]
    changed = mesh.command("prompts", "diff", "shop", "1", "2").splitlines()
    assert changed == ["--- shop 1", "+++ shop 2", "@@ -1,2 +1,2 @@", " Be kind.", "-Sell shoes.", "+Sell hats."]
    assert mesh.command("prompts", "diff", "shop", "2", "2") == "version 2 and version 2 say the same\n"
    assert "version 2 of shop is live" in mesh.command("prompts", "live", "shop", "2")
    assert "version 1 of shop is live" in mesh.command("prompts", "live", "shop", "1")
    assert [live for _, live, _ in versions(mesh, "shop")] == ["", "*"]


def test_the_prompt_of_the_first_start_is_listed(mesh: Mesh) -> None:
    assert [(number, live) for number, live, _ in versions(mesh, "default")] == [("1", "*")]


@pytest.mark.parametrize(
    ("words", "said", "fix"),
    [
        (("live", "default", "9"), "no version 9 of a prompt 'default'", "parley prompts list default"),
        (("live", "nobody", "1"), "no version 1 of a prompt 'nobody'", "parley prompts list nobody"),
        (("diff", "default", "1", "9"), "'default' has no version 9", "parley prompts list default"),
        (("list", "nobody"), "there is no prompt 'nobody'", "parley prompts add nobody FILE"),
        (("list", "default", "--tenant", "other"), "there is no tenant 'other'", "one of: default"),
    ],
)
def test_what_is_not_there_is_one_line_and_its_fix(mesh: Mesh, words: tuple[str, ...], said: str, fix: str) -> None:
    wrong, mend = refused(mesh, *words)
    assert said in wrong
    assert fix in mend
