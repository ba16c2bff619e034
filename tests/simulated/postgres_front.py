"""What stands before a Postgres? Something that ends TLS, or a pooler; on loopback, and whatever gets by is real.

https://www.postgresql.org/docs/current/protocol-message-formats.html: the first message has no type byte.
"""

import asyncio
import contextlib
import math
import ssl
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

TLS_REQUEST, CANCEL_REQUEST = 80_877_103, 80_877_102
Writers = asyncio.StreamWriter


@dataclass
class Front:
    """Listens before the server of `url`. With `tls` nobody gets by without; a pooler knows the settings `known`."""

    url: str
    tls: ssl.SSLContext | None = None
    known: Collection[str] | None = None
    drops_unknown: bool = False
    most_bytes: float = math.inf  # of a session, upwards: then it is hung up
    port: int = 0
    encrypted: list[bool] = field(default_factory=list)  # one for each session that got by
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def __aenter__(self) -> "Front":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def named(self, query: str = "", host: str = "127.0.0.1") -> str:
        """The database, by way of here."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=f"{parts.username}@{host}:{self.port}", query=query).geturl()

    def _serve(self, reader: asyncio.StreamReader, writer: Writers) -> None:
        task = asyncio.create_task(self._meet(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _meet(self, reader: asyncio.StreamReader, writer: Writers) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), closing(writer):
            first = await _message(reader)
            is_encrypted = False
            if _code(first) == TLS_REQUEST:
                writer.write(b"S" if self.tls else b"N")
                await writer.drain()
                if self.tls:
                    await writer.start_tls(self.tls)
                    is_encrypted = True
                first = await _message(reader)
            first, refusal = self._seen(first, is_encrypted)
            if refusal:
                writer.write(refusal)
            else:
                await self._carry(first, reader, writer)

    def _seen(self, first: bytes, is_encrypted: bool) -> tuple[bytes, bytes]:
        """What goes on to the server, or what is answered instead."""
        if self.tls and not is_encrypted:
            return b"", _refusal("28000", "no pg_hba.conf entry for host, no encryption")
        if _code(first) == CANCEL_REQUEST:
            return first, b""
        self.encrypted.append(is_encrypted)
        settings = _settings(first)
        unknown = [name for name in settings if self.known is not None and name not in self.known]
        if unknown and not self.drops_unknown:
            return b"", _refusal("08P01", f"unsupported startup parameter: {unknown[0]}")
        return _startup({name: value for name, value in settings.items() if name not in unknown}), b""

    async def _carry(self, first: bytes, reader: asyncio.StreamReader, writer: Writers) -> None:
        parts = urlsplit(self.url)
        behind, out = await asyncio.open_connection(parts.hostname, parts.port)
        with closing(out):
            out.write(first)
            ways = [
                asyncio.create_task(_pipe(reader, out, self.most_bytes)),
                asyncio.create_task(_pipe(behind, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in ways:
                    each.cancel()


@contextlib.contextmanager
def closing(writer: Writers) -> Iterator[None]:
    """What was written goes out first; nobody waits for a goodbye."""
    try:
        yield
    finally:
        writer.close()
        asyncio.get_running_loop().call_later(0.05, writer.transport.abort)


async def _pipe(source: asyncio.StreamReader, to: Writers, most_bytes: float = math.inf) -> None:
    with contextlib.suppress(OSError):
        while most_bytes > 0 and (data := await source.read(65_536)):
            to.write(data)
            await to.drain()
            most_bytes -= len(data)


async def _message(reader: asyncio.StreamReader) -> bytes:
    length = await reader.readexactly(4)
    return length + await reader.readexactly(struct.unpack("!I", length)[0] - 4)


def _code(message: bytes) -> int:
    return int(struct.unpack("!I", message[4:8])[0])


def _settings(startup: bytes) -> dict[str, str]:
    words = [word.decode() for word in startup[8:].split(b"\0")]
    return {name: value for name, value in zip(words[::2], words[1::2], strict=False) if name}


def _startup(settings: dict[str, str]) -> bytes:
    words = b"".join(f"{name}\0{value}\0".encode() for name, value in settings.items()) + b"\0"
    return struct.pack("!II", 8 + len(words), 3 << 16) + words


def _refusal(code: str, message: str) -> bytes:
    said = (
        b"".join(f"{kind}{value}\0".encode() for kind, value in (("S", "FATAL"), ("C", code), ("M", message))) + b"\0"
    )
    return b"E" + struct.pack("!I", 4 + len(said)) + said
