"""How is a provider called? One HTTP request under one clock; lost before it left is told from lost after.

Below httpx.AsyncClient on purpose: no redirect is followed (it would carry credentials elsewhere), no cookie is kept
(accounts share this pool), and no line is logged (URLs hold tokens).
"""

import asyncio
import math
import ssl
from functools import lru_cache
from types import TracebackType
from typing import Self

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from channels.channel import Answer, Call, Unavailable, Unknown

MAX_ANSWER_BYTES = 256 * 1024  # providers answer with a few hundred
MAX_CONNECT_SECONDS = 5.0
# Shorter than any provider keeps a connection: a request written to one that was just closed has an unknown outcome.
KEEPALIVE_SECONDS = 10.0
# The only failures of which the client says that no byte of the request was written. httpx-aiohttp maps a connection
# that was lost in mid-air to ConnectTimeout too, so its own names cannot be trusted with this.
NOTHING_WRITTEN = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
HEADERS = {"user-agent": "parley", "accept-encoding": "identity"}


class Provider:
    """The way out. One per process."""

    def __init__(self, most_connections: int) -> None:
        connector = aiohttp.TCPConnector(
            limit=most_connections, keepalive_timeout=KEEPALIVE_SECONDS, ssl=ssl.create_default_context()
        )
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=HEADERS)
        self._transport = AiohttpTransport(client=session)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    async def call(self, call: Call, within_seconds: float = math.inf) -> Answer:
        """Makes the call. Raises Unavailable when it surely did not leave, Unknown when its outcome is lost.

        TimeoutError says that the caller's time ended before the call's own: its outcome is lost as well.
        """
        request = _request(call)
        try:
            async with asyncio.timeout(min(call.timeout_seconds, within_seconds)):
                return await self._exchange(request)
        except TimeoutError:
            if within_seconds < call.timeout_seconds:
                raise
            raise Unknown("no answer in time", provider_code="timeout") from None
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as error:
            if isinstance(error.__cause__ or error, NOTHING_WRITTEN):
                raise Unavailable("no connection", provider_code="connect") from None
            raise Unknown("the connection was lost", provider_code="connection_lost") from None

    async def _exchange(self, request: httpx.Request) -> Answer:
        response = await self._transport.handle_async_request(request)
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        body = bytearray()
        try:
            async for chunk in stream:
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise Unknown("the answer is too large", provider_code="answer_too_large")
        finally:
            await stream.aclose()
        return Answer(response.status_code, response.headers, bytes(body))


def _request(call: Call) -> httpx.Request:
    """From its stream: from its content, httpx would make headers that aiohttp makes again, at a fifth of a call."""
    connect = min(MAX_CONNECT_SECONDS, call.timeout_seconds / 2)
    request = httpx.Request(
        call.method,
        _parsed(call.url),
        headers=call.headers,
        stream=httpx.ByteStream(call.body),
        extensions={"timeout": {"connect": connect, "pool": connect}},
    )
    request.read()
    request.headers.encoding = "ascii"  # so it was just written; httpx would try it on every header again
    return request


@lru_cache(maxsize=1024)
def _parsed(url: str) -> httpx.URL:
    """An account is called at the same URL over and over, and reading it is a fifth of what a call costs."""
    return httpx.URL(url)
