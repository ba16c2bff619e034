"""Is a wrong setting named in one line, with its origin and the right name, and never with its value?"""

import stat
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field, SecretStr

import agent_service.settings
import llm_service.settings
from kit.credentials import mesh_token
from kit.settings import Settings, SettingsError, describe, load


class Probe(Settings):
    http_port: int = Field(8080, ge=0, le=65535, description="Port")
    flavour: Literal["sweet", "sour"] = Field("sweet", description="Taste")
    api_key: SecretStr = Field(SecretStr(""), description="A key")
    origins: list[str] = Field(default_factory=list, description="JSON list of origins")


def loaded(folder: Path, environ: dict[str, str] | None = None, file: str = "", **more: Any) -> Probe:
    """Settings from a world of their own."""
    path = folder / ".env"
    path.write_text(file)
    return load(Probe, environ=environ or {}, env_file=path, **more)


def complaint(folder: Path, environ: dict[str, str] | None = None, file: str = "", **more: Any) -> str:
    """The one line that a wrong setting gives."""
    with pytest.raises(SettingsError) as caught:
        loaded(folder, environ, file, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_overrides_beat_the_environment_which_beats_the_file_which_beats_the_default(tmp_path: Path) -> None:
    file = "HTTP_PORT=1\nLLM_ADDRESS=file:1\n"
    assert loaded(tmp_path, {"HTTP_PORT": "2"}, file, http_port=3).http_port == 3
    assert loaded(tmp_path, {"HTTP_PORT": "2"}, file, http_port=None).http_port == 2
    assert loaded(tmp_path, {}, file).http_port == 1
    assert loaded(tmp_path, {"LLM_ADDRESS": ""}, file).llm_address == "file:1"
    assert loaded(tmp_path).http_port == 8080


def test_constructing_settings_reads_nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PORT", "1")
    assert Probe().http_port == 8080


@pytest.mark.parametrize(
    ("environ", "file", "start"),
    [
        ({"HTTP_PORT": "canary"}, "", "HTTP_PORT (environment): "),
        ({}, "# comment\n\nHTTP_PORT=canary\n", "HTTP_PORT (.env line 3): "),
        ({"FLAVOUR": "canary"}, "", "FLAVOUR (environment): Input should be 'sweet' or 'sour'"),
        ({"ORIGINS": "canary"}, "", "ORIGINS (environment): not valid JSON"),
        ({}, "this is not a setting canary\n", ".env line 1: not of the form NAME=value"),
    ],
)
def test_a_wrong_value_is_named_with_its_origin_and_never_shown(
    tmp_path: Path, environ: dict[str, str], file: str, start: str
) -> None:
    said = complaint(tmp_path, environ, file)
    assert said.startswith(start)
    assert "canary" not in said


@pytest.mark.parametrize(
    ("environ", "file", "said"),
    [
        ({}, "HTPP_PORT=1", "HTPP_PORT (.env line 1) is not a setting; did you mean HTTP_PORT?"),
        ({}, "WHOLLY_OTHER=1", "WHOLLY_OTHER (.env line 1) is not a setting"),
        ({"MESH_TOKN": "x"}, "", "MESH_TOKN (environment) is not a setting; did you mean MESH_TOKEN?"),
        ({"STORAGE_ADRESS": "x"}, "", "STORAGE_ADRESS (environment) is not a setting; did you mean STORAGE_ADDRESS?"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_right_one(
    tmp_path: Path, environ: dict[str, str], file: str, said: str
) -> None:
    assert complaint(tmp_path, environ, file) == said


def test_names_of_others_are_left_alone(tmp_path: Path) -> None:
    others = {
        "HTTP_PROXY": "x",
        "PATH": "x",
        "HOME": "x",
        "MESH_PORT": "tcp://10.0.0.1:80",
        "PARLEY_PORT_80_TCP_ADDR": "10.0.0.1",
        "PARLEY_SERVICE_HOST": "10.0.0.1",
    }
    loaded(tmp_path, others, "COMPOSE_PROJECT_NAME=parley\n")


def test_a_setting_of_another_service_in_the_shared_file_is_not_unknown(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("FLAVOUR=sour")
    with pytest.raises(SettingsError, match="FLAVOUR"):
        load(Settings, environ={}, env_file=path)
    path.write_text("OLLAMA_BASE_URL=http://localhost:11434")
    load(Settings, environ={}, env_file=path)


def test_a_misspelt_override_is_refused(tmp_path: Path) -> None:
    assert complaint(tmp_path, http_prt=1) == "http_prt is not a setting; did you mean http_port?"


def test_of_several_wrong_values_one_is_named_and_the_others_are_counted(tmp_path: Path) -> None:
    said = complaint(tmp_path, {"HTTP_PORT": "70000"}, "MESH_MAX_MESSAGE_BYTES=1\n", log_level="loud")
    assert said == ("LOG_LEVEL (command line): Input should be 'debug', 'info', 'warning' or 'error' (and 2 more)")


def test_every_setting_is_described_and_a_secret_shows_no_default() -> None:
    rows = {row.name: row for row in describe(Probe)}
    assert all(row.description for row in rows.values())
    assert rows["HTTP_PORT"].default == "8080"
    assert rows["API_KEY"].secret
    assert rows["API_KEY"].default == ""
    assert rows["MESH_REFLECTION"].default == "true"


def test_the_mesh_token_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    of = Settings(data_dir=tmp_path / "data")
    first = mesh_token(of)
    path = tmp_path / "data" / "mesh.token"
    assert len(first) >= 32
    assert mesh_token(of) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    path.write_text("")
    with pytest.raises(SettingsError, match="holds no token"):
        mesh_token(of)


def test_settings_do_not_print_secrets() -> None:
    assert "canary" not in repr(Probe(api_key=SecretStr("canary"), mesh_token=SecretStr("canary")))


@pytest.mark.parametrize("around", [("", "\n"), ("  ", ""), ("\t", "\r\n")])
def test_what_surrounds_a_value_is_none_of_it(tmp_path: Path, around: tuple[str, str]) -> None:
    before, after = around
    found = loaded(tmp_path, {"API_KEY": f"{before}sk-1{after}", "MESH_TOKEN": after}, "HTTP_PORT=' 1 '\nMESH_TOKEN=ab")
    assert (found.api_key.get_secret_value(), found.http_port) == ("sk-1", 1)
    assert found.mesh_token.get_secret_value() == "ab"


@pytest.mark.parametrize("token", ["canary\nsecond", "canary\u00e9", "canary\x7f", "\ufeffcanary"])
@pytest.mark.parametrize("name", ["MESH_TOKEN", "OPENAI_API_KEY", "GUARD_JUDGE_TOKEN"])
def test_a_token_that_no_header_can_carry_is_refused(tmp_path: Path, name: str, token: str) -> None:
    services = {"MESH_TOKEN": Settings, "OPENAI_API_KEY": llm_service.settings.Settings}
    with pytest.raises(SettingsError) as caught:
        load(services.get(name, agent_service.settings.Settings), environ={name: token}, env_file=tmp_path / "none")
    assert str(caught.value).startswith(f"{name} (environment): must be printable ASCII")
    assert "canary" not in str(caught.value)


def test_a_file_that_is_no_utf8_is_one_line_that_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"# Salut\nHTTP_PORT=1\nAPI_KEY=canary\xe9\n")
    with pytest.raises(SettingsError) as caught:
        load(Probe, environ={}, env_file=path)
    assert str(caught.value) == ".env line 3: not UTF-8; save the file in UTF-8"


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    name = "n" * 300
    with pytest.raises(SettingsError) as caught:
        load(Probe, environ={}, env_file=tmp_path / name)
    assert str(caught.value) == f"{name} cannot be read: File name too long"
