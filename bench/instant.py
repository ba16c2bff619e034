"""What answers at once? A model server and Twilio on one loopback port, so that only the system under test is slow.

The load runs it in its own process; `python -m bench.instant --port 9000` is one by itself, until it is killed.
"""

import argparse
import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import cast
from urllib.parse import parse_qs

import httptools
import orjson
import uvloop

from bench import token_streams

MODEL = "instant"


@dataclass(frozen=True, slots=True)
class Pace:
    """How a streamed answer leaves: in one write, or in one for each token, with a pause before the next."""

    by_token: bool = False
    pause_seconds: float = 0.0


# The name of a model says how it streams. OpenAI's have names of their own, so that the model service finds both.
PACES = {"": Pace(), "-by-token": Pace(by_token=True), "-paced": Pace(by_token=True, pause_seconds=0.01)}
OLLAMA = {f"{MODEL}{kind}": pace for kind, pace in PACES.items()}
CHAT = {f"{MODEL}-chat{kind}": pace for kind, pace in PACES.items()}


@dataclass(frozen=True, slots=True)
class Answer:
    """The bytes of one answer, write by write."""

    writes: tuple[bytes, ...]
    pause_seconds: float = 0.0


class InstantWorld:
    """Speaks Ollama's /api, OpenAI's /v1 and Twilio's Messages.json; tells the ledger what Twilio was given."""

    def __init__(self, on_send: Callable[[str], None]) -> None:
        self._on_send = on_send
        self._sends = 0
        self._routes: dict[str, Callable[[bytes], Answer]] = {
            "/Messages.json": self._message,
            "/api/chat": _ollama_chat,
            "/v1/chat/completions": _openai_chat,
            "/v1/models": lambda _: _json({"data": [{"id": name} for name in CHAT]}),
            "/api/tags": lambda _: _json({"models": [{"name": name, "model": name} for name in OLLAMA]}),
            "/api/show": lambda _: _json({"model_info": {"llama.context_length": 8192}}),
            "/api/version": lambda _: _json({"version": "0.9.0"}),
        }

    def answer(self, path: str, body: bytes) -> Answer:
        for suffix, handler in self._routes.items():
            if path.endswith(suffix):
                return handler(body)
        return _json({"error": "no such path"}, status=404)

    def _message(self, body: bytes) -> Answer:
        self._sends += 1
        form = parse_qs(body.decode(), keep_blank_values=True)
        self._on_send(form["Body"][0])
        return _json({"sid": f"SM{self._sends:032x}", "status": "queued", "error_code": None}, status=201)


def _ollama_chat(body: bytes) -> Answer:
    asked = orjson.loads(body)
    if asked.get("stream"):
        return _stream(token_streams.ollama, asked["model"])
    answer = {"model": asked["model"], "message": {"role": "assistant", "content": _reply(asked)}, "done": True}
    return _json({**answer, "done_reason": "stop", "prompt_eval_count": 12, "eval_count": 4})


def _openai_chat(body: bytes) -> Answer:
    asked = orjson.loads(body)
    if asked.get("stream"):
        return _stream(token_streams.chat, asked["model"])
    choice = {"index": 0, "message": {"role": "assistant", "content": _reply(asked)}, "finish_reason": "stop"}
    return _json({"model": asked["model"], "choices": [choice], "usage": {"prompt_tokens": 12, "completion_tokens": 4}})


def _reply(asked: dict[str, list[dict[str, str]]]) -> str:
    return "re: " + " ".join(_newest(asked["messages"]))


def _newest(messages: list[dict[str, str]]) -> list[str]:
    """The person's messages since the last answer: what a real model would answer."""
    newest: list[str] = []
    for message in reversed(messages):
        if message["role"] == "assistant":
            break
        if message["role"] == "user":
            newest.insert(0, message["content"])
    return newest


@cache
def _stream(words: Callable[[str], tuple[bytes, ...]], model: str) -> Answer:
    pace, writes = (OLLAMA | CHAT)[model], words(model)
    return Answer(writes, pace.pause_seconds) if pace.by_token else Answer((b"".join(writes),))


def _json(said: object, *, status: int = 200) -> Answer:
    body = orjson.dumps(said) + b"\n"
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return Answer((head.encode() + body,))


class InstantProtocol(asyncio.Protocol):
    """HTTP/1.1 keep-alive around an InstantWorld."""

    def __init__(self, world: InstantWorld) -> None:
        self._world = world
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url, self._body = b"", bytearray()
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class does not inherit from it

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url, self._body = b"", bytearray()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        answer = self._world.answer(self._url.decode().split("?")[0], bytes(self._body))
        self._write(iter(answer.writes), answer.pause_seconds)

    def _write(self, writes: Iterator[bytes], pause_seconds: float) -> None:
        """One write of each turn of the loop: within a turn the loop would make them one."""
        data = next(writes, None)
        if data is None or self._transport is None:
            return
        self._transport.write(data)
        if pause_seconds:
            self._loop.call_later(pause_seconds, self._write, writes, pause_seconds)
        else:
            self._loop.call_soon(self._write, writes, pause_seconds)


async def serve(on_send: Callable[[str], None], port: int) -> asyncio.Server:
    """Listens on a loopback port until the server is closed."""
    world = InstantWorld(on_send)
    return await asyncio.get_running_loop().create_server(lambda: InstantProtocol(world), "127.0.0.1", port)


async def _serve_forever(port: int) -> None:
    await (await serve(lambda _: None, port)).serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(_serve_forever(parser.parse_args().port))


if __name__ == "__main__":
    main()
