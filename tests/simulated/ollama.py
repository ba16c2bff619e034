"""What does an Ollama server say on the wire, healthy and ill?

A loopback server of the protocol in ollama/ollama docs/api.md, with a mode for every illness that the model service has
to bear. `python -m tests.simulated.ollama --port 11434 --mode ok`; a mode may carry a number: `slow:1.5`.
"""

import argparse
import asyncio
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

CREATED_AT = "2026-01-01T00:00:00.000000Z"
HUGE_BYTES = 200 * 1024 * 1024
DRIP_SECONDS = 0.5


@dataclass(slots=True)
class Seen:
    """One request as the server saw it."""

    path: str
    body: dict[str, Any]
    abandoned: bool = False


@dataclass
class Ollama:
    """A model server whose health is a word that may change while it runs."""

    mode: str = "ok"
    models: tuple[str, ...] = ("llama3.2:latest",)
    context_length: int = 8192
    parameters: str = ""
    requests: deque[Seen] = field(default_factory=lambda: deque(maxlen=100_000))
    port: int = 0
    _runner: web.AppRunner | None = None
    _site: web.TCPSite | None = None
    _flips: Iterator[bool] = field(default_factory=lambda: itertools.cycle((True, False)))

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def chats(self) -> list[Seen]:
        return [seen for seen in self.requests if seen.path == "/api/chat"]

    async def start(self) -> None:
        """Listens; on a free port unless one was named."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.add_routes(
            [
                web.get("/api/tags", self._tags),
                web.post("/api/show", self._show),
                web.post("/api/chat", self._chat),
                web.get("/api/version", self._version),
            ]
        )
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen()
        await self.switch(self.mode)

    async def switch(self, mode: str) -> None:
        """Changes the mode; `refuse` closes the port, anything else opens it again."""
        self.mode = mode
        if mode == "refuse" and self._site is not None:
            await self._site.stop()
            self._site = None
        elif mode != "refuse" and self._site is None:
            await self._listen()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _listen(self) -> None:
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await self._site.start()
        self.port = self._site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def _version(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"version": "0.9.0"})

    async def _tags(self, request: web.Request) -> web.StreamResponse:
        await self._ill_altogether(request)
        self.requests.append(Seen("/api/tags", {}))
        return web.json_response({"models": [{"name": name, "model": name, "size": 1} for name in self.models]})

    async def _show(self, request: web.Request) -> web.StreamResponse:
        await self._ill_altogether(request)
        body = await request.json()
        self.requests.append(Seen("/api/show", body))
        if body.get("model") not in self.models:
            return web.json_response({"error": f"model '{body.get('model')}' not found"}, status=404)
        info = {"general.architecture": "llama", "llama.context_length": self.context_length}
        return web.json_response({"parameters": self.parameters, "model_info": info, "details": {"family": "llama"}})

    async def _ill_altogether(self, request: web.Request) -> None:
        if self.mode == "refuse":
            _reset(request)
        if self.mode == "frozen":
            await asyncio.Event().wait()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        await self._ill_altogether(request)
        body: dict[str, Any] = await request.json()
        if self.mode == "instant":
            return web.json_response(_whole(body))
        seen = Seen("/api/chat", body)
        self.requests.append(seen)
        try:
            return await self._answer(request, body)
        except (asyncio.CancelledError, ConnectionResetError):
            seen.abandoned = True
            raise

    async def _answer(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        mode, _, number = self.mode.partition(":")
        if mode == "slow":
            await asyncio.sleep(float(number or 1))
        if mode == "flap":
            mode = "500" if next(self._flips) else "ok"
        if mode in ILLNESSES:
            return await ILLNESSES[mode](request, body)
        if body.get("model") not in self.models:
            return web.json_response({"error": f"model '{body.get('model')}' not found"}, status=404)
        if body.get("stream", True):
            return await _stream(request, _lines(body), odd=mode == "odd")
        return web.json_response(_whole(body))


@asynccontextmanager
async def running(mode: str = "ok", **options: Any) -> AsyncIterator[Ollama]:
    """A server for the length of a test."""
    ollama = Ollama(mode=mode, **options)
    await ollama.start()
    try:
        yield ollama
    finally:
        await ollama.stop()


def reply_to(body: dict[str, Any]) -> str:
    """`re:` and the last thing that the user said."""
    said = [message["content"] for message in body.get("messages", []) if message.get("role") == "user"]
    return f"re: {said[-1]}" if said else "re:"


def _end(body: dict[str, Any]) -> dict[str, Any]:
    read = sum(len(message.get("content", "")) for message in body.get("messages", [])) // 4
    counts = {"prompt_eval_count": read, "eval_count": max(1, len(reply_to(body)) // 4)}
    times = {"total_duration": 5_000_000, "load_duration": 1_000_000, "eval_duration": 2_000_000}
    return {
        "model": body.get("model"),
        "created_at": CREATED_AT,
        "done": True,
        "done_reason": "stop",
        **counts,
        **times,
    }


def _whole(body: dict[str, Any]) -> dict[str, Any]:
    return {**_end(body), "message": {"role": "assistant", "content": reply_to(body)}}


def _lines(body: dict[str, Any]) -> list[dict[str, Any]]:
    words = reply_to(body).split(" ")
    pieces = [word if number == 0 else f" {word}" for number, word in enumerate(words)]
    head = {"model": body.get("model"), "created_at": CREATED_AT, "done": False}
    parts = [{**head, "message": {"role": "assistant", "content": piece}} for piece in pieces]
    return [*parts, {**_end(body), "message": {"role": "assistant", "content": ""}}]


async def _stream(request: web.Request, lines: list[dict[str, Any]], *, odd: bool) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "application/x-ndjson"})
    await response.prepare(request)
    data = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
    step = 3 if odd else len(data)  # three bytes cut both JSON and UTF-8 characters
    for start in range(0, len(data), step):
        await response.write(data[start : start + step])
    await response.write_eof()
    return response


def _reset(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise web.HTTPServiceUnavailable


async def _hang(_request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def _abort(request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
    _reset(request)
    raise AssertionError("unreachable")


async def _drip(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "application/json"})
    await response.prepare(request)
    for byte in json.dumps(_whole(body)).encode():
        await response.write(bytes([byte]))
        await asyncio.sleep(DRIP_SECONDS)
    return response


async def _stall(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """One piece, and then silence on an open connection."""
    response = web.StreamResponse(headers={"content-type": "application/x-ndjson"})
    await response.prepare(request)
    await response.write(json.dumps(_lines(body)[0]).encode() + b"\n")
    await asyncio.Event().wait()
    return response


async def _huge(request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"message": {"role": "assistant", "content": "')
    block = b"x" * 65536
    for _ in range(HUGE_BYTES // len(block)):
        await response.write(block)
    return response


async def _truncated(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """Half of the body that was announced, and then a closed connection."""
    data = json.dumps(_whole(body)).encode()
    response = web.StreamResponse(headers={"content-type": "application/json", "content-length": str(len(data))})
    await response.prepare(request)
    await response.write(data[: len(data) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def _says(content: Any) -> Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]:
    """A well-formed answer with this as its text."""

    async def answer(_request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response({**_end(body), "message": {"role": "assistant", "content": content}})

    return answer


def _plain(
    text: str, *, status: int = 200, content_type: str = "application/json", headers: dict[str, str] | None = None
) -> Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]:
    async def answer(_request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        return web.Response(text=text, status=status, content_type=content_type, headers=headers)

    return answer


ILLNESSES: dict[str, Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]] = {
    "hang": _hang,
    "reset": _abort,
    "drip": _drip,
    "stall": _stall,
    "huge": _huge,
    "truncated": _truncated,
    "garbage": _plain("\x00\x01 this is not json {{{"),
    "half": _plain('{"message": {"role": "assistant", "content": "hal'),
    "html": _plain("<html><body>Welcome to nginx</body></html>", content_type="text/html"),
    "nothing": _plain(""),
    "list": _plain("[1, 2, 3]"),
    "deep": _plain("[" * 100_000),
    "error": _plain('{"error": "model runner has unexpectedly stopped"}'),
    "500": _plain('{"error": "boom"}', status=500),
    "503": _plain('{"error": "server busy, please try again"}', status=503),
    "400": _plain('{"error": "model does not support chat"}', status=400),
    "429": _plain('{"error": "slow down"}', status=429, headers={"retry-after": "7"}),
    "empty": _says(""),
    "blank": _says(" \n\t "),
    "number": _says(7),
    "null": _says(None),
    "surrogates": _says("a\x00b\ud800c"),
}


async def _serve(port: int, mode: str) -> None:
    ollama = Ollama(mode=mode, port=port)
    await ollama.start()
    print(f"simulated Ollama on {ollama.base_url}, mode {mode}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=11434)
    parser.add_argument("--mode", default="ok", help="ok, instant, odd, slow:SECONDS, flap, refuse, frozen …")
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.port, arguments.mode))
