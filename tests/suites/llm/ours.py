"""What does a model server say, as our own backend reads it? In the shape that the oracles tell it in."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from llm_service.backends.echo import Echo
from llm_service.backends.ollama import Ollama
from llm_service.backends.openai_chat import OpenAiChat
from llm_service.backends.openai_responses import OpenAiResponses
from llm_service.backends.wire import Wire
from llm_service.domain.backend import Answer, Backend, Model
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import completion_pb2, prompt_pb2
from tests.suites.llm.oracles import KEY, SERVERS, Asked, Told
from tests.suites.llm.service import wired

ROLES = {
    "system": Role.ROLE_SYSTEM,
    "user": Role.ROLE_CONTACT,
    "assistant": Role.ROLE_AGENT,
    "tool": Role.ROLE_TOOL,
}
FINISHES = {
    completion_pb2.FINISH_REASON_STOP: "stop",
    completion_pb2.FINISH_REASON_LENGTH: "length",
    completion_pb2.FINISH_REASON_TOOL_CALLS: "tool_calls",
    completion_pb2.FINISH_REASON_FILTERED: "content_filter",
}


@dataclass(frozen=True, slots=True)
class Ours:
    """A backend, and the simulated server that it asks; echo has none."""

    backend: Backend
    server: Any = None

    async def model(self) -> Model:
        return (await self.backend.models())[0]

    async def told(self, asked: Asked, *, stream: bool) -> Told:
        prompt, model = prompt_of(asked), await self.model()
        if not stream:
            return _told(answer := await self.backend.answer(prompt, model), answer.text)
        *pieces, end = [piece async for piece in self.backend.stream(prompt, model)]
        assert isinstance(end, Answer)
        return _told(end, "".join(str(piece) for piece in pieces))


MAKERS: dict[str, Callable[[Wire], Backend]] = {
    "ollama": lambda wire: Ollama(wire, window_tokens=4096),
    "openai": lambda wire: OpenAiChat(wire, name="openai"),
    "responses": lambda wire: OpenAiResponses(wire, name="responses"),
}


def asking(name: str, mode: str = "ok", **options: Any) -> "AbstractAsyncContextManager[Ours]":
    """One of the backends, asking a simulated server in this mode."""
    return _echo() if name == "echo" else _served(name, mode, options)


@asynccontextmanager
async def _echo() -> AsyncIterator[Ours]:
    yield Ours(Echo())


@asynccontextmanager
async def _served(name: str, mode: str, options: dict[str, Any]) -> AsyncIterator[Ours]:
    async with SERVERS[name](mode, **options) as server:
        url = server.base_url if name == "ollama" else f"{server.base_url}/v1"
        async with wired(url, key=KEY) as wire:
            yield Ours(MAKERS[name](wire), server)


def prompt_of(asked: Asked) -> prompt_pb2.Prompt:
    """The same request in the words of the contract. Calls that stand together are one message's."""
    prompt = prompt_pb2.Prompt(max_output_tokens=asked.most_tokens)
    answered = 0
    for number, (role, text) in enumerate(asked.texts):
        if role == "call":
            fresh = number == 0 or asked.texts[number - 1][0] != "call"
            message = prompt.messages.add(role=Role.ROLE_AGENT) if fresh else prompt.messages[-1]
            name, _, arguments = text.partition(" ")
            message.tool_calls.add(id=f"call_{len(message.tool_calls)}", name=name, arguments=arguments)
            answered = 0
        elif role == "tool":
            prompt.messages.add(role=Role.ROLE_TOOL, text=text, tool_call_id=f"call_{answered}")
            answered += 1
        else:
            prompt.messages.add(role=ROLES[role], text=text)
    for name, schema in asked.tools.items():
        prompt.tools.add(name=name, description=f"Does {name}.", parameters=json.dumps(schema))
    if asked.schema is not None:
        prompt.output_schema = json.dumps(asked.schema)
    return prompt


def _told(answer: Answer, text: str) -> Told:
    calls = tuple((call.name, json.loads(call.arguments)) for call in answer.calls)
    return Told(text, calls, FINISHES[answer.finish_reason], answer.input_tokens, answer.output_tokens)
