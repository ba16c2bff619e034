"""How does the command ask the llm service, and what is a person told when it fails? One line, and what to do."""

import difflib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from kit import errors
from kit.command import reaching
from kit.command.screen import Mistake
from kit.settings import Settings, load
from parley.llm.v1.llm_service_pb2_grpc import LlmServiceStub
from parley.llm.v1.model_pb2 import ListModelsRequest, ListModelsResponse

if TYPE_CHECKING:
    from parley.llm.v1.llm_service_pb2_grpc import LlmServiceAsyncStub

ECHO = "echo"
# What to do about a reason; {name} is the model. docs/models.md says more of each.
FIXES = {
    "MODEL_UNAVAILABLE": "start its server, or correct its address: parley models says which one does not answer",
    "MODEL_TIMEOUT": "ask again, or give it longer with --timeout: its first call after a while loads the model",
    "MODEL_GARBAGE": "is it a server of that kind? See base_url and kind in models.toml, and the server's own log",
    "MODEL_EMPTY": "ask again; if it stays so, the model is unfit for chat, or max_output_tokens is too small",
    "MODEL_BUSY": "ask again later, or raise concurrency of its backend in models.toml",
    "MODEL_PAUSED": "mend its server; it is tried again by itself, and at once after a restart of the llm service",
    "MODEL_REFUSED": "check its key (OPENAI_API_KEY, or api_key_file in models.toml), its name at its server, and "
    "whether its account has credit (402)",
    "MODEL_UNKNOWN": "its server has no such model, or its address lacks the /v1: parley models pull it, or correct "
    "its name in models.toml",
    "MODEL_UNSUPPORTED": "choose another model, or another backend",
}


# Where what helps with an answer does not help with a fetch.
PULL_FIXES = {
    "MODEL_UNKNOWN": "ollama.com/library has the names; the log of that Ollama says what it met",
    "MODEL_UNSUPPORTED": "name a backend that is an Ollama, with --backend: parley models lists them",
    "MODEL_GARBAGE": "the same command goes on where it stopped; the log of that Ollama says what it met",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call was about, for what is said when it fails."""

    model: str = ""
    backend: str = ""
    pulling: bool = False


@asynccontextmanager
async def service(asked: Asked | None = None) -> "AsyncIterator[LlmServiceAsyncStub]":
    """The llm service of a running mesh. A failure that is about a model becomes one line with a fix."""
    async with reaching.channel(load(Settings), "llm") as channel:
        stub = LlmServiceStub(channel)
        try:
            yield stub
        except grpc.aio.AioRpcError as failure:
            error = errors.from_rpc(failure)
            if not (error.name.startswith("MODEL_") or isinstance(error, errors.InvalidField)):
                raise
            raise mistake(asked or Asked(), error, found=await listed(stub)) from failure


async def listed(stub: "LlmServiceAsyncStub") -> ListModelsResponse:
    """What there is."""
    return await stub.ListModels(ListModelsRequest(), timeout=reaching.CALL_SECONDS)


def mistake(asked: Asked, error: errors.ParleyError, *, found: ListModelsResponse) -> Mistake:
    """What a person is told, by what there is to ask."""
    after = "" if error.retry_after is None else f" Again in {error.retry_after.total_seconds():.0f} s."
    who = "" if asked.pulling else f"{asked.model or found.default_model or 'the default model'}: "
    said, fix = f"{who}{error.message}{after} ({error.name})", FIXES.get(error.name, "")
    if error.metadata.get("backend") and isinstance(error, errors.ModelUnknown):
        backends = list(dict.fromkeys([each.backend for each in found.models]))
        said, fix = f"there is no backend {asked.backend!r}", _instead(asked.backend, backends)
    elif asked.pulling:
        fix = PULL_FIXES.get(error.name, fix)
    elif not asked.model:
        fix = found.note if isinstance(error, errors.ModelUnknown) else fix
    elif not is_listed(found, asked.model):
        # While a server is away, the service cannot know that a name is wrong.
        unknown = isinstance(error, errors.ModelUnknown)
        said = f"there is no model {asked.model!r}" if unknown else said
        near = _instead(asked.model, [each.name for each in found.models])
        if unknown or near.startswith("did"):
            fix = near
        elif isinstance(error, errors.ModelUnavailable) and {each.backend for each in found.models} <= {ECHO}:
            fix = found.note  # the list, which would say which server does not answer, has none
    return Mistake(said, fix=fix, code=1)


def is_listed(found: ListModelsResponse, name: str) -> bool:
    """Names of Ollama end in a tag, which people leave out."""
    return any(each.name in {name, f"{name}:latest"} for each in found.models)


def _instead(name: str, known: list[str]) -> str:
    plain = {each.removesuffix(":latest"): each for each in known}
    if near := difflib.get_close_matches(name, plain, 1):
        return f"did you mean {near[0]}? All that there are: parley models"
    return f"one of: {', '.join(known[:8])}{' …' if len(known) > 8 else ''}"
