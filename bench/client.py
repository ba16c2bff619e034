"""How fast can requests be put on a wire? One keep-alive HTTP/1.1 connection that costs next to nothing.

A client library would cost more than what is measured, so the load generator writes prepared bytes.
"""

import asyncio
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from channels.channel import Webhook


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    seconds: float


class Connection(asyncio.Protocol):
    """Sends one request at a time and tells its status."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class does not inherit from it

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0 or self._waiting is None:
            return
        length = _content_length(bytes(self._buffer[:head_end]))
        if len(self._buffer) < head_end + 4 + length:
            return
        status = int(self._buffer[9:12])
        del self._buffer[: head_end + 4 + length]
        self._waiting.set_result(status)

    async def send(self, request: bytes) -> Reply:
        """Writes the request and waits for the whole answer; ConnectionError when the server went away."""
        if self._transport is None:
            raise ConnectionResetError("not connected")
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        began = loop.time()
        self._transport.write(request)
        status = await self._waiting
        return Reply(status, loop.time() - began)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def connect(url: str) -> Connection:
    """Opens a connection to the server of a URL."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(Connection, parts.hostname or "127.0.0.1", parts.port or 80)
    return protocol


def request_bytes(webhook: Webhook) -> bytes:
    """The bytes of a webhook as a provider puts them on the wire."""
    parts = urlsplit(webhook.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    headers = {"host": parts.netloc, **webhook.headers, "content-length": str(len(webhook.body))}
    lines = [f"{webhook.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + webhook.body


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0
