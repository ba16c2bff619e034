"""Does doctor say of each state of the models what is wrong and what mends it?"""

from pathlib import Path

import pytest

from kit.command import model_health
from kit.command.findings import Level
from kit.command.screen import Mistake
from kit.errors import ModelRefused, as_item
from kit.settings import load
from llm_service.settings import Settings
from parley.llm.v1 import model_pb2
from parley.llm.v1.model_pb2 import ListModelsResponse, Model, ModelState

GOOD = '[backends.here]\nkind = "echo"\n[models.a]\nbackend = "here"\n'


def a_model(name: str, state: ModelState, *fallbacks: str) -> Model:
    return Model(name=name, backend="local", state=state, fallbacks=fallbacks)


def a_listing(*models: Model, default: str = "chat", note: str = "It answers.") -> ListModelsResponse:
    return ListModelsResponse(models=models, default_model=default, default_backend="local", note=note)


@pytest.mark.parametrize(
    ("state", "level", "fix"),
    [
        (model_pb2.MODEL_STATE_READY, Level.OK, ""),
        (model_pb2.MODEL_STATE_UNREACHABLE, Level.BROKEN, "start its server"),
        (model_pb2.MODEL_STATE_PAUSED, Level.BROKEN, "llm.failed"),
        (model_pb2.MODEL_STATE_PROBED, Level.LOOK, "wait"),
        (model_pb2.MODEL_STATE_MISSING, Level.BROKEN, "parley models pull chat"),
        (model_pb2.MODEL_STATE_RESTING, Level.BROKEN, "its account"),
    ],
)
def test_a_default_that_does_not_answer_has_its_fix(state: ModelState, level: Level, fix: str) -> None:
    (finding,) = model_health.judged(a_listing(a_model("chat", state)))
    assert finding.level is level
    assert fix in finding.fix


def test_a_default_with_somebody_who_stands_in_is_no_more_than_a_look() -> None:
    ill = a_model("chat", model_pb2.MODEL_STATE_PAUSED, "gone", "other")
    other = a_model("other:latest", model_pb2.MODEL_STATE_READY)
    (finding,) = model_health.judged(a_listing(ill, other))
    assert finding.level is Level.LOOK
    assert "other:latest answers in its place" in finding.found


def test_a_default_that_nobody_has_is_broken_in_the_words_of_the_service() -> None:
    note = "Ollama at http://127.0.0.1:11434 has no 'lama' (DEFAULT_MODEL): run `ollama pull lama`."
    (finding,) = model_health.judged(a_listing(default="lama", note=note))
    assert finding.level is Level.BROKEN
    assert note in finding.found


def test_a_server_that_refuses_our_key_is_broken_though_it_is_reached() -> None:
    (finding,) = model_health.judged(a_listing(a_model("chat", model_pb2.MODEL_STATE_REFUSED)))
    assert finding.level is Level.BROKEN
    assert "OPENAI_API_KEY" in finding.fix


def test_a_model_that_is_asked_and_whose_last_call_failed_is_no_healthy_one() -> None:
    failing = a_model("chat", model_pb2.MODEL_STATE_READY)
    failing.last_failure.CopyFrom(as_item(ModelRefused("The model server answered 402.")))
    other = a_model("other", model_pb2.MODEL_STATE_READY)
    other.last_failure.CopyFrom(failing.last_failure)

    default, others = model_health.judged(a_listing(failing, other, note="402!"))

    assert (default.level, default.found) == (Level.LOOK, "chat (local): 402!")
    assert "credit" in default.fix
    assert "other is ready, last call: MODEL_REFUSED" in others.found


def test_others_that_do_not_answer_are_one_finding() -> None:
    ill = [a_model(f"m{number}", model_pb2.MODEL_STATE_MISSING) for number in range(7)]
    good, others = model_health.judged(a_listing(a_model("chat", model_pb2.MODEL_STATE_READY), *ill))
    assert good.level is Level.OK
    assert others.level is Level.LOOK
    assert "m0 is missing" in others.found
    assert "and 2 more" in others.found


def test_no_models_file_is_no_finding(tmp_path: Path) -> None:
    assert model_health.check_file(load(Settings, environ={}, env_file=tmp_path / "none")) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("default = ", "not TOML"),
        (GOOD.replace("kind", "queu = 1\nkind"), "did you mean queue?"),
        (GOOD.replace('backend = "here"', 'backend = "her"'), "did you mean 'here'?"),
        (GOOD.replace('"echo"', '"openai"\napi_key_file = "no-such-file"'), "no-such-file cannot be read"),
        (GOOD.replace('"echo"', '"openai"\napi_key_file = "/dev/null"'), "should hold the key"),
    ],
)
def test_a_wrong_models_file_is_broken_and_keeps_the_mesh_from_starting(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "models.toml").write_text(text)
    settings = _settings(tmp_path)
    (finding,) = model_health.check_file(settings)
    assert finding.level is Level.BROKEN
    assert said in finding.found
    assert finding.fix
    with pytest.raises(Mistake, match=r"models\.toml"):
        model_health.require_file(settings)


def test_a_models_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    (finding,) = model_health.check_file(_settings(tmp_path))
    assert finding.level is Level.BROKEN
    assert "there is no file" in finding.found


def test_a_good_models_file_is_counted(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(GOOD)
    (finding,) = model_health.check_file(_settings(tmp_path))
    assert (finding.level, finding.found) == (Level.OK, "models: 1, backends: 1")


def _settings(folder: Path) -> Settings:
    return load(Settings, environ={"MODELS_FILE": str(folder / "models.toml")}, env_file=folder / "none")
