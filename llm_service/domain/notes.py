"""What is a person told about the default model: why this one, and how to get another?"""

from dataclasses import dataclass

from llm_service.domain.catalogue import ECHO
from llm_service.domain.served import Health, Served


@dataclass(frozen=True, slots=True)
class Seen:
    """What the last look found about the default. `served` is its backend, or the first one that was asked."""

    served: Served
    default: str
    has_default: bool
    asked_for_echo: bool
    recheck_seconds: float
    written: str
    is_paused: bool = False
    has_fallbacks: bool = False
    health: Health | None = None  # of the default, when there is one


_NO_OLLAMA = "What answers at {} is no Ollama, whose address goes without /api or /v1"


def note(seen: Seen) -> str:
    """One line."""
    served, name = seen.served, seen.default
    where = f"{_KINDS.get(served.kind, served.name)} at {served.base_url}"
    if name == ECHO:
        return _of_echo(seen)
    if served.refusal:
        return f"{where}: {served.refusal} People get the fallback text."
    if not served.reachable:
        instead = "its fallbacks answer" if seen.has_fallbacks else "people get the fallback text"
        return f"The model server at {served.base_url} does not answer: {instead} until it does."
    if served.kind == "ollama" and not served.lists:
        return f"{_NO_OLLAMA.format(served.base_url)}. People get the fallback text."
    if served.kind == "ollama" and not served.first_for_chat():
        return f"{where} has no model to talk to: run `ollama pull llama3.2`. People get the fallback text."
    if not served.lists and not (seen.health and seen.health.has_answered):
        return _of_no_list(seen, where)
    if not name:
        return f"{where} has several models: set DEFAULT_MODEL to one. People get the fallback text."
    if not seen.has_default:
        fix = f": run `ollama pull {name}`" if served.kind == "ollama" else ""
        return f"{where} has no {name!r} ({seen.written or 'DEFAULT_MODEL'}){fix}."
    if seen.is_paused:
        return f"{where} fails with {name}, which is left alone for a while: see `parley models`."
    if seen.health and seen.health.resting_seconds:
        return f"{where} asked to be left alone with {name} for a while: see `parley models`."
    if seen.health and (failure := seen.health.failure):
        return f"{where} answered the last call to {name} with a failure: {failure.message} ({failure.name})"
    return f"{where} answers with {name}" + (f", as {seen.written} says." if seen.written else ".")


def _of_no_list(seen: Seen, where: str) -> str:
    """Some servers list nothing and answer all the same; most of the time it is the address."""
    url = "base_url" if seen.written else "OPENAI_BASE_URL"
    ends = "" if seen.served.base_url.endswith("/v1") else f": does {url} end in /v1?"
    lacks = f"{where} has no /models{ends or '.'}"
    if not seen.served.may_list:
        lacks = f"{where} does not let our key list its models: only a call can say whether it answers."
    named = "" if seen.default else " Set DEFAULT_MODEL to a model that it has."
    failure = seen.health.failure if seen.health else None
    failed = f" The last call failed: {failure.message} ({failure.name})" if failure else ""
    return f"{lacks}{named}{failed}"


def _of_echo(seen: Seen) -> str:
    if seen.asked_for_echo or seen.written:
        by = seen.written or "DEFAULT_MODEL"
        return f"Echo answers, as {by} asks: it repeats what people say and thinks nothing."
    found = "No model server answers"
    if seen.served.reachable:
        found = "Ollama has no model" if seen.served.lists else "What answers is no Ollama"
    return (
        f"{found} at {seen.served.base_url}, so echo answers: it repeats what people say. Start Ollama (`ollama "
        f"serve`, `ollama pull llama3.2`) and it is used within {seen.recheck_seconds:g} s, or set OLLAMA_BASE_URL."
    )


_KINDS = {"ollama": "Ollama", "openai": "The server", "responses": "The server"}
