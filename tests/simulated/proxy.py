"""A forward proxy, as companies have one on the way out: CONNECT for https, whole URLs for http (RFC 9110, 9.3.6).

Every name is at this machine for it, so a test may call what no resolver knows.
"""

import asyncio
import base64
import contextlib
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit


@dataclass
class Proxy:
    """Counts what goes through it; lets out who has the password, if it wants one."""

    password: str = ""
    answers: int = 200  # to CONNECT
    hangs_up: bool = False
    through: list[str] = field(default_factory=list)
    refused: int = 0
    url: str = ""

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        user = f"user:{quote(self.password, safe='')}@" if self.password else ""
        self.url = f"http://{user}127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if not self.hangs_up:
                await self._answer(head.decode("latin-1"), reader, writer)
        writer.close()

    async def _answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, _ = head.split("\r\n", 1)[0].split(" ")
        wanted = base64.b64encode(f"user:{self.password}".encode()).decode()
        status = 407 if self.password and f"Proxy-Authorization: Basic {wanted}" not in head else self.answers
        if status != 200:
            self.refused += 1
            writer.write(f"HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n".encode())
            return
        self.through.append(target)
        port = urlsplit(target if "://" in target else f"//{target}").port
        there = await asyncio.open_connection("127.0.0.1", port)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            there[1].write(head.encode("latin-1"))
        await asyncio.gather(_pumped(reader, there[1]), _pumped(there[0], writer))


async def _pumped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
