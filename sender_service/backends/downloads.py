"""How is a file read from a URL that somebody else wrote? From an address that was looked at, and for so long only.

A name is resolved once, every address that it has must be of the open internet, and the connection goes to the one that
was looked at: a name that means something else a moment later changes nothing. A redirect is a new URL, looked at anew.
A proxy is told the name, which only it may be able to resolve; one that means something inside is refused all the same.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from channels.channel import Answer
from channels.failures import retry_after
from channels.media import Download, Gone, is_of
from kit.proxies import Proxies
from sender_service.domain.fetching import Passing
from sender_service.domain.public_addresses import is_public

MOST_REDIRECTS = 3
CHUNK_BYTES = 64 * 1024
CONNECT_SECONDS = 5.0
GETS_READY = timedelta(seconds=4)  # so that the second look is within the time that a turn waits for its files
HEADERS = {"user-agent": "parley", "accept": "*/*", "accept-encoding": "identity"}
REDIRECTS = frozenset({301, 302, 303, 307, 308})
SCHEMES = frozenset({"https", "http"})

# Every address that a name has, as numbers.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: the URL, and the address that is connected to; "" leaves it to the operator's own name."""

    url: URL
    address: str
    with_headers: bool  # whether it is the provider's own host, which may see the credentials
    proxy: str | None = None


class Downloads:
    """The way to files. One per process; no connection is used twice, no cookie kept."""

    def __init__(
        self,
        proxies: Proxies,
        *,
        resolve: Resolve | None = None,
        is_allowed: Callable[[str], bool] = is_public,
        tls: ssl.SSLContext | None = None,
        port: int = 443,
    ) -> None:
        """For tests, but `tls`: how names are resolved, which addresses will do, who is believed, the one port."""
        self._proxies = proxies
        self._resolve = resolve or _addresses
        self._is_allowed = is_allowed
        self._port = port
        self._tls = tls or ssl.create_default_context()

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(force_close=True, limit=0, ssl=self._tls)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers=HEADERS,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        )
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._session.close()

    @asynccontextmanager
    async def read(self, download: Download, *, trusted: str, most_bytes: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes, as they come. `trusted` is the URL that stands in for the provider, as the operator set it.

        Raises Gone when they cannot be had, Passing when they may be later. Time is the caller's to bound.
        """
        target = await self._target(download.url, download, trusted=trusted, first=True)
        for _ in range(MOST_REDIRECTS + 1):
            async with self._request(target, download.headers) as answer:
                if answer.status not in REDIRECTS:
                    _check(answer, most_bytes)
                    yield _bounded(answer, most_bytes)
                    return
                named = answer.headers.get("location", "")
            target = await self._target(_joined(target.url, named), download, trusted=trusted, first=False)
        raise Gone("too_many_redirects")

    @asynccontextmanager
    async def _request(self, target: Target, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """To the address, under the name: TLS proves the name, and the server is told it."""
        url, sent = target.url, dict(headers) if target.with_headers else {}
        if target.address:
            sent["host"] = url.raw_authority
            url = url.with_host(target.address)
        try:
            async with self._session.get(
                url,
                headers=sent,
                allow_redirects=False,
                proxy=target.proxy,
                server_hostname=target.url.raw_host if target.address and url.scheme == "https" else None,
            ) as answer:
                yield answer
        except (aiohttp.ClientError, OSError):
            raise Passing("unreachable") from None

    async def _target(self, stated: str | URL, download: Download, *, trusted: str, first: bool) -> Target:
        """Raises Gone for what is never asked for."""
        url = _parsed(stated)
        proxy = self._proxies.of(str(url))
        if trusted and url.origin() == _parsed(trusted).origin():
            return Target(url, "", with_headers=True, proxy=proxy)
        host = url.raw_host or ""
        theirs = is_of(host, download.hosts)
        if url.scheme != "https" or url.port != self._port or (first and not theirs):
            raise Gone("refused_address")
        address = await self._looked_at(host, proxied=proxy is not None)
        return Target(url, "" if proxy else address, with_headers=theirs, proxy=proxy)

    async def _looked_at(self, host: str, *, proxied: bool) -> str:
        """An address of the name; "" when only the proxy may know one. Raises Gone for one that is not outside."""
        try:
            addresses = await self._resolve(host, self._port)
        except (OSError, UnicodeError):
            if proxied:
                return ""
            raise Passing("unreachable") from None
        if not addresses or not all(map(self._is_allowed, addresses)):
            raise Gone("refused_address")
        return addresses[0]


def _parsed(stated: str | URL) -> URL:
    """One reading of it, for the check and for the request. What two programs would read differently is refused."""
    if isinstance(stated, str) and _is_odd(stated):
        raise Gone("refused_address")
    try:
        url = URL(stated)
        odd = url.scheme not in SCHEMES or not url.raw_host or url.user is not None or url.password is not None
    except ValueError:
        raise Gone("refused_address") from None
    if odd or "%" in (url.raw_host or ""):
        raise Gone("refused_address")
    return url


def _is_odd(text: str) -> bool:
    return any(each <= " " or each in "\\\x7f" for each in text)


def _joined(url: URL, location: str) -> URL:
    if not location:
        raise Gone("not_found")
    if _is_odd(location):
        raise Gone("refused_address")
    try:
        return url.join(URL(location))
    except ValueError:
        raise Gone("refused_address") from None


def _check(answer: aiohttp.ClientResponse, most_bytes: int) -> None:
    """By what stands before the bytes. LINE says 202 of a film or a voice that it still makes ready:
    https://developers.line.biz/en/reference/messaging-api/#get-content"""
    status, after = answer.status, retry_after(Answer(answer.status, answer.headers, b""))
    if status in (401, 403):
        raise Gone("unauthorized" if status == 401 else "forbidden")
    if status == 429:
        raise Passing("throttled", retry_after=after)
    if status >= 500 or status == 408:
        raise Passing("provider_error", retry_after=after)
    if status == 202:
        raise Passing("not_ready", retry_after=after or GETS_READY)
    if status != 200:
        raise Gone("not_found")
    if answer.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Gone("encoded")  # asked not to; and what is small on the way may be large without end
    if answer.content_length is not None and answer.content_length > most_bytes:
        raise Gone("too_large")


async def _bounded(answer: aiohttp.ClientResponse, most_bytes: int) -> AsyncIterator[bytes]:
    """Whatever was stated before: no more than this is read, and what ends too early is no file."""
    read = 0
    async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
        read += len(chunk)
        if read > most_bytes:
            raise Gone("too_large")
        yield chunk
    if answer.content_length is not None and read < answer.content_length:
        raise Passing("unreachable")


async def _addresses(host: str, port: int) -> Sequence[str]:
    """As the system resolves it, also what is written as a number in one of its many ways; those of version 4 first."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted(dict.fromkeys(str(each[4][0]) for each in found), key=lambda address: ":" in address)
