"""Would the llm service start with this models.toml, and do the models that it serves answer?"""

import importlib
from collections.abc import Iterator
from typing import Any

import grpc

from kit.command import model_calls, reaching
from kit.command.findings import Finding, broken, look, ok
from kit.command.model_list import is_failing, reason, state
from kit.command.screen import Mistake
from parley.llm.v1.llm_service_pb2_grpc import LlmServiceStub
from parley.llm.v1.model_pb2 import ListModelsResponse, Model, ModelState

MOST_NAMED = 5
MEND = "mend it as docs/models.md says; a service that runs keeps what it read before, one that starts refuses it"
ECHO = "start Ollama (ollama serve; ollama pull llama3.2) or set OLLAMA_BASE_URL and restart"

FIXES = {
    ModelState.MODEL_STATE_UNREACHABLE: "start its server, or correct OLLAMA_BASE_URL, OPENAI_BASE_URL or base_url",
    ModelState.MODEL_STATE_PAUSED: "it failed three times in a row: llm.failed in the log says why; mend its server, "
    "and it is tried again by itself",
    ModelState.MODEL_STATE_PROBED: "wait for the end of the call that finds out; then: parley models",
    ModelState.MODEL_STATE_REFUSED: "give it the right key: OPENAI_API_KEY, or api_key_file in models.toml",
    ModelState.MODEL_STATE_RESTING: "its server says for how long, often when a quota is used up: wait, or see to its "
    "account there",
    ModelState.MODEL_STATE_MISSING: "parley models pull {name}, or correct its name in models.toml or DEFAULT_MODEL",
}


def check_file(settings: Any) -> list[Finding]:
    """Nothing is found when there is no file and none is named."""
    try:
        catalogue = _read(settings)
    except Mistake as mistake:
        return [broken("models.toml", str(mistake), fix=mistake.fix)]
    if catalogue is None:
        return []
    return [ok("models.toml", f"models: {len(catalogue.models)}, backends: {len(catalogue.backends)}")]


def require_file(settings: Any) -> None:
    """Raises when the service would not start with what the file says."""
    _read(settings)


async def check_models(settings: Any) -> list[Finding]:
    """The default first, then what else does not answer, together."""
    try:
        async with reaching.channel(settings, "llm") as channel:
            found = await model_calls.listed(LlmServiceStub(channel))
    except Mistake as mistake:
        return [broken("model", f"cannot be asked for: {mistake}", fix=mistake.fix)]
    except grpc.RpcError:
        return [broken("model", "cannot be asked for while the llm service does not answer", fix="parley serve llm")]
    return judged(found)


def judged(found: ListModelsResponse) -> list[Finding]:
    """What a listing says of the health of the models."""
    default = _row(found, found.default_model)
    ill = [
        each
        for each in found.models
        if each != default and (each.state != ModelState.MODEL_STATE_READY or is_failing(each))
    ]
    return [_default(found, default), *_others(ill)]


def _read(settings: Any) -> Any:
    """The service's own reading of the file; None when there is none and none is named."""
    file = importlib.import_module("llm_service.backends.models_file").ModelsFile(
        settings.models_file, required=settings.models_file_named
    )
    if not settings.models_file_named and not file.there():
        return None
    try:
        catalogue = file.read()
    except ValueError as error:  # CatalogueError, which this package does not import
        raise Mistake(str(error), fix=MEND) from error
    if wrong := next(_wrong_keys(catalogue), ""):
        raise Mistake(f"{file.name}: {wrong}", fix="name a file that the service's user may read, or leave it out")
    return catalogue


def _wrong_keys(catalogue: Any) -> Iterator[str]:
    """In the service's own words."""
    read_key = importlib.import_module("llm_service.backends.servers").read_key
    for name, server in catalogue.backends.items():
        try:
            _ = server.api_key_file is None or read_key(name, server.api_key_file)
        except ValueError as error:  # CatalogueError again
            yield str(error)


def _default(found: ListModelsResponse, default: Model | None) -> Finding:
    named = f"{found.default_model or 'none'} ({found.default_backend})"
    said = f"{named}: {found.note}" if found.note else named
    if found.default_backend == "echo":
        return look("model", said, fix=ECHO)
    if default is None:
        return broken("model", said, fix="do what it says, or set DEFAULT_MODEL to one of: parley models")
    if is_failing(default):
        return look("model", said, fix=f"{model_calls.FIXES.get(reason(default), '')}; then: parley models test")
    if default.state == ModelState.MODEL_STATE_READY:
        return ok("model", said)
    ill = f"{named} is {state(default)}"
    fix = FIXES.get(default.state, "parley models").format(name=default.name)
    if stand_in := _stand_in(found, default):
        return look("model", f"{ill}; {stand_in} answers in its place", fix=fix)
    if default.state == ModelState.MODEL_STATE_PROBED:
        return look("model", ill, fix=fix)
    return broken("model", f"{ill}, and nothing stands in: people get the fallback text", fix=fix)


def _others(ill: list[Model]) -> list[Finding]:
    if not ill:
        return []
    named = ", ".join(f"{each.name} is {state(each)}" for each in ill[:MOST_NAMED])
    more = f", and {len(ill) - MOST_NAMED} more" if len(ill) > MOST_NAMED else ""
    fix = "parley models shows all; then mend their servers, or take them out of models.toml"
    return [look("models", f"{named}{more}", fix=fix)]


def _row(found: ListModelsResponse, name: str) -> Model | None:
    """Names of Ollama end in a tag, which people leave out."""
    return next((each for each in found.models if each.name in {name, f"{name}:latest"}), None)


def _stand_in(found: ListModelsResponse, default: Model) -> str:
    rows = [_row(found, name) for name in default.fallbacks]
    return next((each.name for each in rows if each and each.state == ModelState.MODEL_STATE_READY), "")
