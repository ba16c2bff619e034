"""How does the gateway listen? On sockets of its own, with uvicorn, and with what uvicorn lacks: a deadline and a
size for receiving a request. A client that drips is gone in time, whatever it drips.
"""

import asyncio
import errno
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kit.settings import SettingsError

TOO_SLOW = (408, "Request Timeout")
HEAD_TOO_LARGE = (431, "Request Header Fields Too Large")
MOST_HEAD_BYTES = 32 * 1024


class GuardedProtocol(HttpToolsProtocol):
    """One connection: the whole request, headers and body, must have come `receive_seconds` after its first byte."""

    receive_seconds = 8.0
    stall_seconds = 10.0
    most_bytes = 4 * 1024 * 1024
    on_refused: Callable[[int], None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn itself narrows it
        super().connection_made(transport)
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._received = 0
        self._in_head = True
        self._stalled: asyncio.TimerHandle | None = None
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        if self._timer is not None:
            self._timer.cancel()
        self._unstall()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # Armed by any byte: uvicorn's keep-alive timer stops at the first one, even if no request ever begins.
        self._arm()
        self._received += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._received > MOST_HEAD_BYTES:
            self._refuse(*HEAD_TOO_LARGE)
        elif self._received > self.most_bytes:  # trailers and chunk extensions are bytes too, though no body
            self._refuse(413, "Content Too Large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._arm()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._disarm()
        self._received = 0
        self._in_head = True
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client does not read what it asked for; close() would wait for it for ever."""
        super().pause_writing()
        self._unstall()
        self._stalled = self.loop.call_later(self.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._unstall()
        super().resume_writing()

    def _unstall(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _arm(self) -> None:
        if self._due is not None:
            return
        self._due = self.loop.time() + self.receive_seconds
        if self._timer is None:
            self._timer = self.loop.call_at(self._due, self._look)

    def _disarm(self) -> None:
        """The timer goes on, for the next request: to cancel one and set one for each costs more than to look twice."""
        self._due = None

    def _look(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if self._due > self.loop.time():
            self._timer = self.loop.call_at(self._due, self._look)
        else:
            self._refuse(*TOO_SLOW)

    def _refuse(self, status: int, phrase: str) -> None:
        """Ends the connection; says why unless an answer is already on its way."""
        if self.transport.is_closing():
            return
        if self.on_refused is not None:
            self.on_refused(status)
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            line = f"HTTP/1.1 {status} {phrase}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(line.encode())
        self.transport.close()


class Listener(uvicorn.Server):
    """A uvicorn that leaves signals to the process and sockets to us."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """Opens the listening socket; port 0 takes a free one. Raises SettingsError, which names what to change."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP: asyncio switches Nagle's delay off only for sockets that say so, and an answer in two writes would
    # wait 40 ms for the client's acknowledgement of the first.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        name = "HTTP_PORT" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "HTTP_HOST"
        raise SettingsError(f"{name}: cannot listen on {host}:{port}: {error.strerror}") from None
    listening.setblocking(False)
    return listening


def listener(
    app: ASGIApp,
    *,
    receive_seconds: float,
    most_bytes: int,
    idle_seconds: int,
    drain_seconds: int,
    on_refused: Callable[[int], None] | None = None,
) -> Listener:
    """Makes the server. `most_bytes` is what one request may weigh on the wire, all of it counted."""
    refused = None if on_refused is None else staticmethod(on_refused)
    guards: dict[str, Any] = {"receive_seconds": receive_seconds, "most_bytes": most_bytes, "on_refused": refused}
    config = uvicorn.Config(
        app,
        http=type("Guarded", (GuardedProtocol,), guards),
        ws="none",
        lifespan="off",
        loop="none",
        log_config=None,
        log_level="error",  # uvicorn warns once for every malformed request: a flood that anyone could start
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=idle_seconds,
        timeout_graceful_shutdown=drain_seconds,
        backlog=2048,
    )
    return Listener(config)
