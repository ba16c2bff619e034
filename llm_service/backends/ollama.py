"""How is an Ollama server asked? https://github.com/ollama/ollama/blob/main/docs/api.md"""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson

from kit.errors import ModelGarbage, ModelUnavailable, ModelUnknown, ParleyError
from llm_service.backends.by_turns import role
from llm_service.backends.pieces import joined
from llm_service.backends.reading import Object, at, count, is_name, objects, text
from llm_service.backends.thinking import Thinking
from llm_service.backends.wire import Wire
from llm_service.domain.backend import Answer, Call, Model, Progress, most_tokens
from llm_service.domain.schemas import parsed
from parley.llm.v1 import completion_pb2, prompt_pb2

MOST_MODELS = 200

FINISH_REASONS = {"length": completion_pb2.FINISH_REASON_LENGTH}

_num_ctx = re.compile(r"^num_ctx\s+(\d{1,9})\s*$", re.MULTILINE)


class Ollama:
    """A backend for /api/chat, and /api/generate for what is raw.

    num_ctx is the same in each call: another one makes Ollama load the model again.
    """

    def __init__(self, wire: Wire, *, window_tokens: int, name: str = "ollama") -> None:
        self.name = name
        self._wire = wire
        self._window_tokens = window_tokens
        self._unshown = window_tokens or 4096
        self._shown: dict[str, tuple[int, bool]] = {}
        self._digests: dict[str, str] = {}  # of what was shown: `ollama create` makes another model of the same name
        self._thinking = Thinking()

    async def models(self) -> tuple[Model, ...]:
        listed = (await self._wire.whole("/api/tags")).get("models")
        found = listed[:MOST_MODELS] if isinstance(listed, list) else []
        named = [entry for entry in found if isinstance(entry, dict) and is_name(entry.get("name"))]
        models: list[Model] = []
        away: ModelUnavailable | None = None
        for name, digest in [(entry["name"], str(entry.get("digest"))) for entry in named]:
            try:
                window, chats = await self._about(name, digest)
            except ParleyError as error:
                # One that is damaged, retired, or asks for an account, is left to whoever names it; none can be shown
                # where the server itself is ill.
                away = error if isinstance(error, ModelUnavailable) else away
                window, chats = self._shown.get(name, (self._unshown, False))
            models.append(Model(name, self.name, window, is_for_chat=chats))
        if away is not None and not any(model.name in self._shown for model in models):
            raise away
        return tuple(models)

    async def answer(self, prompt: prompt_pb2.Prompt, model: Model) -> Answer:
        path, body = _asked(prompt, model, stream=False)
        said = await self._wire.whole(path, body)
        answer = _end(said, _text(said), calls=_calls(said))
        return self._thinking.without(answer, prompt, model=model)

    async def stream(self, prompt: prompt_pb2.Prompt, model: Model) -> AsyncGenerator[str | Answer, None]:
        path, body = _asked(prompt, model, stream=True)
        calls: list[Call] = []
        thinking = self._thinking.reading(prompt, model=model)

        def read(said: Object) -> str | Answer:
            calls.extend(_calls(said))
            piece = _text(said)
            return _end(said, piece, calls=calls) if said.get("done") is True else piece

        async with aclosing(joined(self._wire.lines(path, body), read)) as pieces:
            async for piece in pieces:
                yield thinking.rest(piece) if isinstance(piece, Answer) else thinking.shown(piece)
                if isinstance(piece, Answer):
                    yield piece

    async def pull(self, name: str) -> AsyncGenerator[Progress, None]:
        body: Object = {"model": name, "stream": True}
        async with aclosing(self._wire.lines("/api/pull", body, endless=True)) as reads:
            async for said in reads:
                for step in [_step(name, each) for each in said]:
                    yield step
                    if step.status == "success":
                        return
        raise ModelGarbage("The model server's answer ended before it was done.")

    async def load(self, model: Model) -> None:
        """Returns when the model is in memory: without a prompt, Ollama does no more than that (docs/faq, preload)."""
        options: Object = {"num_ctx": model.window_tokens}
        _text(await self._wire.whole("/api/generate", {**_of(model, stream=False), "options": options}))

    async def aclose(self) -> None:
        await self._wire.aclose()

    async def _about(self, name: str, digest: str) -> tuple[int, bool]:
        """Its window, and whether it is for chat. Asked for until the server says it, since it costs a call."""
        if self._digests.get(name) != digest:
            try:
                said = await self._wire.whole("/api/show", {"model": name})
                self._shown[name] = _window(said, self._window_tokens), _chats(said)
                self._digests[name] = digest
            except (ModelUnknown, ModelGarbage):
                return self._shown.get(name, (self._unshown, True))
        return self._shown[name]


def _asked(prompt: prompt_pb2.Prompt, model: Model, *, stream: bool) -> tuple[str, Object]:
    body: Object = {**_of(model, stream=stream), "options": _options(prompt, model)}
    if prompt.output_schema:
        body["format"] = parsed(prompt.output_schema)
    if prompt.raw:
        return "/api/generate", {**body, "prompt": prompt.messages[-1].text, "raw": True}
    if prompt.tools and prompt.tool_choice != prompt_pb2.TOOL_CHOICE_NONE:
        body["tools"] = [_tool(tool) for tool in prompt.tools]
    return "/api/chat", {**body, "messages": [_message(said) for said in prompt.messages]}


def _of(model: Model, *, stream: bool) -> Object:
    body: Object = {"model": model.called, "stream": stream}
    if model.keep_alive:
        # As text it needs a unit; a bare number is one of seconds.
        bare = model.keep_alive.removeprefix("-").isdigit()
        body["keep_alive"] = int(model.keep_alive) if bare else model.keep_alive
    return body


def _options(prompt: prompt_pb2.Prompt, model: Model) -> Object:
    options: Object = {"num_ctx": model.window_tokens}
    if most := most_tokens(prompt, model):
        options["num_predict"] = most
    if prompt.HasField("temperature"):
        options["temperature"] = prompt.temperature
    return options


def _message(said: prompt_pb2.PromptMessage) -> Object:
    message: Object = {"role": role(said), "content": said.text}
    if said.tool_calls:
        calls = [{"name": call.name, "arguments": orjson.loads(call.arguments or "{}")} for call in said.tool_calls]
        message["tool_calls"] = [{"function": call} for call in calls]
    return message


def _tool(tool: prompt_pb2.Tool) -> Object:
    function = {"name": tool.name, "description": tool.description, "parameters": parsed(tool.parameters)}
    return {"type": "function", "function": function}


def _text(said: Object) -> str:
    if "error" in said:
        raise ModelUnavailable("The model server reported an error of its own.")
    message = said.get("message", said)
    content = message.get("content", message.get("response")) if isinstance(message, dict) else None
    if isinstance(content, str):
        return content
    # The last object of a stream need not carry a message.
    if said.get("done") is True and "message" not in said:
        return ""
    raise ModelGarbage("The model server's answer has no text where it should.")


def _calls(said: Object) -> list[Call]:
    """Ollama gives calls no id, and their arguments as an object."""
    found = objects(at(said, "message", "tool_calls"))
    names = [text(at(call, "function", "name")) for call in found]
    arguments = [orjson.dumps(at(call, "function", "arguments")).decode() for call in found]
    return [Call("", *pair) for pair in zip(names, arguments, strict=True)]


def _end(said: Object, answered: str, *, calls: list[Call]) -> Answer:
    reason = FINISH_REASONS.get(str(said.get("done_reason")), completion_pb2.FINISH_REASON_STOP)
    if calls:
        reason = completion_pb2.FINISH_REASON_TOOL_CALLS
    return Answer(answered, reason, count(said.get("prompt_eval_count")), count(said.get("eval_count")), tuple(calls))


def _step(name: str, said: Object) -> Progress:
    if "error" in said:
        raise _not_pulled(name, str(said["error"]))
    layer = said.get("digest")
    return Progress(
        text(said.get("status"))[:200],
        layer[:100] if isinstance(layer, str) else "",
        _bytes(said.get("completed")),
        _bytes(said.get("total")),
    )


def _not_pulled(name: str, said: str) -> ParleyError:
    """Ollama has no codes for why; its own words are for its log, since they may name files and hosts."""
    if "file does not exist" in said or "not found" in said or "invalid model name" in said:
        return ModelUnknown(f"Ollama cannot fetch {name!r}: no registry that it asks has it.", metadata={"model": name})
    full = " its disk is full." if "no space left" in said else " its log says why."
    return ModelUnavailable(f"Ollama could not fetch {name!r}:{full}")


def _bytes(number: object) -> int:
    return number if type(number) is int and 0 <= number < 2**62 else 0


def _chats(shown: Object) -> bool:
    """An older Ollama does not say."""
    able = shown.get("capabilities")
    return "completion" in able if isinstance(able, list) else True


def _window(shown: Object, most: int) -> int:
    """What the Modelfile sets, else what the model can, but no more than we ask memory for."""
    parameters = shown.get("parameters")
    if isinstance(parameters, str) and (found := _num_ctx.search(parameters)):
        return max(1, int(found[1]))
    info = shown.get("model_info")
    lengths = [v for k, v in info.items() if k.endswith(".context_length")] if isinstance(info, dict) else []
    able = next((length for length in map(count, lengths) if length), 0)
    return min(filter(None, (able, most)), default=4096)
