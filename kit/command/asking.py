"""How does the command ask a provider? Makes the calls that a setup yields; a failure is one line and its fix.

Below httpx.AsyncClient on purpose, as in the sender: nothing is redirected, and no line is logged (URLs hold tokens).
"""

import asyncio
import contextlib
import importlib
from collections.abc import Generator, Mapping
from typing import Any

import httpx

from kit.command import services
from kit.command.findings import Level
from kit.command.screen import Mistake, printable
from kit.proxies import proxies

MAX_ANSWER_BYTES = 256 * 1024
CONNECT_SECONDS = 5.0
HEADERS = {"user-agent": "parley", "accept-encoding": "identity"}
HIDDEN = "…"

AGAIN = "try again in a minute; --no-probe of parley channels add stores an account without asking"
# failure -> how bad it is for the account, what is said where the setup says no more (the words of these errors are
# about messages that are sent, and nothing is sent here), and what to do
FAILURES = {
    "Throttled": (Level.LOOK, "is asked too often", "try again in a minute"),
    "Unavailable": (Level.LOOK, "cannot say it now", f"can this machine reach the provider? Then {AGAIN}"),
    "Unknown": (Level.LOOK, "answers nothing that can be read", f"is it the provider that answers there? Then {AGAIN}"),
    "Rejected": (Level.BROKEN, "refuses to say", "the provider's console says what is wrong with the account"),
    "Unauthorized": (
        Level.BROKEN,
        "refuses the credentials",
        "take the credentials from the provider's console again",
    ),
}


async def ask(asking: Generator[Any, Any, Any], provider: str, *, hidden: Mapping[str, str]) -> Any:
    """What the setup learnt. Raises Mistake, whose code is the level; nothing of what is hidden stands in it."""
    errors = importlib.import_module("channels.channel")
    try:
        async with _Ways() as ways:
            return await _converse(asking, ways)
    except errors.DeliveryError as error:
        kind = next(each for each in type(error).__mro__ if each.__name__ in FAILURES)
        level, words, fix = FAILURES[kind.__name__]
        words = words if str(error) == type(error).__doc__ else str(error)
        said = words if provider in words else f"{provider}: {words}"
        said += f" ({error.provider_code})" if error.provider_code else ""
        mend = getattr(error, "fix", fix)
        raise Mistake(_without(said, hidden), fix=_without(mend, hidden), code=level.value) from None


class _Ways(contextlib.AsyncExitStack):
    """The ways out: straight, and through each proxy that the sender's settings name."""

    def __init__(self) -> None:
        super().__init__()
        self._proxies = proxies(services.settings_of(services.named("sender")))
        self._made: dict[str | None, httpx.AsyncBaseTransport] = {}

    async def to(self, url: str) -> httpx.AsyncBaseTransport:
        """The one for this URL."""
        proxy = self._proxies.of(url)
        if proxy not in self._made:
            made = httpx.AsyncHTTPTransport(proxy=httpx.Proxy(proxy) if proxy else None)
            self._made[proxy] = await self.enter_async_context(made)
        return self._made[proxy]


async def _converse(asking: Generator[Any, Any, Any], ways: _Ways) -> Any:
    answer: Any = None
    while True:
        try:
            call = asking.send(answer)
        except StopIteration as done:
            return done.value
        answer = await _answer(call, ways)


async def _answer(call: Any, ways: _Ways) -> Any:
    """Raises Unavailable, whatever was lost on the way: all that is asked here may be asked again."""
    values = importlib.import_module("channels.channel")
    connect = min(CONNECT_SECONDS, call.timeout_seconds)
    try:
        request = httpx.Request(
            call.method,
            call.url,
            headers={**HEADERS, **call.headers},
            content=call.body,
            extensions={"timeout": dict.fromkeys(("connect", "pool", "read", "write"), connect)},
        )
        async with asyncio.timeout(call.timeout_seconds):
            response = await (await ways.to(call.url)).handle_async_request(request)
            body = await _read(response)
    except TimeoutError:
        raise values.Unavailable("does not answer in time") from None
    except httpx.ProxyError as error:
        raise values.Unavailable(f"cannot be reached: the proxy says {error}") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        refused = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        what = "cannot be reached" if refused else "does not answer"
        raise values.Unavailable(f"{what} at {_host(call.url)}") from None
    return values.Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    try:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                break  # cut short it is no JSON, which is what the setup will say
    finally:
        await response.aclose()
    return bytes(body)


def _host(url: str) -> str:
    try:
        return httpx.URL(url).netloc.decode()
    except httpx.InvalidURL:
        return "a URL that is none"


def _without(text: str, hidden: Mapping[str, str]) -> str:
    """Providers quote what they were sent."""
    for value in hidden.values():
        text = text.replace(value, HIDDEN)
    return printable(text)
