"""How do we talk HTTP with a server that we do not trust?

Nothing of an answer is kept beyond the limit in bytes, nothing is decompressed, no redirect is followed, no cookie is
kept, and whatever goes wrong has a name. Leaving early closes the connection, which tells the model server to stop.
"""

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing

import aiohttp
import httpx
import orjson

from kit.errors import ModelGarbage, ModelUnavailable
from llm_service.backends.refusals import READ_BYTES, refused

CONNECT_SECONDS = 3.0
KEPT_ALIVE_SECONDS = 30.0
# Of a stream only one line is kept at a time, so all its lines together may be longer than an answer.
STREAM_TIMES = 16
HEADERS = {"content-type": "application/json", "accept-encoding": "identity"}
LOST = (aiohttp.ClientError, OSError)
CONNECTING = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS)  # the clock around a call is its caller's
DATA, ERROR = b"data:", b"error:"
DONE = b"[DONE]"
MARK = b"\xef\xbb\xbf"  # of UTF-8 (BOM), with which a stream of events may begin

Together = AsyncGenerator[list[dict[str, object]], None]


class Wire:
    """One server, and the session that speaks with it."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str, *, most_bytes: int) -> None:
        self._session = session
        self._base_url = httpx.URL(base_url.rstrip("/"))
        self._urls: dict[str, str] = {}
        self._most_bytes = most_bytes

    @property
    def host(self) -> str:
        """Of the server."""
        return self._base_url.host

    async def whole(self, path: str, body: object = None, *, bare: str = "") -> dict[str, object]:
        """The JSON object that the server answers with; a list that stands bare, under this name when one is given."""
        data = bytearray()
        try:
            async with await self._open(path, body) as response:
                async for part in response.content.iter_any():
                    data += part
                    if len(data) > self._most_bytes:
                        raise _too_long(self._most_bytes)
        except LOST as error:
            raise _cut_off() from error
        return _object(bytes(data), bare=bare)

    async def lines(self, path: str, body: object, *, endless: bool = False) -> Together:
        """The JSON objects of an answer that comes in lines (NDJSON), however it is cut; those of one read together."""
        async with aclosing(self._lines(path, body, endless=endless)) as reads:
            async for lines in reads:
                yield [_object(line) for line in lines]

    async def events(self, path: str, body: object) -> Together:
        """The JSON objects of Server-Sent Events, until [DONE] or the end; those of one read at once.

        https://html.spec.whatwg.org/multipage/server-sent-events.html: other fields than data, and comments, are
        skipped. What is neither is no such stream, for example a page of HTML.
        """
        data: list[bytes] = []
        async with aclosing(self._lines(path, body)) as reads:
            async for lines in reads:
                objects, is_done = _events(lines, data)
                yield objects
                if is_done:
                    return
        if data:
            raise _cut_off()

    async def aclose(self) -> None:
        """Gives the connections back."""
        await self._session.close()

    async def _lines(self, path: str, body: object, *, endless: bool = False) -> AsyncGenerator[list[bytes], None]:
        """Those that end in one read, with CR, LF or both; without their ends, and without empty ones."""
        rest, most, begins = bytearray(), sys.maxsize if endless else STREAM_TIMES * self._most_bytes, True
        async with aclosing(self._bytes(path, body, most_bytes=most)) as parts:
            async for part in parts:
                rest += part
                if b"\n" in part or b"\r" in part:
                    *whole, last = bytes(rest).replace(b"\r", b"\n").split(b"\n")
                    rest = bytearray(last)
                    if begins:
                        whole[0], begins = whole[0].removeprefix(MARK), False
                    if lines := [line for line in map(bytes.strip, whole) if line]:
                        yield lines
                if len(rest) > self._most_bytes:
                    raise _too_long(self._most_bytes)
        if last := bytes(rest).removeprefix(MARK if begins else b"").strip():
            yield [last]

    async def _bytes(self, path: str, body: object, *, most_bytes: int) -> AsyncGenerator[bytes, None]:
        """The body as it comes."""
        size = 0
        try:
            async with await self._open(path, body) as response:
                async for part in response.content.iter_any():
                    size += len(part)
                    if size > most_bytes:
                        raise _too_long(most_bytes)
                    yield part
        except LOST as error:
            raise _cut_off() from error

    async def _open(self, path: str, body: object) -> aiohttp.ClientResponse:
        """An answer whose body is still to be read."""
        try:
            response = await self._session.request(
                "GET" if body is None else "POST",
                self._url(path),
                data=None if body is None else orjson.dumps(body),
                allow_redirects=False,
                timeout=CONNECTING,
            )
        except LOST as error:
            raise ModelUnavailable(_unreached(error)) from error
        if response.status != 200:
            raise refused(response.status, response.headers, said=await _said(response))
        return response

    def _url(self, path: str) -> str:
        if path not in self._urls:
            self._urls[path] = str(self._base_url.copy_with(path=self._base_url.path.rstrip("/") + path))
        return self._urls[path]


def is_url(base_url: str) -> bool:
    """Whether a wire can be made of it. What looks like a hyphen in a host's name may be none."""
    try:
        return bool(httpx.URL(base_url).host)
    except httpx.InvalidURL:
        return False


def connected(base_url: str, *, connections: int, most_bytes: int, key: str = "", proxy: str | None = None) -> Wire:
    """A wire with its own connections: one per server and process, not one per call. The key goes to this host only."""
    trust = httpx.create_ssl_context() if proxy or base_url.lower().startswith("https:") else True
    connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=KEPT_ALIVE_SECONDS, ssl=trust)
    headers = HEADERS | ({"authorization": f"Bearer {key}"} if key else {})
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        auto_decompress=False,
        proxy=proxy,
    )
    return Wire(session, base_url, most_bytes=most_bytes)


async def _said(response: aiohttp.ClientResponse) -> bytes:
    """The start of what stands beside a status that is not 200."""
    said = bytearray()
    try:
        async with response:
            async for part in response.content.iter_any():
                said += part
                if len(said) > READ_BYTES:
                    break
    except LOST:
        pass
    return bytes(said[:READ_BYTES])


def _events(lines: list[bytes], data: list[bytes]) -> tuple[list[dict[str, object]], bool]:
    """What ends in these lines, and whether that was all. `data` holds what has begun and not ended."""
    objects: list[dict[str, object]] = []
    for line in lines:
        if line.startswith(ERROR):  # a field of llama.cpp's server, before the end of 2025
            objects.append({"error": _object(line[len(ERROR) :])})
        elif line == DATA:  # keeps the connection open, and says nothing
            continue
        elif line.startswith(DATA):
            data.append(line[len(DATA) :].strip())
            if data == [DONE]:
                data.clear()
                return objects, True
            # A server writes an event's data in one line; only what is no JSON yet can go on.
            if data[-1].endswith(b"}"):
                objects.append(_object(b"\n".join(data)))
                data.clear()
        elif line.startswith(b"{") and not data:  # it answers as if no stream was asked for
            objects.append(_object(line))
        elif not line.startswith((b"event:", b"id:", b"retry:", b":")):
            raise ModelGarbage("The model server's answer is not a stream of events.")
    return objects, False


def _unreached(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"The proxy does not let calls to the model server out: it says {error.status}."
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return "The proxy on the way to the model server cannot be reached."
    return "The model server cannot be reached."


def _cut_off() -> ModelGarbage:
    return ModelGarbage("The model server's answer ended in the middle.")


def _too_long(most_bytes: int) -> ModelGarbage:
    return ModelGarbage(f"The model server's answer is longer than {most_bytes} bytes.")


def _object(data: bytes, *, bare: str = "") -> dict[str, object]:
    try:
        parsed = orjson.loads(data)
    except orjson.JSONDecodeError:
        parsed = _leniently(data)
    if bare and isinstance(parsed, list):
        return {bare: parsed}
    if not isinstance(parsed, dict):
        raise ModelGarbage("The model server's answer is not a JSON object.")
    return parsed


def _leniently(data: bytes) -> object:
    """The standard parser reads lone surrogates, which models do write; orjson refuses them."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelGarbage("The model server's answer is not JSON.") from error
