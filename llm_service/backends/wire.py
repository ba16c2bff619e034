"""How do we talk HTTP with a server that we do not trust?

Nothing of an answer is kept beyond the limit in bytes, nothing is decompressed, no redirect is followed, no cookie is
kept, and whatever goes wrong has a name. Leaving early closes the connection, which tells the model server to stop.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import AsyncGeneratorType

import aiohttp
import httpx
import orjson
from httpx_aiohttp import AiohttpTransport

from kit.errors import ModelBusy, ModelGarbage, ModelUnavailable, ModelUnknown, ParleyError

CONNECT_SECONDS = 3.0
KEPT_ALIVE_SECONDS = 30.0
HEADERS = {"content-type": "application/json", "accept-encoding": "identity"}
LOST = (httpx.TransportError, OSError)

# A status without a line here is a refusal that asking again does not change.
STATUSES: dict[int, type[ParleyError]] = {404: ModelUnknown, 408: ModelBusy, 429: ModelBusy}


class Wire:
    """One server. The transport is used as it is: httpx.AsyncClient around it costs as much again per call."""

    def __init__(self, transport: httpx.AsyncBaseTransport, base_url: str, *, most_bytes: int) -> None:
        self._transport = transport
        self._base_url = httpx.URL(base_url.rstrip("/"))
        self._extensions = {"timeout": {"connect": CONNECT_SECONDS}}
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
        content = b"" if body is None else orjson.dumps(body)
        # A request that is given its stream takes it as it is. One that is given its content writes headers for it,
        # which aiohttp writes as well, and that is a sixth of the call.
        request = httpx.Request(
            "GET" if body is None else "POST",
            self._url(path),
            stream=httpx.ByteStream(content),
            extensions=self._extensions,
        )
        request.read()
        try:
            response = await self._transport.handle_async_request(request)
        except LOST as error:
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
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        parts = aiter(stream)
        assert isinstance(parts, AsyncGeneratorType)
        size = 0
        try:
            async for part in parts:
                size += len(part)
                if size > self._most_bytes:
                    raise ModelGarbage(f"The model server's answer is longer than {self._most_bytes} bytes.")
                yield part
        except LOST as error:
            raise ModelGarbage("The model server's answer ended in the middle.") from error
        finally:
            await parts.aclose()
            await stream.aclose()


def connected(base_url: str, *, connections: int, most_bytes: int) -> Wire:
    """A wire with its own connections: one per process, not one per call."""
    trust = httpx.create_ssl_context()
    connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=KEPT_ALIVE_SECONDS, ssl=trust)
    session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=HEADERS)
    return Wire(AiohttpTransport(verify=trust, client=session), base_url, most_bytes=most_bytes)


def _refused(status: int) -> ParleyError:
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return ModelUnavailable(f"The model server answered {status}.")
    return STATUSES.get(status, ModelGarbage)(f"The model server answered {status}.")


def _object(data: bytes) -> dict[str, object]:
    try:
        parsed = orjson.loads(data)
    except orjson.JSONDecodeError:
        parsed = _leniently(data)
    if not isinstance(parsed, dict):
        raise ModelGarbage("The model server's answer is not a JSON object.")
    return parsed


def _leniently(data: bytes) -> object:
    """The standard parser reads lone surrogates, which models do write; orjson refuses them."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelGarbage("The model server's answer is not JSON.") from error
