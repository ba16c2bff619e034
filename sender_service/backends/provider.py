"""How is a provider called? One HTTP request under one clock; lost before it left is told from lost after.

The clock is looked at once more as the request is written: a process that stood still meanwhile writes nothing late.

No redirect is followed (it would carry credentials elsewhere), no cookie is kept (accounts share this pool), nothing is
decompressed, and no line is logged (URLs hold tokens).
"""

import asyncio
import math
import ssl
from functools import lru_cache
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from channels.channel import Answer, Call, Unavailable, Unknown
from kit.proxies import Proxies
from sender_service.domain.outcomes import Late

MAX_ANSWER_BYTES = 256 * 1024  # providers answer with a few hundred
MAX_CONNECT_SECONDS = 5.0
# Shorter than any provider keeps a connection: a request written to one that was just closed has an unknown outcome.
KEEPALIVE_SECONDS = 10.0
# The failures of which the client itself says that no byte of the request was written.
NOTHING_WRITTEN = (
    *(aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL),
    aiohttp.ClientHttpProxyError,  # what a proxy says to CONNECT
)
HEADERS = {"user-agent": "parley", "accept-encoding": "identity"}


class Provider:
    """The way out. One per process."""

    def __init__(self, most_connections: int, proxies: Proxies, *, tls: ssl.SSLContext | None = None) -> None:
        self._proxies = proxies
        connector = aiohttp.TCPConnector(
            limit=most_connections, keepalive_timeout=KEEPALIVE_SECONDS, ssl=tls or ssl.create_default_context()
        )
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=HEADERS, auto_decompress=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def call(self, call: Call, within_seconds: float = math.inf) -> Answer:
        """Makes the call. Raises Unavailable when it surely did not leave, Late when its time was over before it could,
        Unknown when its outcome is lost.

        TimeoutError says that the caller's time ended before the call's own: its outcome is lost as well.
        """
        left = min(call.timeout_seconds, within_seconds)
        body = _Body(call.body, until=asyncio.get_running_loop().time() + left)
        try:
            async with asyncio.timeout(left):
                return await self._exchange(call, body)
        except NOTHING_WRITTEN as failure:
            raise _no_connection(failure) from None
        except (TimeoutError, aiohttp.ClientError, OSError) as failure:
            if body.late:
                raise Late from None
            if not isinstance(failure, TimeoutError):
                if call.body and not body.begun:
                    raise _no_connection(failure) from None
                raise Unknown("the connection was lost", provider_code="connection_lost") from None
            if within_seconds < call.timeout_seconds:
                raise
            raise Unknown("no answer in time", provider_code="timeout") from None

    async def _exchange(self, call: Call, body: "_Body") -> Answer:
        """A body that is not read to its end closes the connection."""
        async with self._session.request(
            call.method,
            call.url,
            headers=call.headers,
            data=body if call.body else None,
            allow_redirects=False,
            proxy=self._proxies.of(call.url),
            timeout=_connecting(call.timeout_seconds),
        ) as response:
            said = bytearray()
            async for chunk in response.content.iter_any():
                said += chunk
                if len(said) > MAX_ANSWER_BYTES:
                    raise Unknown("the answer is too large", provider_code="answer_too_large")
            return Answer(response.status, response.headers, bytes(said))


class _Body(aiohttp.BytesPayload):
    """Is written in time or not at all: aiohttp keeps the headers back until a body comes, and a client's timer may
    fire after the step that writes when both are due."""

    def __init__(self, value: bytes, *, until: float) -> None:
        super().__init__(value)
        self.begun = self.late = False
        self._until = until

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self.begun = True
        self.late = asyncio.get_running_loop().time() >= self._until
        if self.late:
            raise Late
        await super().write_with_length(writer, content_length)


def _no_connection(failure: Exception) -> Unavailable:
    """Says where it ended: at the provider, or at the proxy on the way."""
    if isinstance(failure, aiohttp.ClientHttpProxyError):
        return Unavailable("the proxy does not let the call out", provider_code=f"proxy_{failure.status}")
    if isinstance(failure, aiohttp.ClientProxyConnectionError):
        return Unavailable("no connection to the proxy", provider_code="proxy")
    return Unavailable("no connection", provider_code="connect")


@lru_cache(maxsize=64)
def _connecting(timeout_seconds: float) -> aiohttp.ClientTimeout:
    """For the connection alone; the clock around the call is our own."""
    connect = min(MAX_CONNECT_SECONDS, timeout_seconds / 2)
    return aiohttp.ClientTimeout(connect=connect, sock_connect=connect)
