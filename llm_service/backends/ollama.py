"""How is an Ollama server asked? https://github.com/ollama/ollama/blob/main/docs/api.md"""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

from kit.errors import ModelGarbage, ModelUnavailable, ModelUnknown
from llm_service.backends.wire import Wire
from llm_service.domain.backend import Answer, Model
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import llm_service_pb2 as llm

NAME = "ollama"
MOST_MODELS = 200

ROLES = {
    Role.ROLE_SYSTEM: "system",
    Role.ROLE_CONTACT: "user",
    Role.ROLE_AGENT: "assistant",
    Role.ROLE_OPERATOR: "assistant",
}

FINISH_REASONS = {"length": llm.FINISH_REASON_LENGTH}

_num_ctx = re.compile(r"^num_ctx\s+(\d{1,9})\s*$", re.MULTILINE)


class Ollama:
    """A backend for /api/chat. num_ctx is the same in each call: another one makes Ollama load the model again."""

    name = NAME

    def __init__(self, wire: Wire, *, window_tokens: int) -> None:
        self._wire = wire
        self._window_tokens = window_tokens
        self._windows: dict[str, int] = {}

    async def models(self) -> tuple[Model, ...]:
        listed = (await self._wire.whole("/api/tags")).get("models")
        found = listed[:MOST_MODELS] if isinstance(listed, list) else []
        names = [entry["name"] for entry in found if isinstance(entry, dict) and isinstance(entry.get("name"), str)]
        return tuple([Model(name, NAME, await self._window(name)) for name in names])

    async def answer(self, prompt: llm.Prompt, model: Model) -> Answer:
        said = await self._wire.whole("/api/chat", _body(prompt, model, stream=False))
        return _end(said, _text(said))

    async def stream(self, prompt: llm.Prompt, model: Model) -> AsyncGenerator[str | Answer, None]:
        async with aclosing(self._wire.lines("/api/chat", _body(prompt, model, stream=True))) as lines:
            async for said in lines:
                yield _text(said)
                if said.get("done") is True:
                    yield _end(said, "")
                    return

    async def _window(self, name: str) -> int:
        """What the Modelfile sets, else what the model can, but no more than we ask memory for."""
        if name not in self._windows:
            try:
                self._windows[name] = _window(await self._wire.whole("/api/show", {"model": name}), self._window_tokens)
            except (ModelUnknown, ModelGarbage):
                return self._window_tokens or 4096
        return self._windows[name]


def _body(prompt: llm.Prompt, model: Model, *, stream: bool) -> dict[str, object]:
    options: dict[str, object] = {"num_ctx": model.window_tokens}
    if prompt.max_output_tokens:
        options["num_predict"] = prompt.max_output_tokens
    if prompt.HasField("temperature"):
        options["temperature"] = prompt.temperature
    messages = [{"role": ROLES.get(said.role, "user"), "content": said.text} for said in prompt.messages]
    return {"model": model.name, "messages": messages, "stream": stream, "options": options}


def _text(said: dict[str, object]) -> str:
    if "error" in said:
        raise ModelUnavailable("The model server reported an error of its own.")
    message = said.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return content
    # The last object of a stream need not carry a message.
    if said.get("done") is True and message is None:
        return ""
    raise ModelGarbage("The model server's answer has no text where it should.")


def _end(said: dict[str, object], text: str) -> Answer:
    reason = FINISH_REASONS.get(str(said.get("done_reason")), llm.FINISH_REASON_STOP)
    return Answer(text, reason, _count(said.get("prompt_eval_count")), _count(said.get("eval_count")))


def _count(number: object) -> int:
    return number if type(number) is int and 0 <= number < 2**31 else 0


def _window(shown: dict[str, object], most: int) -> int:
    parameters = shown.get("parameters")
    if isinstance(parameters, str) and (found := _num_ctx.search(parameters)):
        return max(1, int(found[1]))
    info = shown.get("model_info")
    lengths = [v for k, v in info.items() if k.endswith(".context_length")] if isinstance(info, dict) else []
    able = next((length for length in map(_count, lengths) if length), 0)
    return min(filter(None, (able, most)), default=4096)
