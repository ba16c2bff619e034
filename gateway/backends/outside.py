"""How does the gateway reach a provider that does not call? HTTP that may wait long, and a WebSocket for each line.

No redirect is followed (it would carry credentials elsewhere), no cookie is kept, and no URL is logged.
"""

import asyncio
import ssl
from typing import Any

import aiohttp

from channels.channel import Answer, Call, Unavailable
from channels.listening import Closed, Heard
from kit.proxies import Proxies

MOST_ANSWER_BYTES = 8 * 1024 * 1024  # a hundred updates
MOST_MESSAGE_BYTES = 32 * 1024 * 1024  # what a large server says of itself at the beginning
CONNECT_SECONDS = 10.0
HEADERS = {"user-agent": "parley", "accept-encoding": "identity"}
LOST = 1006
# Neither 1000 nor 1001: they would end the session, and with it the way to hear what is missed.
LEAVES = 4000
_ENDS = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
_FAILURES = (aiohttp.ClientError, OSError, ValueError)


class Outside:
    """The way out. One per process; opened when the first line needs it."""

    def __init__(self, proxies: Proxies) -> None:
        self._proxies = proxies
        self._session: aiohttp.ClientSession | None = None

    def wire(self) -> "Wire":
        """For one line."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, ssl=ssl.create_default_context())
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=HEADERS
            )
        return Wire(self._session, self._proxies)

    async def close(self) -> None:
        """Ends every connection."""
        if self._session is not None:
            await self._session.close()


class Wire:
    """One line's way out: calls, and one WebSocket at a time. What fails raises Unavailable: all of it may be
    repeated.
    """

    def __init__(self, session: aiohttp.ClientSession, proxies: Proxies) -> None:
        self._session = session
        self._proxies = proxies
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def call(self, call: Call) -> Answer:
        """Makes the call."""
        timeout = aiohttp.ClientTimeout(total=call.timeout_seconds, sock_connect=CONNECT_SECONDS)
        try:
            async with self._session.request(
                call.method,
                call.url,
                headers=call.headers,
                data=call.body,
                allow_redirects=False,
                proxy=self._proxies.of(call.url),
                timeout=timeout,
            ) as response:
                body = await _read(response)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, headers, body)
        except TimeoutError:
            raise Unavailable("no answer in time", provider_code="timeout") from None
        except _FAILURES:
            raise Unavailable("the connection was lost", provider_code="connection_lost") from None

    async def connect(self, url: str) -> None:
        """Opens the WebSocket."""
        await self.hang_up(LEAVES)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                # Closing is ours: by itself aiohttp would answer every goodbye with 1000.
                self._socket = await self._session.ws_connect(
                    url, max_msg_size=MOST_MESSAGE_BYTES, autoclose=False, proxy=self._proxies.of(url)
                )
        except TimeoutError:
            raise Unavailable("no answer in time", provider_code="timeout") from None
        except _FAILURES:
            raise Unavailable("no connection", provider_code="connect") from None

    async def say(self, text: str) -> None:
        """Writes; that it is lost is heard."""
        if self._socket is not None and not self._socket.closed:
            try:
                await self._socket.send_str(text)
            except _FAILURES:
                return

    async def hear(self, seconds: float) -> Heard | Closed | None:
        """The next message, or None when there was none in time."""
        if self._socket is None:
            return Closed(LOST)
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                message = await self._socket.receive()
        except TimeoutError:
            return None
        except _FAILURES:
            return Closed(LOST)
        return _understood(message, self._socket)

    async def hang_up(self, code: int) -> None:
        """Closes the WebSocket, if there is one."""
        socket, self._socket = self._socket, None
        if socket is not None and not socket.closed:
            try:
                await socket.close(code=code)
            except _FAILURES:
                return


def _understood(message: aiohttp.WSMessage, socket: aiohttp.ClientWebSocketResponse) -> Heard | Closed | None:
    if message.type in _ENDS:
        stated: Any = message.data if message.type is aiohttp.WSMsgType.CLOSE else socket.close_code
        return Closed(stated if isinstance(stated, int) else LOST)
    return Heard(message.data) if message.type is aiohttp.WSMsgType.TEXT else None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MOST_ANSWER_BYTES:
            raise Unavailable("the answer is too large", provider_code="answer_too_large")
    return bytes(body)
