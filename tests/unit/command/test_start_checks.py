"""Does doctor find whatever a service refuses to start with, in the words of the service, and make nothing?"""

import json
from pathlib import Path

import pytest

from kit.command import checks
from kit.command.doctor import doctor
from kit.command.findings import Finding, Level
from kit.settings import describe
from llm_service.settings import Settings
from tests.simulated.wire import free_port

ADDRESSES = ("STORAGE_ADDRESS", "AGENT_ADDRESS", "LLM_ADDRESS", "SENDER_ADDRESS")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where nothing is set and nobody listens."""
    monkeypatch.chdir(tmp_path)
    for row in describe(Settings):
        monkeypatch.delenv(row.name, raising=False)
    free = free_port()
    for name in ADDRESSES:
        monkeypatch.setenv(name, f"127.0.0.1:{free}")
    monkeypatch.setenv("HTTP_PORT", str(free))
    monkeypatch.setattr("agent_service.backends.lingua_detector.import_module", _not_there)
    (tmp_path / "odd.toml").write_text("[no_such_sentence]\nen = 'hello'\n")
    (tmp_path / "bad.toml").write_text("rules = ")
    return tmp_path


def _not_there(name: str) -> None:
    raise ModuleNotFoundError(name)


async def _of_settings() -> list[Finding]:
    return [each for each in await checks.everything() if each.about == "settings"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SECRET_KEYS", "abc", "SECRET_KEYS: "),
        ("GUARD_RULES_FILE", "bad.toml", "bad.toml: not TOML"),
        ("GUARD_RULES_FILE", "none.toml", "GUARD_RULES_FILE: none.toml cannot be read"),
        ("AGENT_TEXTS_FILE", "odd.toml", "AGENT_TEXTS_FILE: odd.toml: "),
        ("AGENT_LANGUAGES", "lingua", "AGENT_LANGUAGES=lingua needs the package"),
        ("PARLEY_TEST_MUTATION", "fencing", "PARLEY_TEST_MUTATION takes out a guard"),
        ("MESH_TLS_CA", "ca.pem", "MESH_TLS_CA, MESH_TLS_CERT and MESH_TLS_KEY must be set together"),
    ],
)
async def test_what_a_start_refuses_is_broken(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    (found,) = await _of_settings()
    assert found.level is Level.BROKEN
    assert said in found.found
    assert found.fix
    assert not (folder / "data").exists()


async def test_a_plug_in_that_would_be_shown_the_token_of_the_mesh_is_broken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("GUARD_JUDGE", "plugin"), ("GUARD_JUDGE_ADDRESS", "localhost:1"), ("GUARD_JUDGE_TOKEN", "t")):
        monkeypatch.setenv(name, value)
    (found,) = await _of_settings()
    assert found.level is Level.OK
    monkeypatch.setenv("MESH_TOKEN", "t")
    (found,) = await _of_settings()
    assert "GUARD_JUDGE=plugin: a plug-in gets a token of its own" in found.found


async def test_a_token_file_without_a_token_is_broken(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "mesh.token").write_text("\n")
    (found,) = await _of_settings()
    assert "holds no token" in found.found


async def test_without_a_mistake_the_settings_are_valid_and_nothing_is_made(folder: Path) -> None:
    (found,) = await _of_settings()
    assert found.level is Level.OK
    assert not (folder / "data").exists()


async def test_a_machine_that_keeps_nothing_needs_neither_a_folder_nor_a_database(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", "bad.toml/data")  # as a pod has it, where nothing can be written
    levels = await _levels("data", "database")
    assert levels == {"data": Level.BROKEN, "database": Level.LOOK}
    monkeypatch.setenv("MESH_TOKEN", "a token of the mesh")
    monkeypatch.setenv("STORAGE_ADDRESS", "dns:///storage.invalid:50051")
    levels = await _levels("data", "database")
    assert levels == {"data": Level.OK, "database": Level.OK}
    monkeypatch.setenv("STORAGE_ADDRESS", "0.0.0.0:50051")  # storage's own, which lacks the rest of its Secret
    assert (await _levels("data"))["data"] is Level.BROKEN


async def _levels(*about: str) -> dict[str, Level]:
    return {each.about: each.level for each in await checks.everything() if each.about in about}


async def test_a_program_reads_of_half_set_certificates_in_json(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MESH_TLS_CA", "ca.pem")
    assert await doctor(as_json=True) == 2
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2
