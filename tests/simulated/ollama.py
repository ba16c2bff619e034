"""What does an Ollama server say on the wire, healthy and ill?

A loopback server of the protocol in ollama/ollama docs/api.md, with the modes of `model_server`, saying what
`model_speech` decides. `python -m tests.simulated.ollama --port 11434 --mode ok`.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from tests.simulated.model_dialect import Body, Dialect, Reply, Seen, Voice, utf8
from tests.simulated.model_server import ModelServer, main
from tests.simulated.model_speech import Heard, Saying, ToolCall, text_of, words

MODEL = "llama3.2:latest"
MISSING = "nope"  # the one model that cannot be pulled
CREATED_AT = "2026-01-01T00:00:00.000000Z"
STREAM = "application/x-ndjson"
LAYER_BYTES = {"weights": 2_019_377_376, "template": 1_429, "params": 96}
# Go writes these as escapes wherever they stand: https://pkg.go.dev/encoding/json#Marshal
ESCAPED = {ord(each): f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}

Part = Callable[[Any, tuple[ToolCall, ...]], Body]  # where a text and its calls stand


class Ollama:
    """A model server whose health is a word that may change while it runs."""

    def __init__(
        self,
        mode: str = "ok",
        models: tuple[str, ...] = (MODEL,),
        *,
        context_length: int = 8192,
        parameters: str = "",
        port: int = 0,
    ) -> None:
        self.models = models
        self._context_length = context_length
        self.parameters = parameters  # may change while it runs, as by `ollama create` under the same name
        self.server = ModelServer(self._dialect(), mode, port=port)
        self.requests = self.server.requests
        self.start, self.stop, self.switch = self.server.start, self.server.stop, self.server.switch

    @property
    def mode(self) -> str:
        return self.server.mode

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def base_url(self) -> str:
        return self.server.base_url

    @property
    def chats(self) -> list[Seen]:
        """The requests that want something said."""
        return [seen for seen in self.server.chats if not _loads(seen.path, seen.body)]

    @property
    def loads(self) -> list[Seen]:
        """Those that want a model in memory, and no more."""
        return [seen for seen in self.server.chats if _loads(seen.path, seen.body)]

    @property
    def open_connections(self) -> int:
        return self.server.open_connections

    def _dialect(self) -> Dialect:
        return Dialect(
            name="Ollama",
            admits=lambda _headers: None,
            plain={
                ("GET", "/api/tags"): self._tags,
                ("POST", "/api/show"): self._show,
                ("GET", "/api/version"): lambda _body: _reply({"version": "0.9.0"}),
                ("POST", "/api/pull"): self._pull,
            },
            voices={
                "/api/chat": _voice(_hear_chat, _message, refused=self._unknown),
                "/api/generate": _voice(_hear_prompt, _response, refused=self._unknown),
            },
            written=_written,
            framed=lambda data: data + b"\n",
            stream_type=STREAM,
            streams=True,
            error=lambda _status, message: {"error": message},
        )

    def _tags(self, _body: Body) -> Reply:
        return _reply({"models": [_listed(name, self.parameters) for name in self.models]})

    def _show(self, body: Body) -> Reply:
        if refused := self._unknown(body):
            return refused
        info = {"general.architecture": "llama", "llama.context_length": self._context_length}
        shown = {"parameters": self.parameters, "model_info": info, "details": {"family": "llama"}}
        return _reply({**shown, "capabilities": ["completion", "tools"], "modified_at": CREATED_AT})

    def _pull(self, body: Body) -> Reply:
        name, streams = body.get("model") or body.get("name", ""), body.get("stream", True)
        if name == MISSING:
            error = {"error": "pull model manifest: file does not exist"}
            return _reply(error, content_type=STREAM) if streams else _reply(error, status=500)
        if _full(name) not in self.models:
            self.models = (*self.models, _full(name))
        steps = list(_pulled(name)) if streams else []
        return Reply(tuple(_written(step) + b"\n" for step in [*steps, {"status": "success"}]), content_type=STREAM)

    def _unknown(self, body: Body) -> Reply | None:
        name = body.get("model")
        known = {name, _full(str(name))} & set(self.models)
        return None if known else _reply({"error": f"model '{name}' not found"}, status=404)


@asynccontextmanager
async def running(mode: str = "ok", **options: Any) -> AsyncIterator[Ollama]:
    """A server for the length of a test."""
    ollama = Ollama(mode, **options)
    await ollama.start()
    try:
        yield ollama
    finally:
        await ollama.stop()


def _voice(hear: Callable[[Body], Heard], part: Part, *, refused: Callable[[Body], Reply | None]) -> Voice:
    """Both paths differ only in what they are asked with, and in where the text of an answer stands."""
    failed = {"error": "model runner has unexpectedly stopped"}

    def whole(asked: Body, said: Saying) -> Body:
        if not (asked.get("messages") or asked.get("prompt")):
            head = {"model": asked.get("model"), "created_at": CREATED_AT}
            return {**head, **part("", ()), "done": True, "done_reason": "load"}
        return {**_end(asked, hear(asked), said), **part(said.text, said.calls)}

    def pieces(asked: Body, whole: Body) -> list[bytes]:
        head = {"model": asked.get("model"), "created_at": CREATED_AT, "done": False}
        message = whole.get("message", {})
        text, calls = message.get("content", whole.get("response")), message.get("tool_calls")
        parts = [{**head, "message": message}] if calls else [{**head, **part(word, ())} for word in words(text)]
        return [_written(each) + b"\n" for each in [*parts, {**whole, **part("", ())}]]

    return Voice(
        hear=hear,
        whole=whole,
        pieces=pieces,
        opening=1,
        failed=lambda _asked: failed,
        broken=lambda _asked, _after: _written(failed) + b"\n",
        refused=refused,
    )


def _loads(path: str, asked: Body) -> bool:
    return path == "/api/generate" and not asked.get("prompt")


def _hear_chat(asked: Body) -> Heard:
    turns = tuple((each.get("role", ""), text_of(each.get("content"))) for each in asked.get("messages") or [])
    return Heard(turns, bool(asked.get("tools")), _most_tokens(asked))


def _hear_prompt(asked: Body) -> Heard:
    turns = (("system", asked.get("system") or ""), ("user", asked.get("prompt") or ""))
    return Heard(turns, most_tokens=_most_tokens(asked))


def _most_tokens(asked: Body) -> int:
    return int((asked.get("options") or {}).get("num_predict") or 0)


def _message(text: Any, calls: tuple[ToolCall, ...]) -> Body:
    message = {"role": "assistant", "content": text}
    if not calls:
        return {"message": message}
    try:
        functions = [{"name": call.name, "arguments": json.loads(call.arguments)} for call in calls]
    except ValueError:  # a call that Ollama cannot read stays the text that it was
        return {"message": {**message, "content": " ".join(f"{call.name} {call.arguments}" for call in calls)}}
    return {"message": {**message, "tool_calls": [{"function": function} for function in functions]}}


def _response(text: Any, _calls: tuple[ToolCall, ...]) -> Body:
    return {"response": text}


def _end(asked: Body, heard: Heard, said: Saying) -> Body:
    head = {"model": asked.get("model"), "created_at": CREATED_AT, "done": True}
    counts = {"prompt_eval_count": heard.tokens, "eval_count": said.tokens}
    times = {"total_duration": 5_000_000, "load_duration": 1_000_000}
    times |= {"prompt_eval_duration": 1_000_000, "eval_duration": 2_000_000}
    reason = "length" if said.finish == "length" else "stop"  # also when it calls tools
    return {**head, "done_reason": reason, **counts, **times}


def _pulled(name: str) -> Iterator[Body]:
    yield {"status": "pulling manifest"}
    for layer, total in LAYER_BYTES.items():
        digest = _digest(name + layer)
        line = {"status": f"pulling {digest[7:19]}", "digest": digest, "total": total}
        yield line  # before its first byte, `completed` is absent
        yield from ({**line, "completed": total * quarter // 4} for quarter in (1, 2, 3, 4))
    yield from ({"status": status} for status in ("verifying sha256 digest", "writing manifest"))


def _listed(name: str, parameters: str) -> Body:
    details = {"format": "gguf", "family": "llama", "parameter_size": "3.2B", "quantization_level": "Q4_K_M"}
    times = {"modified_at": CREATED_AT, "digest": _digest(name + parameters).removeprefix("sha256:")}
    return {"name": name, "model": name, "size": 2_019_393_189, "details": details, **times}


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _full(name: str) -> str:
    return name if ":" in name else f"{name}:latest"


def _reply(body: Body, *, status: int = 200, content_type: str = "application/json") -> Reply:
    return Reply((_written(body),), status, content_type)


def _written(body: Body) -> bytes:
    return utf8(body).decode().translate(ESCAPED).encode()


if __name__ == "__main__":
    main(lambda mode, port: Ollama(mode, port=port), name="Ollama", port=11434)
