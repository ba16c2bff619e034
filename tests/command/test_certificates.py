"""Does a whole mesh run on certificates alone, and does the command say whose do not fit?"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Mesh, running_mesh
from tests.simulated.certificates import write

FIX = (
    "   fix: set MESH_TLS_CA, MESH_TLS_CERT and MESH_TLS_KEY to what the mesh has, "
    "or none of them when it has none; have they expired?"
)
HANGS_UP = (
    "   fix: has the mesh certificates? Set MESH_TLS_CA, MESH_TLS_CERT and MESH_TLS_KEY to what it has; "
    "if not, another program may listen there"
)


def named(folder: Path) -> dict[str, str]:
    files = {"MESH_TLS_CA": "ca.pem", "MESH_TLS_CERT": "cert.pem", "MESH_TLS_KEY": "key.pem"}
    return {setting: str(folder / file) for setting, file in files.items()}


@pytest.fixture(scope="module", params=[(), ("--processes",)], ids=["one process", "five processes"])
def mesh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    folder = tmp_path_factory.mktemp("mesh")
    write(folder / "pki")
    write(folder / "other")
    with running_mesh(folder, *request.param, **named(folder / "pki")) as mesh:
        yield mesh


def test_what_is_typed_is_answered(mesh: Mesh) -> None:
    assert "by certificate" in mesh.command("chat", stdin="hello by certificate\n")
    # Its page shows the answer with the commit; that it was sent is recorded after.
    mesh.wait_until(lambda: mesh.command("deliveries").splitlines()[1].split("\t")[1] == "sent")


def test_no_token_was_made_that_opens_what_certificates_guard(mesh: Mesh) -> None:
    assert not (mesh.folder / "data" / "mesh.token").exists()


@pytest.mark.parametrize("words", [("deliveries",), ("doctor",)])
def test_certificates_of_another_mesh_are_said_to_be_so(mesh: Mesh, words: tuple[str, ...]) -> None:
    done = mesh.run(*words, **named(mesh.folder / "other"))
    said = done.stdout + done.stderr
    assert "the storage service and we do not know each other's certificates" in said
    assert FIX.strip() in said


def test_a_command_without_certificates_is_asked_for_them(mesh: Mesh) -> None:
    done = mesh.run("deliveries", MESH_TLS_CA="", MESH_TLS_CERT="", MESH_TLS_KEY="", MESH_TOKEN="a" * 32)
    assert done.stderr.splitlines()[-2:] == ["parley: the storage service hangs up at once", HANGS_UP]


def test_files_that_do_not_belong_together_are_named_before_anything_starts(mesh: Mesh) -> None:
    mixed = named(mesh.folder / "pki") | {"MESH_TLS_KEY": str(mesh.folder / "other" / "key.pem")}
    done = mesh.run("deliveries", **mixed)
    assert "MESH_TLS_CERT, MESH_TLS_KEY: " in done.stderr
    assert "are not a PEM certificate and its key" in done.stderr
