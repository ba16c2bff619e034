"""What does a connection look like that something in between forgot? Open, and silent for ever; others are served."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Connection:
    """One of the browser's: what it asked for last, and whether it is forgotten."""

    asked: bytes = b""
    forgotten: bool = False


@dataclass
class Forgetful:
    """Passes bytes on, as a NAT does, until it is told to forget. Nothing is ever closed by it."""

    to_port: int
    port: int = 0
    loses: bytes = b""  # the first request that begins so is swallowed, and its connection forgotten
    connections: list[Connection] = field(default_factory=list)
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    def forget(self, request: bytes) -> int:
        """Forgets the connections whose last request begins so; says how many."""
        found = [each for each in self.connections if each.asked.startswith(request)]
        for each in found:
            each.forgotten = True
        return len(found)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One more connection of the browser's."""
        self._serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def end(self) -> None:
        """Ends them all."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine = Connection()
        self.connections.append(mine)
        there = await asyncio.open_connection("127.0.0.1", self.to_port)
        try:
            await asyncio.gather(self._up(reader, there[1], mine), self._down(there[0], writer, mine))
        finally:
            for each in (writer, there[1]):
                each.close()
                with suppress(ConnectionError):
                    await each.wait_closed()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mine: Connection) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                mine.asked = data[:100]
                if self.loses and data.startswith(self.loses):
                    self.loses, mine.forgotten = b"", True
                if not mine.forgotten:
                    writer.write(data)
        writer.close()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mine: Connection) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if not mine.forgotten:
                    writer.write(data)
        if not mine.forgotten:
            writer.close()


@asynccontextmanager
async def forgetful(to_port: int) -> AsyncIterator[Forgetful]:
    """Stands before a port of this machine."""
    between = Forgetful(to_port)
    server = await asyncio.start_server(between.accept, "127.0.0.1", 0)
    between.port = server.sockets[0].getsockname()[1]
    try:
        yield between
    finally:
        server.close()
        await between.end()
