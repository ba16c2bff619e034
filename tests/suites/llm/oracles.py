"""What does a model server say, as its own official client reads it? One answer, in one shape for three protocols.

`await ORACLES["responses"](base_url, asked, stream=True)`. A request that fails raises what the client raises, and
`Failed` where the client leaves it to its caller to notice.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Protocol

import ollama
import openai

from tests.simulated import ollama as simulated_ollama
from tests.simulated import openai as simulated_openai

KEY = "sk-of-the-tests"
JSON = dict[str, Any]
Calls = tuple[tuple[str, JSON], ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. The roles are system, user and assistant; `call` for a call that the model made, its text
    `NAME {json}`; and `tool` for a result. Results stand after the calls, in the same order."""

    texts: tuple[tuple[str, str], ...]
    tools: Mapping[str, JSON] = field(default_factory=dict)  # the schema of the arguments by name
    schema: JSON | None = None
    most_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """An answer. It finishes by stop, length, tool_calls or content_filter."""

    text: str
    calls: Calls
    finish: str
    input_tokens: int
    output_tokens: int


class Oracle(Protocol):
    """An official client."""

    async def __call__(self, base_url: str, asked: Asked, *, stream: bool) -> Told: ...


class Failed(Exception):
    """The answer tells of an error, or has no end."""


@asynccontextmanager
async def ollama_client(base_url: str) -> AsyncIterator[ollama.AsyncClient]:
    client = ollama.AsyncClient(base_url, trust_env=False)
    try:
        yield client
    finally:
        await client.close()  # type: ignore[no-untyped-call]


def openai_client(base_url: str, *, key: str = KEY) -> openai.AsyncOpenAI:
    """Validates every answer against the types of the client, and never tries again."""
    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    url = f"{base_url}/v1"
    return openai.AsyncOpenAI(
        api_key=key, base_url=url, max_retries=0, http_client=http, _strict_response_validation=True
    )


async def told_by_ollama(base_url: str, asked: Asked, *, stream: bool) -> Told:
    options = {"num_predict": asked.most_tokens} if asked.most_tokens else {}
    given: JSON = {"model": simulated_ollama.MODEL, "messages": _ollama_messages(asked), "tools": _functions(asked)}
    given |= {"format": asked.schema, "options": options, "stream": stream}
    async with ollama_client(base_url) as client:
        said: Any = await client.chat(**given)
        parts = [part async for part in said] if stream else [said]
    if not parts or not parts[-1].done:
        raise Failed("no end")
    made = [call.function for part in parts for call in part.message.tool_calls or ()]
    calls = tuple((function.name, dict(function.arguments)) for function in made)
    text, end = "".join(part.message.content or "" for part in parts), parts[-1]
    finish = "tool_calls" if calls else end.done_reason or ""
    return Told(text, calls, finish, end.prompt_eval_count or 0, end.eval_count or 0)


async def told_by_openai(base_url: str, asked: Asked, *, stream: bool) -> Told:
    given: JSON = {"model": simulated_openai.MODEL, "messages": _chat_messages(asked), "stream": stream}
    if stream:
        given["stream_options"] = {"include_usage": True}
    if asked.tools:
        given["tools"] = _functions(asked)
    if asked.most_tokens:
        given["max_completion_tokens"] = asked.most_tokens
    if asked.schema is not None:
        named = {"name": "answer", "schema": asked.schema, "strict": True}
        given["response_format"] = {"type": "json_schema", "json_schema": named}
    async with openai_client(base_url) as client:
        said: Any = await client.chat.completions.create(**given)
        return _joined([chunk async for chunk in said]) if stream else _chosen(said)


async def told_by_responses(base_url: str, asked: Asked, *, stream: bool) -> Told:
    given: JSON = {"model": simulated_openai.MODEL, "input": _items(asked), "stream": stream}
    if asked.tools:
        given["tools"] = [{"type": "function", "strict": None, **each["function"]} for each in _functions(asked)]
    if asked.most_tokens:
        given["max_output_tokens"] = asked.most_tokens
    if asked.schema is not None:
        named = {"name": "answer", "schema": asked.schema, "strict": True}
        given["text"] = {"format": {"type": "json_schema", **named}}
    async with openai_client(base_url) as client:
        said: Any = await client.responses.create(**given)
        return _streamed([event async for event in said]) if stream else _responded(said)


ORACLES: Mapping[str, Oracle] = {
    "ollama": told_by_ollama,
    "openai": told_by_openai,
    "responses": told_by_responses,
}

# The simulated server that an oracle asks; `SERVERS[name](mode)` runs one.
SERVERS: Mapping[str, Callable[..., AbstractAsyncContextManager[Any]]] = {
    "ollama": simulated_ollama.running,
    "openai": simulated_openai.running,
    "responses": simulated_openai.running,
}


def a_question(*texts: str, **given: Any) -> Asked:
    """The texts are the user's unless they begin with another role: `assistant: hello`."""
    roles = ("system", "user", "assistant", "call", "tool")
    parted = [(text.partition(": "), text) for text in texts]
    said = [(role, rest) if role in roles else ("user", text) for (role, _, rest), text in parted]
    return Asked(tuple(said), **given)


async def told_twice(name: str, question: Asked, *, mode: str = "ok") -> Told:
    """What an oracle is told at once, which must be what it is told in a stream."""
    async with SERVERS[name](mode) as server:
        whole = await ORACLES[name](server.base_url, question, stream=False)
        streamed = await ORACLES[name](server.base_url, question, stream=True)
    assert streamed == whole
    return whole


def _functions(asked: Asked) -> list[JSON]:
    """Ollama's tools are written like those of Chat Completions."""
    named = [
        {"name": name, "description": f"Does {name}.", "parameters": schema} for name, schema in asked.tools.items()
    ]
    return [{"type": "function", "function": function} for function in named]


def _ollama_messages(asked: Asked) -> list[JSON]:
    messages: list[JSON] = []
    for role, texts in _by_role(asked):
        if role == "call":
            functions = [{"name": name, "arguments": json.loads(rest)} for name, rest in map(_call, texts)]
            calls = [{"function": function} for function in functions]
            messages.append({"role": "assistant", "content": "", "tool_calls": calls})
        else:
            messages += [{"role": role, "content": text} for text in texts]
    return messages


def _chat_messages(asked: Asked) -> list[JSON]:
    messages: list[JSON] = []
    for role, texts in _by_role(asked):
        if role == "call":
            functions = [{"name": name, "arguments": rest} for name, rest in map(_call, texts)]
            calls = [{"id": f"call_{n}", "type": "function", "function": f} for n, f in enumerate(functions)]
            messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        elif role == "tool":
            messages += [{"role": role, "content": text, "tool_call_id": f"call_{n}"} for n, text in enumerate(texts)]
        else:
            messages += [{"role": role, "content": text} for text in texts]
    return messages


def _items(asked: Asked) -> list[JSON]:
    items: list[JSON] = []
    for role, texts in _by_role(asked):
        for number, text in enumerate(texts):
            at = {"call_id": f"call_{number}"}
            if role == "call":
                name, rest = _call(text)
                items.append({"type": "function_call", "name": name, "arguments": rest, **at})
            elif role == "tool":
                items.append({"type": "function_call_output", "output": text, **at})
            else:
                items.append({"type": "message", "role": role, "content": text})
    return items


def _by_role(asked: Asked) -> list[tuple[str, list[str]]]:
    """Neighbours of one role stand together."""
    return [(role, [text for _, text in group]) for role, group in groupby(asked.texts, key=lambda each: each[0])]


def _call(text: str) -> tuple[str, str]:
    name, _, arguments = text.partition(" ")
    return name, arguments


def _chosen(said: Any) -> Told:
    """A body with an error and status 200 has no choices."""
    if not said.choices:
        raise Failed("no choice")
    (choice,) = said.choices
    made = [call.function for call in choice.message.tool_calls or ()]
    calls = tuple((function.name, json.loads(function.arguments)) for function in made)
    usage = said.usage
    return Told(choice.message.content or "", calls, choice.finish_reason, usage.prompt_tokens, usage.completion_tokens)


def _joined(chunks: list[Any]) -> Told:
    choices = [choice for chunk in chunks for choice in chunk.choices]
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for part in (part for choice in choices for part in choice.delta.tool_calls or ()):
        names[part.index] = names.get(part.index, "") + (part.function.name or "")
        arguments[part.index] = arguments.get(part.index, "") + (part.function.arguments or "")
    finishes = [choice.finish_reason for choice in choices if choice.finish_reason]
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    if not finishes or not usages:
        raise Failed("no end")
    text = "".join(choice.delta.content or "" for choice in choices)
    calls = tuple((names[place], json.loads(arguments[place])) for place in sorted(names))
    return Told(text, calls, finishes[0], usages[0].prompt_tokens, usages[0].completion_tokens)


def _responded(said: Any) -> Told:
    made = [item for item in said.output or () if item.type == "function_call"]
    calls = tuple((call.name, json.loads(call.arguments)) for call in made)
    return _ended(said, said.output_text, calls=calls)


def _streamed(events: list[Any]) -> Told:
    """From the deltas alone; the whole answer at the end only tells how it ended and what it took."""
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    opened = [event for event in events if event.type == "response.output_item.added"]
    names = {event.item.id: event.item.name for event in opened if event.item.type == "function_call"}
    arguments = dict.fromkeys(names, "")
    for event in events:
        if event.type == "response.function_call_arguments.delta":
            arguments[event.item_id] += event.delta
    if not events or events[-1].type not in ("response.completed", "response.incomplete"):
        raise Failed("no end")
    calls = tuple((name, json.loads(arguments[place])) for place, name in names.items())
    return _ended(events[-1].response, text, calls=calls)


def _ended(said: Any, text: str, *, calls: Calls) -> Told:
    if said.status not in ("completed", "incomplete"):
        raise Failed(f"{said.error}")
    finish = "tool_calls" if calls else "stop"
    if said.status == "incomplete":
        reason = said.incomplete_details.reason
        finish = "length" if reason == "max_output_tokens" else reason
    return Told(text, calls, finish, said.usage.input_tokens, said.usage.output_tokens)
