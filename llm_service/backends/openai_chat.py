"""How is a server of the Chat Completions protocol asked? https://platform.openai.com/docs/api-reference/chat

OpenAI itself, vLLM, llama.cpp's server, GitHub Models, Ollama's /v1, and many more speak it.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import orjson

from kit.errors import ModelGarbage, ModelRefused, ModelUnavailable, ModelUnsupported
from llm_service.backends.by_turns import by_turns, role
from llm_service.backends.openai_models import listed, no_pulling, tool
from llm_service.backends.pieces import joined
from llm_service.backends.reading import Object, at, count, objects, text
from llm_service.backends.refusals import refused
from llm_service.backends.thinking import Thinking
from llm_service.backends.wire import Wire
from llm_service.domain.backend import Answer, Call, Model, Progress, most_tokens
from llm_service.domain.schemas import parsed
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import completion_pb2, prompt_pb2

FINISH_REASONS = {
    "length": completion_pb2.FINISH_REASON_LENGTH,
    "model_length": completion_pb2.FINISH_REASON_LENGTH,  # the window is full (Mistral)
    "tool_calls": completion_pb2.FINISH_REASON_TOOL_CALLS,
    "content_filter": completion_pb2.FINISH_REASON_FILTERED,
}
# It broke off: what is there is no answer (OpenRouter, Mistral; vLLM and SGLang; DeepSeek).
BROKEN = {"error", "abort", "insufficient_system_resource"}
PATH = "/chat/completions"
CHOICES = {prompt_pb2.TOOL_CHOICE_NONE: "none", prompt_pb2.TOOL_CHOICE_REQUIRED: "required"}

# OpenAI's newer models know only the longer name of a limit, other servers only the shorter one.
OPENAI_HOST, LONGER, SHORTER = "api.openai.com", "max_completion_tokens", "max_tokens"
COUNTED, FORMED = "stream_options", "response_format"


class OpenAiChat:
    """A backend for /chat/completions."""

    def __init__(self, wire: Wire, *, name: str) -> None:
        self.name = name
        self._wire = wire
        self._thinking = Thinking()
        self._limit = LONGER if wire.host == OPENAI_HOST else SHORTER
        self._wants_longer: set[str] = set()  # models elsewhere that do so too, as they said
        self._uncounted: set[str] = set()  # those that know no wish for counts at a stream's end
        self._unformed: set[str] = set()  # those that take no schema; what they write is checked all the same

    async def models(self) -> tuple[Model, ...]:
        return await listed(self._wire, self.name)

    async def answer(self, prompt: prompt_pb2.Prompt, model: Model) -> Answer:
        said = await self._whole(self._asked(prompt, model, stream=False), model)
        _refuse_error(said)
        message = at(said, "choices", 0, "message")
        if not isinstance(message, dict):
            raise ModelGarbage("The model server's answer has no message where it should.")
        calls = tuple(_call(found) for found in objects(message.get("tool_calls")))
        answered = _text(message.get("content"), message.get("refusal"))
        answer = Answer(answered, _reason(at(said, "choices", 0, "finish_reason")), *_usage(said), calls)
        return self._thinking.without(answer, prompt, model=model)

    async def stream(self, prompt: prompt_pb2.Prompt, model: Model) -> AsyncGenerator[str | Answer, None]:
        body = self._asked(prompt, model, stream=True)
        while True:
            reading, thinking = _Reading(), self._thinking.reading(prompt, model=model)
            try:
                async with aclosing(joined(self._wire.events(PATH, body), reading.read)) as pieces:
                    async for piece in pieces:
                        yield thinking.shown(str(piece))
                end = reading.end()
                yield thinking.rest(end)
                yield end
                return
            except ModelRefused as error:
                body = self._otherwise(body, model, error=error)

    def pull(self, name: str) -> AsyncGenerator[Progress, None]:
        return no_pulling(name)

    async def aclose(self) -> None:
        await self._wire.aclose()

    async def _whole(self, body: Object, model: Model) -> Object:
        while True:
            try:
                return await self._wire.whole(PATH, body)
            except ModelRefused as error:
                body = self._otherwise(body, model, error=error)

    def _asked(self, prompt: prompt_pb2.Prompt, model: Model, *, stream: bool) -> Object:
        if prompt.raw:
            raise ModelUnsupported(metadata={"feature": "raw"})
        body: Object = {"model": model.called, "messages": [_message(said) for said in by_turns(prompt.messages)]}
        if most := most_tokens(prompt, model):
            body[LONGER if model.called in self._wants_longer else self._limit] = most
        if prompt.HasField("temperature"):
            body["temperature"] = prompt.temperature
        if prompt.tools:
            body["tools"] = [{"type": "function", "function": tool(each)} for each in prompt.tools]
            body["tool_choice"] = CHOICES.get(prompt.tool_choice, "auto")
        if prompt.output_schema and model.called not in self._unformed:
            schema = {"name": "answer", "schema": parsed(prompt.output_schema)}
            body[FORMED] = {"type": "json_schema", "json_schema": schema}
        if stream:
            body["stream"] = True
            if model.called not in self._uncounted:
                body[COUNTED] = {"include_usage": True}
        return body

    def _otherwise(self, body: Object, model: Model, *, error: ModelRefused) -> Object:
        """With the longer name of the limit, or without the wish for counts or for a form, when that is what was
        refused; for this model, from now on."""
        refused = error.metadata.get("refused")
        if refused == "max_tokens" and SHORTER in body:
            self._wants_longer.add(model.called)
            return {LONGER if key == SHORTER else key: value for key, value in body.items()}
        lacking = {COUNTED: self._uncounted, FORMED: self._unformed}.get(str(refused))
        if lacking is None or refused not in body:
            raise error
        lacking.add(model.called)
        return {key: value for key, value in body.items() if key != refused}


class _Reading:
    """What the chunks of a stream have said so far. Its end has no chunk of its own: it is there after the last one."""

    def __init__(self) -> None:
        self._calls: list[_Growing] = []
        self._reason: object = None
        self._usage = (0, 0)

    def read(self, said: Object) -> str:
        """The text of one chunk."""
        _refuse_error(said)
        choice = at(said, "choices", 0)
        delta = at(choice, "delta") or at(choice, "message")  # whole, from a server that does not stream
        for found in objects(at(delta, "tool_calls")):
            self._growing(found).add(found)
        self._reason = at(choice, "finish_reason") or self._reason
        self._usage = _usage(said) if said.get("usage") else self._usage
        return _text(at(delta, "content"), at(delta, "refusal"))

    def end(self) -> Answer:
        """How it ended; ModelGarbage when it did not."""
        if self._reason is None:
            raise ModelGarbage("The model server's answer ended before it was done.")
        calls = tuple(growing.call() for growing in self._calls)
        return Answer("", _reason(self._reason), *self._usage, calls)

    def _growing(self, found: Object) -> "_Growing":
        """The call that a piece belongs to: the last one with its index. Where all have the same, as at Ollama's /v1
        and in front of Gemini, the piece says by itself that another one begins."""
        place = count(found.get("index"))
        last = next((each for each in reversed(self._calls) if each.place == place), None)
        if last is None or last.is_followed_by(found):
            last = _Growing(place)
            self._calls.append(last)
        return last


@dataclass(slots=True)
class _Growing:
    """A tool call of a stream: its name comes once, its arguments in pieces."""

    place: int
    id: str = ""
    name: str = ""
    arguments: str = ""

    def is_followed_by(self, found: Object) -> bool:
        """Whether the piece begins another call: it has a name, and another id, or comes when all arguments are there.
        Some servers repeat the name with each piece, or write another id there."""
        if not at(found, "function", "name"):
            return False
        name = found.get("id")
        return name != self.id if name and self.id else bool(_arguments(found)) and _is_whole(self.arguments)

    def add(self, found: Object) -> None:
        self.id = self.id or text(found.get("id") or "")
        self.name = self.name or text(at(found, "function", "name") or "")
        self.arguments += _arguments(found)

    def call(self) -> Call:
        return Call(self.id, self.name, self.arguments or "{}")


def _message(said: prompt_pb2.PromptMessage) -> Object:
    message: Object = {"role": role(said), "content": said.text}
    if said.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
            for call in said.tool_calls
        ]
    if said.role == Role.ROLE_TOOL:
        message["tool_call_id"] = said.tool_call_id
    return message


def _refuse_error(said: Object) -> None:
    """An error under a status of 200. Gateways such as OpenRouter name the status that it stands for, there or beside
    the text that there is; what is too long for the model, LM Studio tells in a stream, without one. Older vLLM's
    stands bare in a stream."""
    bare = said if said.get("object") == "error" else None
    if error := said.get("error") or at(said, "choices", 0, "error") or bare:
        code, words = at(error, "code"), json.dumps(error).encode()
        if type(code) is int and 400 <= code < 500:
            raise refused(code, {}, said=words)
        about = {} if type(code) is int else refused(400, {}, said=words).metadata
        if about:
            raise ModelRefused("The model server refused what it was asked, under a status of 200.", metadata=about)
        raise ModelUnavailable("The model server reported an error of its own.")


def _text(content: object, refusal: object) -> str:
    """What a model says instead of an answer is said by it all the same. No content is no text: the model was cut off
    while it thought (vLLM), or its server's filter took all. Of a list of parts those of text count (Mistral)."""
    if content is None:
        return "" if refusal is None else text(refusal)
    if isinstance(content, list):
        return "".join(text(part.get("text")) for part in objects(content) if part.get("type") == "text")
    return text(content)


def _call(found: Object) -> Call:
    return Call(text(found.get("id") or ""), text(at(found, "function", "name")), _arguments(found) or "{}")


def _arguments(found: Object) -> str:
    """JSON text, or a piece of it. Some servers write the object itself (llama.cpp, in March 2026)."""
    arguments = at(found, "function", "arguments")
    return orjson.dumps(arguments).decode() if isinstance(arguments, dict) else text(arguments or "")


def _is_whole(arguments: str) -> bool:
    try:
        return isinstance(orjson.loads(arguments), dict)
    except orjson.JSONDecodeError:
        return False


def _reason(said: object) -> completion_pb2.FinishReason:
    if str(said) in BROKEN:
        raise ModelUnavailable("The model server broke its answer off.")
    return FINISH_REASONS.get(str(said), completion_pb2.FINISH_REASON_STOP)


def _usage(said: Object) -> tuple[int, int]:
    return count(at(said, "usage", "prompt_tokens")), count(at(said, "usage", "completion_tokens"))
