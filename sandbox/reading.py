"""How does a provider read a file that it was given the URL of? From the gateway, else from the open internet alone.

The URL is what some program asked for: of this machine and its network nothing is read for it but the gateway's files.
"""

import ipaddress
import re
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from sandbox.files import MOST_BYTES, NAMELESS, File, extension_of, file_of

READ_SECONDS = 10.0
CHUNK_BYTES = 64 * 1024
MOST_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# A name, and no number in any of the ways in which addresses are written: those ask no resolver.
_NAME = re.compile(r"([a-z0-9_-]{1,63}\.)+(xn--[a-z0-9-]{1,59}|[a-z]{2,63})", re.ASCII)
_FILE_NAME = re.compile(r"""filename(?:\*=UTF-8''|="?)([^";]{1,600})""")
LONGEST_NAME = 60  # what is longer at the end of a URL names nothing to a person


class Reader:
    """The way to files, as providers have it."""

    def __init__(self, gateway_url: str, *, public_url: str = "") -> None:
        self._gateway_url = gateway_url.rstrip("/")
        self._public_url = (public_url or gateway_url).rstrip("/")

    async def __aenter__(self) -> Self:
        jar, timeout = aiohttp.DummyCookieJar(), aiohttp.ClientTimeout(total=READ_SECONDS)
        self._near = aiohttp.ClientSession(timeout=timeout, cookie_jar=jar)
        outside = aiohttp.TCPConnector(resolver=_Outside(), force_close=True)
        self._far = aiohttp.ClientSession(timeout=timeout, cookie_jar=jar, connector=outside)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._near.close()
        await self._far.close()

    async def read(self, url: str) -> File | None:
        """The file; None when it cannot be had."""
        try:
            for _ in range(MOST_REDIRECTS + 1):
                found = await self._step(url)
                if not isinstance(found, str):
                    return found
                url = urljoin(url, found)
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError):
            pass
        return None

    async def _step(self, url: str) -> File | str | None:
        """The file, or where it is said to be instead."""
        if url.startswith(f"{self._public_url}/"):
            return await _answered(self._near, self._gateway_url + url.removeprefix(self._public_url))
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not _NAME.fullmatch(parts.hostname or ""):
            return None
        return await _answered(self._far, url)


class _Outside(AbstractResolver):
    """Knows no address but those of the open internet."""

    def __init__(self) -> None:
        self._system = aiohttp.ThreadedResolver()

    async def resolve(self, host: str, *where: Any, **how: Any) -> list[ResolveResult]:
        """Raises OSError where one of them is of another network."""
        found = await self._system.resolve(host, *where, **how)
        if not all(ipaddress.ip_address(each["host"].partition("%")[0]).is_global for each in found):
            raise OSError("not of the open internet")
        return found

    async def close(self) -> None:
        """As the system's."""
        await self._system.close()


async def _answered(session: aiohttp.ClientSession, url: str) -> File | str | None:
    async with session.get(url, allow_redirects=False) as answer:
        if answer.status in REDIRECTS:
            return answer.headers.get("location", "")
        if answer.status != 200:
            return None
        content = bytearray()
        async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
            content += chunk
            if len(content) > MOST_BYTES:
                return None
        told = _FILE_NAME.search(answer.headers.get("content-disposition", ""))
        last, media_type = urlsplit(url).path.rpartition("/")[2], answer.headers.get("content-type", "")
        nameless = f"{NAMELESS}{extension_of(media_type)}"
        name = unquote(told[1] if told else last if len(last) <= LONGEST_NAME else nameless)
        return file_of(name, media_type, content=bytes(content))
