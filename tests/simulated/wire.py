"""How does a simulated provider speak HTTP, fast and ill at will? One core serves many thousand requests a second.

A mode is a word, `slow:0.2` one with a number. What a mode means beyond HTTP is each provider's own business.
"""

import asyncio
import contextlib
import email
import email.policy
import json
import os
import random
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import httptools


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the provider saw it."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    query: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the provider does: answers after a while, or, without a status, never says a word."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    after_seconds: float = 0.0
    hangs_up: bool = False  # the connection is closed without an answer
    first: Coroutine[Any, Any, None] | None = None  # what the provider does before it answers


TURNS_TO_CONNECT = 5
BACKLOG = 1024  # hundreds connect at once: beyond it the kernel lets them try again, after 1, 3 and 7 s
MOST_HEARD = 1000
# Every process of a run has ports of its own.
_LANES, _LANE = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")), os.environ.get("PYTEST_XDIST_WORKER", "gw0")
PORTS = range(12_000, 32_000)[int(_LANE.removeprefix("gw")) % _LANES :: _LANES]
_given: set[int] = set()

Handler = Callable[[Request], Reply]


@dataclass(frozen=True, slots=True)
class Send:
    """One message that the provider took."""

    at: float  # seconds since the epoch
    to: str
    sender: str
    text: str
    id: str
    callback: str = ""
    template: str = ""  # what stood in the place of free text; text is its variables then


class Sends:
    """Every accepted send, in order; in a file too when one is named, a line each, not synced."""

    def __init__(self, log: Path | None = None) -> None:
        self.all: list[Send] = []
        self._file: IO[bytes] | None = log.open("ab", buffering=0) if log else None

    def add(self, send: Send) -> None:
        self.all.append(send)
        if self._file:
            line = {"at": send.at, "to": send.to, "from": send.sender, "text": send.text, "id": send.id}
            self._file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")

    def close(self) -> None:
        if self._file:
            self._file.close()

    def to(self, address: str) -> list[Send]:
        return [send for send in self.all if send.to == address]

    def texts(self, address: str) -> list[str]:
        return [send.text for send in self.to(address)]


def form_of(request: Request) -> dict[str, bytes]:
    """The parts of a multipart form, by their names, as any program reads them."""
    head = f"content-type: {request.headers.get('content-type', '')}\r\n\r\n".encode("latin-1")
    message = email.message_from_bytes(head + request.body, policy=email.policy.HTTP)
    return {
        str(part.get_param("name", header="content-disposition")): bytes(part.get_payload(decode=True))
        for part in message.iter_parts()
    }


def free_port() -> int:
    """A loopback port that is free, and stays so while who listens on it is away: the system gives none of these to
    outgoing connections (ip_local_port_range begins above), and we give none twice: it may be listened on later."""
    while True:
        port = random.choice([each for each in PORTS if each not in _given])
        _given.add(port)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def mode_of(spoken: str) -> tuple[str, float]:
    """`slow:0.2` is ("slow", 0.2); a word alone has 0."""
    word, _, number = spoken.partition(":")
    return word, float(number or 0)


def answer(status: int, content: Any, headers: Mapping[str, str] | None = None, *, after_seconds: float = 0.0) -> Reply:
    """JSON."""
    return Reply(status, json.dumps(content).encode(), headers or {}, after_seconds)


@dataclass(frozen=True, slots=True)
class File:
    """What is read under a path by whoever shows this authorization; anybody else is shown a page."""

    body: bytes
    authorization: str = ""

    def shown(self, request: Request) -> Reply:
        if self.authorization and request.headers.get("authorization") != self.authorization:
            return Reply(200, b"<!DOCTYPE html><html><title>Sign in</title></html>", {"content-type": "text/html"})
        return Reply(200, self.body, {"content-type": "application/octet-stream"})


class HttpServer:
    """Listens on a loopback port; `refuse()` closes it, `listen()` opens the same one again."""

    def __init__(self, handler: Handler, port: int = 0) -> None:
        self.port = port
        self.files: dict[str, File] = {}  # by path; whatever else is asked for goes to the handler
        self.heard: list[Request] = []  # what the handler was asked, up to MOST_HEARD; who reads it may empty it
        self.handler = handler
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Transport] = set()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def listen(self) -> None:
        self.port = self.port or free_port()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self._answer, self._open), "127.0.0.1", self.port, backlog=BACKLOG
        )

    def _answer(self, request: Request) -> Reply:
        kept = self.files.get(request.path) if request.method == "GET" else None
        if kept:
            return kept.shown(request)
        if len(self.heard) < MOST_HEARD:
            self.heard.append(request)
        return self.handler(request)

    async def refuse(self) -> None:
        """Nobody listens any more, and who is connected is cut."""
        if self._server:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
            # Who was accepted in this very moment has a transport only some turns of the loop later.
            for _ in range(TURNS_TO_CONNECT):
                await asyncio.sleep(0)
            while self._open:
                for transport in list(self._open):
                    transport.abort()
                await asyncio.sleep(0)


class _Connection(asyncio.Protocol):
    """HTTP/1.1 keep-alive, one request at a time."""

    def __init__(self, handler: Handler, connections: set[asyncio.Transport]) -> None:
        self._handler = handler
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._body = b"", bytearray()
        self._headers: dict[str, str] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_message_begin(self) -> None:
        self._url, self._body, self._headers = b"", bytearray(), {}

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        url = urlsplit(self._url.decode("latin-1"))
        method = self._parser.get_method().decode()
        request = Request(method, url.path, self._headers, bytes(self._body), url.query)
        reply = self._handler(request)
        if reply.first:
            self._doing = asyncio.get_running_loop().create_task(self._reply_after(reply, reply.first))
        elif reply.after_seconds:
            asyncio.get_running_loop().call_later(reply.after_seconds, self._reply, reply)
        else:
            self._reply(reply)

    async def _reply_after(self, reply: Reply, first: Coroutine[Any, Any, None]) -> None:
        await first
        self._reply(reply)

    def _reply(self, reply: Reply) -> None:
        if reply.hangs_up:
            self._transport.abort()
        elif reply.status and not self._transport.is_closing():
            headers = {"content-type": "application/json", "content-length": str(len(reply.body)), **reply.headers}
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            self._transport.write(f"HTTP/1.1 {reply.status} X\r\n{lines}\r\n".encode("latin-1") + reply.body)


def now() -> float:
    return time.time()
