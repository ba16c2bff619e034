"""Which models are there, at which servers, and on what terms? What `models.toml` says."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from kit import mistakes
from llm_service.domain.addresses import Url
from llm_service.domain.backend import Model

ECHO = "echo"

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$")]
BackendName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
Price = Annotated[float, Field(ge=0, le=1_000_000)]
Seconds = Annotated[float, Field(gt=0, le=600)]
# Less holds no question, let alone a prompt beside it: who writes 8 or 128 means thousands.
LEAST_WINDOW = 256


def _window(tokens: int) -> int:
    if 0 < tokens < LEAST_WINDOW:
        raise ValueError(f"should be 0, or {LEAST_WINDOW} tokens at least")
    return tokens


Window = Annotated[int, AfterValidator(_window)]


_bare_name = re.compile(r"^[ \t]*\[models\.([\w-]*[.:/@][\w.:/@-]*)\]", re.ASCII | re.MULTILINE)


class CatalogueError(ValueError):
    """models.toml is wrong. One line: where, what, and what is right."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Server(_Strict):
    """A model server, [backends.NAME]. What is left out of concurrency and queue is LLM_CONCURRENCY and LLM_QUEUE."""

    kind: Literal["ollama", "openai", "responses", "echo"] = Field(
        description="The protocol: `ollama`, `openai` (Chat Completions), `responses` (Responses API) or `echo`"
    )
    base_url: Url | None = Field(
        None,
        description="Where it is; for OpenAI's protocols with the `/v1`. Left out: OPENAI_BASE_URL; the kind `ollama` "
        "requires it",
    )
    api_key_file: Path | None = Field(
        None,
        description="A file with nothing but the key, which goes to this server alone. Left out: OPENAI_API_KEY, when "
        "it is the server of OPENAI_BASE_URL; else none",
    )
    concurrency: int | None = Field(
        None, ge=1, le=4096, description="Most calls at the same time. Left out: LLM_CONCURRENCY"
    )
    queue: int | None = Field(None, ge=0, le=4096, description="Most calls that wait for a place. Left out: LLM_QUEUE")
    offers_all: bool = Field(
        True, description="Whether what it lists can be asked by its own name, without a table `[models.…]`"
    )


class Entry(_Strict):
    """A model, [models.NAME]. Prices are per million tokens; times are in seconds."""

    backend: BackendName = Field(description="The name of the backend that has it")
    name: str = Field("", max_length=128, description="What its server calls it. Left out: the table's own name")
    window_tokens: Window = Field(
        0,
        ge=0,
        le=10_000_000,
        description="Tokens that it can read and write together. 0: what its server says, else LLM_WINDOW_TOKENS",
    )
    max_output_tokens: int = Field(
        0, ge=0, le=131_072, description="Most tokens to write, where the caller does not say. 0: its server's limit"
    )
    timeout_seconds: Seconds = Field(600.0, description="Longest time for it in one call, retries included, in seconds")
    silence_seconds: Seconds | None = Field(
        None, description="Longest silence within a stream that has begun, in seconds. Left out: LLM_SILENCE_SECONDS"
    )
    slow_seconds: Seconds = Field(
        60.0, description="An answer that took longer, in seconds, is used, and counts as a failure for the breaker"
    )
    input_price: Price = Field(0.0, description="Price of a million tokens read, in any currency")
    output_price: Price = Field(0.0, description="Price of a million tokens written, in the same one")
    fallbacks: tuple[Name, ...] = Field(
        (), max_length=8, description="Models that are asked when it does not answer, in this order; `echo` is one"
    )
    keep_alive: str = Field(
        "",
        pattern=r"^(-?\d+(ms|s|m|h)?)?$",
        description="How long Ollama keeps it in memory, `30m`, or seconds; `-1` for ever. Left out: Ollama's own",
    )
    prompt_id: str = Field("", max_length=128, description="A stored prompt of OpenAI; kind `responses` only")
    prompt_version: str = Field("", max_length=32, description="Its version. Left out: the current one")


class Catalogue(_Strict):
    """All of it."""

    default: str = Field(
        "",
        max_length=128,
        description="The model when nothing else names one; DEFAULT_MODEL comes before it. Left out: the first model",
    )
    backends: Mapping[BackendName, Server] = Field(default_factory=dict, description="The servers, by names of yours")
    models: Mapping[Name, Entry] = Field(default_factory=dict, description="The models, by the names they are asked by")

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        problem = next(_problems(self), None)
        if problem:
            raise ValueError(problem)
        return self

    def server_name(self, name: str) -> str:
        """What its server calls one of its models; empty: the same. Echo has only one."""
        entry = self.models[name]
        return entry.name or (ECHO if self.backends[entry.backend].kind == ECHO else "")

    def model(self, name: str, *, silence_seconds: float, window_tokens: int, is_guessed: bool = False) -> Model:
        """One of its models, for the domain. The window is that of a model about which the file says none."""
        entry = self.models[name]
        return Model(
            name=name,
            backend=entry.backend,
            window_tokens=entry.window_tokens or window_tokens,
            is_guessed=is_guessed and not entry.window_tokens,
            server_name=self.server_name(name),
            max_output_tokens=entry.max_output_tokens,
            timeout_seconds=entry.timeout_seconds,
            silence_seconds=entry.silence_seconds or silence_seconds,
            slow_seconds=entry.slow_seconds,
            input_price_micros=round(entry.input_price * 1_000_000),
            output_price_micros=round(entry.output_price * 1_000_000),
            fallbacks=entry.fallbacks,
            keep_alive=entry.keep_alive,
            prompt_id=entry.prompt_id,
            prompt_version=entry.prompt_version,
        )


def read(text: str, *, file: str) -> Catalogue:
    """The catalogue that a file's text says; CatalogueError in one line, which names the key."""
    try:
        said = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # beside its own errors, of a number or a nesting that is too long
        raise CatalogueError(f"{file}: {_bare(text) or f'not TOML: {_one_line(str(error))}'}") from None
    try:
        return Catalogue.model_validate(said)
    except ValidationError as error:
        raise CatalogueError(f"{file}: {_bare(text) or mistakes.said(error, known=_keys)}") from None


def _keys(path: mistakes.Place) -> Iterable[str]:
    tables: dict[str, type[_Strict]] = {"backends": Server, "models": Entry}
    return tables.get(str(path[0]), Catalogue).model_fields


def _bare(text: str) -> str:
    """TOML takes [models.gpt-4.1] for a table within a table, and a colon there for no TOML at all."""
    found = _bare_name.search(text)
    return f"models.{found[1]}: a name with other than letters, digits, _ and - stands in quotes" if found else ""


def _one_line(said: str) -> str:
    """A key in quotes may have any letter, the end of a line too."""
    return " ".join(said.split())


def _problems(catalogue: Catalogue) -> Iterator[str]:
    backends, models = catalogue.backends, catalogue.models
    known = [*models, ECHO]
    # What a server offers beside the models that are written down is known only when it is asked.
    open_ended = any(server.offers_all for server in backends.values())
    for name, entry in models.items():
        if entry.backend not in backends:
            yield f"models.{name}.backend: there is no backend {_near(entry.backend, backends)}"
            continue
        kind = backends[entry.backend].kind
        if entry.prompt_id and kind != "responses":
            yield f"models.{name}.prompt_id: only a backend of the kind responses has prompts"
        if entry.keep_alive and kind != "ollama":
            yield f"models.{name}.keep_alive: only a backend of the kind ollama has it"
        for each in entry.fallbacks:
            if each == name:
                yield f"models.{name}.fallbacks: a model cannot stand in for itself"
            elif each not in known and not open_ended:
                yield f"models.{name}.fallbacks: there is no model {_near(each, known)}"
    if catalogue.default and catalogue.default not in known and not open_ended:
        yield f"default: there is no model {_near(catalogue.default, known)}"
    for name, server in backends.items():
        if server.kind == "ollama" and server.base_url is None:
            yield f"backends.{name}.base_url: is required for the kind ollama"
        if server.api_key_file and server.kind == "echo":
            yield f"backends.{name}.api_key_file: the kind echo takes no key"


def _near(name: str, known: Mapping[str, object] | list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return repr(name) + (f"; did you mean {near[0]!r}?" if near else "")
