"""How does a simulated model server write an answer: in one piece, as a stream, or as the beginning of one?"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web

from tests.simulated.model_dialect import JSON, Body, Dialect, Voice
from tests.simulated.model_speech import Saying, saying

ODD_BYTES = 3  # cuts every line, and every character of UTF-8 that is longer than one byte, somewhere


@dataclass(frozen=True, slots=True)
class Call:
    """A request that wants something said. The number is that of the mode: "1.5" in `slow:1.5`."""

    request: web.Request
    asked: Body
    voice: Voice
    dialect: Dialect
    number: str = ""

    @property
    def streams(self) -> bool:
        return bool(self.asked.get("stream", self.dialect.streams))

    @property
    def content_type(self) -> str:
        return self.dialect.stream_type if self.streams else JSON

    def draft(self, said: Saying | None = None) -> list[bytes]:
        """The answer, in pieces if a stream was asked for."""
        return self._written(self._whole(said))

    def complete(self, said: Saying | None = None) -> list[bytes]:
        """The same, and the server remembers it as said, whether or not it arrives."""
        whole = self._whole(said)
        self.voice.keep(self.asked, whole)
        return self._written(whole)

    def _whole(self, said: Saying | None) -> Body:
        return self.voice.whole(self.asked, said or saying(self.voice.hear(self.asked)))

    def _written(self, whole: Body) -> list[bytes]:
        return self.voice.pieces(self.asked, whole) if self.streams else [self.dialect.written(whole)]


async def send(call: Call, pieces: Iterable[bytes], *, odd: bool = False) -> web.StreamResponse:
    """A whole and healthy answer."""
    if not call.streams:
        return web.Response(body=b"".join(pieces), headers={"content-type": JSON})
    return await stream(call.request, b"".join(pieces), content_type=call.content_type, odd=odd)


async def stream(request: web.Request, data: bytes, *, content_type: str, odd: bool) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": content_type})
    await response.prepare(request)
    step = ODD_BYTES if odd else max(1, len(data))
    for start in range(0, len(data), step):
        await response.write(data[start : start + step])
        await asyncio.sleep(0)  # else the reader finds many pieces at once
    await response.write_eof()
    return response


async def begin(call: Call, data: bytes = b"", *, length: int | None = None) -> web.StreamResponse:
    """The header and the first bytes of an answer."""
    response = web.StreamResponse(headers={"content-type": call.content_type})
    if length is not None:
        response.content_length = length
    await response.prepare(call.request)
    if data:
        await response.write(data)
    return response
