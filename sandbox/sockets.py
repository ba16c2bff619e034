"""How does a WebSocket reach a stand-in? What is heard is given to it, and what it says is written in its order."""

import asyncio
import contextlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from sandbox.provider import Line, Socket

MOST_MESSAGE_BYTES = 64 * 1024
GOING_AWAY = 1001


@dataclass(frozen=True, slots=True)
class Sockets:
    """All that are open."""

    changed: Callable[[], None] = lambda: None  # told after everything that was heard
    _open: dict[web.WebSocketResponse, web.Request] = field(default_factory=dict)

    async def serve(self, request: web.Request, socket: Socket, *, url: str) -> web.StreamResponse:
        """Until one of the two closes. A client that asks for it is sent everything compressed, as one stream."""
        response = web.WebSocketResponse(max_msg_size=MOST_MESSAGE_BYTES)
        await response.prepare(request)
        said: asyncio.Queue[str | int] = asyncio.Queue()
        self._open[response] = request
        connection = socket.opened(Line(url, said.put_nowait, said.put_nowait), request.query)
        packer = zlib.compressobj() if request.query.get("compress") == "zlib-stream" else None
        writing = asyncio.create_task(_write(response, said, pack=_packing(packer) if packer else None))
        try:
            async for message in response:
                if message.type is WSMsgType.TEXT:
                    socket.heard(connection, message.data)
                    self.changed()
        finally:
            del self._open[response]
            socket.gone(connection, response.close_code)
            self.changed()
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        return response

    async def close(self) -> None:
        """Says goodbye to all."""
        for each in list(self._open):
            await each.close(code=GOING_AWAY)

    def drop(self) -> None:
        """The network is gone, without a word."""
        for each in self._open.values():
            if each.transport is not None:
                each.transport.abort()


def _packing(packer: "zlib._Compress") -> Callable[[str], bytes]:
    return lambda text: packer.compress(text.encode()) + packer.flush(zlib.Z_SYNC_FLUSH)


async def _write(
    response: web.WebSocketResponse, said: asyncio.Queue[str | int], *, pack: Callable[[str], bytes] | None
) -> None:
    """Texts, and in the end a code."""
    with contextlib.suppress(ConnectionError):  # it is about to be noticed that nobody is there any more
        while True:
            each = await said.get()
            if isinstance(each, int):
                await response.close(code=each)
                return
            await (response.send_bytes(pack(each)) if pack else response.send_str(each))
