"""What answers at once? A model server and Twilio on one loopback port, so that only the system under test is slow."""

import asyncio
from collections.abc import Callable
from typing import cast
from urllib.parse import parse_qs

import httptools
import orjson

MODEL = "instant"
Answer = tuple[int, bytes]


class InstantWorld:
    """Speaks Ollama's /api and Twilio's Messages.json; tells the ledger what Twilio was given."""

    def __init__(self, on_send: Callable[[str], None]) -> None:
        self._on_send = on_send
        self._sends = 0

    def answer(self, path: str, body: bytes) -> Answer:
        for suffix, handler in self._routes().items():
            if path.endswith(suffix):
                return handler(body)
        return 404, b'{"error":"no such path"}'

    def _routes(self) -> dict[str, Callable[[bytes], Answer]]:
        return {
            "/Messages.json": self._message,
            "/api/chat": _chat,
            "/api/tags": lambda _: (200, orjson.dumps({"models": [{"name": MODEL, "model": MODEL}]})),
            "/api/show": lambda _: (200, orjson.dumps({"model_info": {"llama.context_length": 8192}})),
            "/api/version": lambda _: (200, b'{"version":"0.9.0"}'),
        }

    def _message(self, body: bytes) -> Answer:
        self._sends += 1
        form = parse_qs(body.decode(), keep_blank_values=True)
        self._on_send(form["Body"][0])
        return 201, orjson.dumps({"sid": f"SM{self._sends:032x}", "status": "queued", "error_code": None})


def _chat(body: bytes) -> Answer:
    asked = orjson.loads(body)
    text = "re: " + " ".join(_newest(asked["messages"]))
    answer = {"model": asked["model"], "message": {"role": "assistant", "content": text}, "done": True}
    return 200, orjson.dumps({**answer, "done_reason": "stop", "prompt_eval_count": 12, "eval_count": 4}) + b"\n"


def _newest(messages: list[dict[str, str]]) -> list[str]:
    """The person's messages since the last answer: what a real model would answer."""
    newest: list[str] = []
    for message in reversed(messages):
        if message["role"] == "assistant":
            break
        if message["role"] == "user":
            newest.insert(0, message["content"])
    return newest


class InstantProtocol(asyncio.Protocol):
    """HTTP/1.1 keep-alive around an InstantWorld."""

    def __init__(self, world: InstantWorld) -> None:
        self._world = world
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url, self._body = b"", bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class does not inherit from it

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url, self._body = b"", bytearray()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        status, body = self._world.answer(self._url.decode().split("?")[0], bytes(self._body))
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        if self._transport is not None:
            self._transport.write(head.encode() + body)


async def serve(on_send: Callable[[str], None], port: int) -> asyncio.Server:
    """Listens on a loopback port until the server is closed."""
    world = InstantWorld(on_send)
    return await asyncio.get_running_loop().create_server(lambda: InstantProtocol(world), "127.0.0.1", port)
