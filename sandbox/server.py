"""How is the sandbox reached? The page and what it asks, live, and each provider's API under /<provider>/.

Only by a name of this machine: another site's page must not get in by a DNS name that points here.
"""

import asyncio
import binascii
import contextlib
from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
from aiohttp import web

from sandbox import faults, pages
from sandbox.about import about
from sandbox.bell import Bell
from sandbox.files import MOST_BYTES, File, file_of
from sandbox.phone import PICTURES
from sandbox.provider import Ask, Socketed
from sandbox.sockets import Sockets
from sandbox.switchboard import Switchboard
from sandbox.world import Outcome

HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
MOST_BODY_BYTES = 2 * MOST_BYTES  # a file in base64, or one larger than a provider takes
MOST_CHARACTERS = 4096
BEAT_SECONDS = 15.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Deed = Callable[[str, dict[str, Any]], Awaitable[bool]]  # False when it makes no sense


@dataclass(frozen=True, slots=True)
class Front:
    """The doors of one sandbox."""

    switchboard: Switchboard
    bell: Bell
    sockets: Sockets
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    def application(self) -> web.Application:
        """All routes."""
        app = web.Application(middlewares=[only_from_here], client_max_size=MOST_BODY_BYTES)
        app.router.add_routes([*pages.routes(), web.get("/state", self._state), web.get("/events", self._events)])
        app.router.add_get("/files/{id}", self._file)
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
        await self.sockets.close()
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

    async def _file(self, request: web.Request) -> web.Response:
        """A file on a phone. Only pictures are shown in the page's place: all others are a stranger's, and saved."""
        file = self.switchboard.shelf.get(request.match_info["id"])
        if not file:
            return _refused(404, "there is no such file any more")
        shown = file.bare_type in PICTURES
        how = {"content-type": file.bare_type if shown else "application/octet-stream"}
        how["content-disposition"] = (
            f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{quote(file.name, safe='')}"
        )
        return web.Response(body=file.content, headers={**pages.HEADERS, **how})

    async def _call(self, request: web.Request) -> web.StreamResponse:
        """A provider's API."""
        provider = self.switchboard.providers.get(request.match_info["provider"])
        if not provider:
            return _refused(404, "there is no stand-in of that name")
        if isinstance(provider, Socketed) and request.headers.get("upgrade", "").lower() == "websocket":
            url = f"ws://{request.host}{urlsplit(request.path_qs).path}"
            return await self.sockets.serve(request, provider.socket, url=url)
        ask = Ask(
            method=request.method,
            path=urlsplit(request.path_qs).path.removeprefix(f"/{provider.name}"),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
            query=request.query_string,
            base_url=f"http://{request.host}/{provider.name}",
        )
        return _answered(request, await self.switchboard.answer(provider, ask))

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
        text, sent = asked.get("text", ""), asked.get("file")
        file = None if sent is None else _given(sent)
        if not isinstance(text, str) or len(text) > MOST_CHARACTERS or (sent is not None and not file):
            return False
        if not text.strip() and not file:
            return False
        self.switchboard.say(channel, text if text.strip() else "", file=file)
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


def _given(sent: object) -> File | None:
    """A file as it stands in JSON: its name, its type unless the name tells it, and its bytes in base64."""
    if not isinstance(sent, dict):
        return None
    name, stated, content = sent.get("name"), sent.get("type", ""), sent.get("content")
    if not (isinstance(name, str) and name and isinstance(stated, str) and isinstance(content, str)):
        return None
    try:
        found = b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        return None
    return file_of(name, stated, content=found) if 0 < len(found) <= MOST_BYTES else None


def _answered(request: web.Request, outcome: Outcome) -> web.StreamResponse:
    if outcome is None:
        if request.transport:
            request.transport.abort()
        return web.Response()
    return web.Response(
        status=outcome.status,
        body=outcome.file.content if outcome.file else orjson.dumps(outcome.content),
        headers={
            **outcome.headers,
            "content-type": outcome.file.media_type if outcome.file else "application/json",
            "x-content-type-options": "nosniff",
        },
    )


def _json(content: Any) -> web.Response:
    return web.Response(body=orjson.dumps(content), headers={**pages.HEADERS, "content-type": "application/json"})


def _refused(status: int, why: str) -> web.Response:
    return web.Response(
        status=status,
        body=orjson.dumps({"error": why}),
        headers={**pages.HEADERS, "content-type": "application/json"},
    )
