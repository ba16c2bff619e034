"""How do we talk HTTP with a server that we do not trust?

Nothing of an answer is kept beyond the limit in bytes, nothing is decompressed, no redirect is followed, and whatever
goes wrong has a name. Leaving early closes the connection, which tells the model server to stop.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

import httpx
import orjson
from httpx_aiohttp import AiohttpTransport

from kit.errors import ModelBusy, ModelGarbage, ModelUnavailable, ModelUnknown, ParleyError

CONNECT_SECONDS = 3.0
KEPT_ALIVE_SECONDS = 30.0
HEADERS = {"content-type": "application/json", "accept-encoding": "identity"}

# A status without a line here is a refusal that asking again does not change.
STATUSES: dict[int, type[ParleyError]] = {404: ModelUnknown, 408: ModelBusy, 429: ModelBusy}


class Wire:
    """One server. The transport is used as it is: httpx.AsyncClient around it costs as much again per call."""

    def __init__(self, transport: httpx.AsyncBaseTransport, base_url: str, *, most_bytes: int) -> None:
        self._transport = transport
        self._base_url = httpx.URL(base_url.rstrip("/"))
        self._headers = httpx.Headers({**HEADERS, "host": self._base_url.netloc.decode("ascii")})
        self._urls: dict[str, httpx.URL] = {}
        self._most_bytes = most_bytes

    async def whole(self, path: str, body: object = None) -> dict[str, object]:
        """The JSON object that the server answers with."""
        async with aclosing(self._bytes(path, body)) as parts:
            return _object(b"".join([part async for part in parts]))

    async def lines(self, path: str, body: object) -> AsyncGenerator[dict[str, object], None]:
        """The JSON objects of an answer that comes line by line (NDJSON), however it is cut into pieces."""
        rest = b""
        async with aclosing(self._bytes(path, body)) as parts:
            async for part in parts:
                *whole, rest = (rest + part).split(b"\n")
                for line in filter(bytes.strip, whole):
                    yield _object(line)
        if rest.strip():
            yield _object(rest)

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _open(self, path: str, body: object) -> httpx.Response:
        content = None if body is None else orjson.dumps(body)
        method = "GET" if body is None else "POST"
        request = httpx.Request(method, self._url(path), headers=self._headers, content=content)
        request.extensions["timeout"] = {"connect": CONNECT_SECONDS}
        try:
            response = await self._transport.handle_async_request(request)
        except (httpx.TransportError, OSError) as error:
            raise ModelUnavailable("The model server cannot be reached.") from error
        if response.status_code != httpx.codes.OK:
            await response.aclose()
            raise _refused(response.status_code)
        return response

    def _url(self, path: str) -> httpx.URL:
        """Parsed once: it would be a tenth of a call."""
        if path not in self._urls:
            self._urls[path] = self._base_url.copy_with(path=self._base_url.path.rstrip("/") + path)
        return self._urls[path]

    async def _bytes(self, path: str, body: object) -> AsyncGenerator[bytes, None]:
        """The body as it stands on the wire. Response.aiter_bytes would decompress without a limit."""
        response = await self._open(path, body)
        parts = aiter(response.stream) if isinstance(response.stream, httpx.AsyncByteStream) else None
        assert isinstance(parts, AsyncGenerator)
        size = 0
        try:
            async for part in parts:
                size += len(part)
                if size > self._most_bytes:
                    raise ModelGarbage(f"The model server's answer is longer than {self._most_bytes} bytes.")
                yield part
        except (httpx.TransportError, OSError) as error:
            raise ModelGarbage("The model server's answer ended in the middle.") from error
        finally:
            await parts.aclose()
            await response.aclose()


def connected(base_url: str, *, connections: int, most_bytes: int) -> Wire:
    """A wire with its own connections: one per process, not one per call."""
    limits = httpx.Limits(max_connections=connections, keepalive_expiry=KEPT_ALIVE_SECONDS)
    return Wire(AiohttpTransport(limits=limits), base_url, most_bytes=most_bytes)


def _refused(status: int) -> ParleyError:
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return ModelUnavailable(f"The model server answered {status}.")
    return STATUSES.get(status, ModelGarbage)(f"The model server answered {status}.")


def _object(data: bytes) -> dict[str, object]:
    try:
        # The standard parser reads lone surrogates, which models do write; orjson refuses them.
        parsed = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelGarbage("The model server's answer is not JSON.") from error
    if not isinstance(parsed, dict):
        raise ModelGarbage("The model server's answer is not a JSON object.")
    return parsed
