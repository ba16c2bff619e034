"""How is the sandbox reached? The page and what it asks, live, and each provider's API under /<provider>/.

Only by a name of this machine: another site's page must not get in by a DNS name that points here.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson
from aiohttp import web

from sandbox import faults, pages
from sandbox.bell import Bell
from sandbox.provider import Ask
from sandbox.switchboard import Outcome, Switchboard, about

HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
MOST_BYTES = 256 * 1024
MOST_CHARACTERS = 4096
BEAT_SECONDS = 15.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Deed = Callable[[str, dict[str, Any]], Awaitable[bool]]  # False when it makes no sense


@dataclass(frozen=True, slots=True)
class Front:
    """The doors of one sandbox."""

    switchboard: Switchboard
    bell: Bell
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    def application(self) -> web.Application:
        """All routes."""
        app = web.Application(middlewares=[only_from_here], client_max_size=MOST_BYTES)
        app.router.add_routes([*pages.routes(), web.get("/state", self._state), web.get("/events", self._events)])
        deeds = {
            "say": self._say,
            "again": self._again,
            "fault": self._fault,
            "receipts": self._receipts,
            "receipt": self._receipt,
            "person": self._person,
        }
        app.router.add_routes(
            [web.post(f"/phones/{{channel}}/{name}", self._asked(deed)) for name, deed in deeds.items()]
        )
        app.router.add_route("*", "/{provider}/{path:.*}", self._call)
        return app

    async def close(self) -> None:
        """Ends the streams of open pages, which would wait for ever."""
        self.closing.set()
        self.bell.ring()
        await self.switchboard.close()

    async def _state(self, _request: web.Request) -> web.Response:
        return _json({"about": about(self.switchboard), "phones": self.switchboard.state()})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """The whole state after each change: a page that was away has missed nothing."""
        stream = web.StreamResponse(headers={**pages.HEADERS, "content-type": "text/event-stream"})
        await stream.prepare(request)
        heard = -1
        with contextlib.suppress(ConnectionError):
            while not self.closing.is_set():
                with contextlib.suppress(TimeoutError):
                    heard = await asyncio.wait_for(self.bell.after(heard), BEAT_SECONDS)
                await stream.write(b"data: " + orjson.dumps(self.switchboard.state()) + b"\n\n")
        return stream

    async def _call(self, request: web.Request) -> web.StreamResponse:
        """A provider's API."""
        provider = self.switchboard.providers.get(request.match_info["provider"])
        if not provider:
            return _refused(404, "there is no stand-in of that name")
        ask = Ask(
            method=request.method,
            path=urlsplit(request.path_qs).path.removeprefix(f"/{provider.name}"),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
            query=request.query_string,
        )
        return _answered(request, self.switchboard.call(provider, ask))

    def _asked(self, deed: Deed) -> Handler:
        """What the page does, on one phone. JSON only: another site's form cannot send it unasked."""

        async def handle(request: web.Request) -> web.StreamResponse:
            channel = request.match_info["channel"]
            if request.content_type != "application/json":
                return _refused(415, "JSON is what is taken here")
            if channel not in self.switchboard.phones:
                return _refused(404, "there is no such phone")
            try:
                asked = orjson.loads(await request.read())
            except orjson.JSONDecodeError:
                asked = None
            done = isinstance(asked, dict) and await deed(channel, asked)
            return _json({"ok": True}) if done else _refused(400, "that cannot be done")

        return handle

    async def _say(self, channel: str, asked: dict[str, Any]) -> bool:
        text = asked.get("text")
        if not isinstance(text, str) or not text.strip() or len(text) > MOST_CHARACTERS:
            return False
        self.switchboard.say(channel, text)
        return True

    async def _again(self, channel: str, asked: dict[str, Any]) -> bool:
        return self.switchboard.again(channel, str(asked.get("id", "")))

    async def _fault(self, channel: str, asked: dict[str, Any]) -> bool:
        fault, seconds = asked.get("fault"), asked.get("seconds", 0)
        offered = faults.offered(self.switchboard.phones[channel].handset.faults)
        if fault not in offered or type(seconds) is not int or not 0 <= seconds <= faults.MOST_SECONDS:
            return False
        self.switchboard.turn(channel, fault, seconds=seconds)
        return True

    async def _receipts(self, channel: str, asked: dict[str, Any]) -> bool:
        self.switchboard.receipts(channel, automatic=asked.get("automatic") is True)
        return True

    async def _receipt(self, channel: str, asked: dict[str, Any]) -> bool:
        return self.switchboard.report(channel, str(asked.get("id", "")))

    async def _person(self, channel: str, _asked: dict[str, Any]) -> bool:
        self.switchboard.hand_over(channel)
        return True


@web.middleware
async def only_from_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses other names of this machine, and what another site's page asks for."""
    origin = request.headers.get("origin")
    if _name(f"//{request.host}") not in HOSTS or (origin and _name(origin) not in HOSTS):
        return _refused(421, "the sandbox is found at localhost only")
    return await handler(request)


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _answered(request: web.Request, outcome: Outcome) -> web.StreamResponse:
    if outcome is None:
        if request.transport:
            request.transport.abort()
        return web.Response()
    return web.Response(
        status=outcome.status,
        body=orjson.dumps(outcome.content),
        headers={**outcome.headers, "content-type": "application/json"},
    )


def _json(content: Any) -> web.Response:
    return web.Response(body=orjson.dumps(content), headers={**pages.HEADERS, "content-type": "application/json"})


def _refused(status: int, why: str) -> web.Response:
    return web.Response(
        status=status,
        body=orjson.dumps({"error": why}),
        headers={**pages.HEADERS, "content-type": "application/json"},
    )
