"""Requests as no library would make them: bytes on a socket, and what comes back."""

import asyncio
import time
from collections.abc import Iterable

from tests.stalls import PATIENCE_SECONDS


async def sent(port: int, content: bytes, *, seconds: float = PATIENCE_SECONDS) -> bytes:
    """What the gateway says to these bytes, until it closes or has answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(content)
        async with asyncio.timeout(seconds):
            await writer.drain()
            return await _answer(reader)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = b""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return head + await reader.readexactly(int(line.split(b":")[1]))
    except asyncio.IncompleteReadError as short:
        return head + short.partial
    return head


def status(answer: bytes) -> int:
    """The status of an answer; 0 when the connection was closed without one."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


async def held(port: int, drops: Iterable[bytes], *, pause: float) -> float:
    """Drips the drops into one connection; gives how long it was borne, in seconds."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    closed = asyncio.create_task(reader.read())
    try:
        for drop in drops:
            writer.write(drop)
            if (await asyncio.wait([closed], timeout=pause))[0]:
                break
    except ConnectionError:
        pass
    finally:
        closed.cancel()
        await asyncio.gather(closed, return_exceptions=True)
        writer.close()
    return time.monotonic() - began
