"""Where do Prometheus and an orchestrator look at a service without HTTP of its own? /metrics /healthz /readyz."""

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from kit.lifetime import Lifetime
from kit.settings import SettingsError

_LINE_SECONDS = 5.0
_PLAIN = "text/plain; charset=utf-8"


class Monitoring:
    """A few lines of HTTP/1.0: one GET, one answer, closed."""

    def __init__(self, lifetime: Lifetime, service: str) -> None:
        self._lifetime = lifetime
        self._service = service
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listens and returns the port; 0 means not to listen."""
        if not port:
            return 0
        try:
            self._server = await asyncio.start_server(self._answer, host, port, limit=4096)
        except OSError as error:
            raise SettingsError(f"METRICS_PORT: cannot listen on {host}:{port}: {error.strerror}") from error
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stops listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_LINE_SECONDS):
                line = await reader.readline()
            status, kind, body = self._reply(line.split())
            head = f"HTTP/1.0 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        except (TimeoutError, ConnectionError, ValueError):
            pass  # Too slow, gone, or a line without end: nobody is there to be told.
        finally:
            writer.close()

    def _reply(self, request: list[bytes]) -> tuple[str, str, bytes]:
        path = request[1].partition(b"?")[0] if len(request) > 1 and request[0] == b"GET" else b""
        if path == b"/metrics":
            return "200 OK", CONTENT_TYPE_LATEST, generate_latest()
        if path == b"/healthz":
            return "200 OK", _PLAIN, b"alive\n"
        if path == b"/readyz":
            ready = self._lifetime.is_ready(self._service)
            return ("200 OK", _PLAIN, b"ready\n") if ready else ("503 Service Unavailable", _PLAIN, b"not ready\n")
        return "404 Not Found", _PLAIN, b"not found\n"
