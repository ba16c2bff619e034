"""How does a webhook reach the gateway? Posted by its signed URL, at the address where the gateway is found."""

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp

from channels.channel import Webhook

POST_SECONDS = 15.0  # Twilio waits as long


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of it."""

    status: int  # 0 when nobody answered
    took_ms: int
    problem: str = ""

    @property
    def said(self) -> str:
        """In a word, for the timeline."""
        return self.problem or str(self.status)

    @property
    def good(self) -> bool:
        """Whether it need not be repeated."""
        return 200 <= self.status < 300


class Gateway:
    """The way to the gateway, and to nobody else: a callback's URL is what some program asked for."""

    def __init__(self, url: str, *, public_url: str = "") -> None:
        self._url = url.rstrip("/")
        self._public_url = (public_url or url).rstrip("/")

    async def __aenter__(self) -> Self:
        timeout, jar = aiohttp.ClientTimeout(total=POST_SECONDS), aiohttp.DummyCookieJar()
        # A connection each: one that rested is closed by the gateway, perhaps in the moment in which it is used again.
        connector = aiohttp.TCPConnector(force_close=True)
        self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=jar, connector=connector)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._session.close()

    def webhook_url(self, channel: str) -> str:
        """What the provider of a channel was told to post to: this is what it signs."""
        return f"{self._public_url}/webhook/{channel}"

    async def post(self, webhook: Webhook) -> Posted:
        """Posts it once."""
        if not webhook.url.startswith(f"{self._public_url}/"):
            return Posted(0, 0, "not posted: that is not the gateway's address")
        url = self._url + webhook.url.removeprefix(self._public_url)
        began = time.monotonic()
        try:
            async with self._session.post(
                url, data=webhook.body, headers=dict(webhook.headers), allow_redirects=False
            ) as answer:
                await answer.read()
                return Posted(answer.status, _since(began))
        except (aiohttp.ClientError, OSError, TimeoutError):
            return Posted(0, _since(began), "no gateway answered")


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
