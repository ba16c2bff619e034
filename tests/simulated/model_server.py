"""How does a simulated model server run, in health and illness, whatever its protocol?

Its mode is a word that may change while it runs: ok · odd (streams come three bytes at a time) · instant (nothing is
checked or noted) · slow:S · held (thinks until the mode changes) · paused (says half of it, and the rest when the mode
changes) · cold (the first call loads the model until the mode changes, and ends that when it hangs up; the others wait
for it) · flap (500 at every other call) · refuse (the port is closed) · frozen (silent everywhere) · and those of
`model_illnesses`, from which paths that generate nothing do not suffer.
"""

import argparse
import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Protocol

from aiohttp import web

from tests.simulated.model_call import Call, begin, send, stream
from tests.simulated.model_dialect import Body, Dialect, Reply, Seen, Voice
from tests.simulated.model_illnesses import ILLNESSES, reset
from tests.simulated.wire import BACKLOG, free_port

MODES = {"ok", "odd", "instant", "slow", "held", "paused", "cold", "flap", "refuse", "frozen", *ILLNESSES}


class ModelServer:
    """A loopback server of one dialect."""

    def __init__(self, dialect: Dialect, mode: str = "ok", *, port: int = 0) -> None:
        self.mode = _known(mode)
        self.port = port
        self.requests: list[Seen] = []  # read by tests from other threads, which a list bears while it grows
        self._dialect = dialect
        self._flips = itertools.cycle((True, False))
        self._switched = asyncio.Event()
        self._loading = asyncio.Lock()
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def chats(self) -> list[Seen]:
        """The requests that want something said."""
        return [seen for seen in self.requests if seen.path in self._dialect.voices]

    @property
    def open_connections(self) -> int:
        server = self._runner.server if self._runner else None
        return len(server.connections) if server else 0

    async def start(self) -> None:
        """Listens; on a free port unless one was named."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        for method, path in self._dialect.plain:
            app.router.add_route(method, path, self._tell)
        for path in self._dialect.voices:
            app.router.add_post(path, self._generate)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen()
        await self.switch(self.mode)

    async def switch(self, mode: str) -> None:
        """Changes the mode; `refuse` closes the port, anything else opens it again."""
        self.mode = _known(mode)
        self._switched.set()
        self._switched = asyncio.Event()
        if mode == "refuse" and self._site is not None:
            await self._site.stop()
            self._site = None
        elif mode != "refuse" and self._site is None:
            await self._listen()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _listen(self) -> None:
        assert self._runner is not None
        self.port = self.port or free_port()
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True, backlog=BACKLOG)
        await self._site.start()

    async def _ill_altogether(self, request: web.Request) -> None:
        if self.mode == "refuse":
            reset(request)
        if self.mode == "frozen":
            await asyncio.Event().wait()

    async def _tell(self, request: web.Request) -> web.StreamResponse:
        await self._ill_altogether(request)
        seen = self._see(request, await _read(request))
        refused = self._dialect.admits(seen.headers)
        reply = refused or self._dialect.plain[request.method, request.path](seen.body)
        return await self._reply(request, reply)

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        await self._ill_altogether(request)
        body, voice = await _read(request), self._dialect.voices[request.path]
        if self.mode == "instant":
            call = Call(request, body, voice, self._dialect)
            return await send(call, call.complete())
        seen = self._see(request, body)
        try:
            return await self._answer(request, seen, voice)
        except (asyncio.CancelledError, ConnectionResetError):
            seen.abandoned = True
            raise

    async def _answer(self, request: web.Request, seen: Seen, voice: Voice) -> web.StreamResponse:
        if refused := self._dialect.admits(seen.headers):
            return await self._reply(request, refused)
        while self.mode == "held":
            await self._switched.wait()
        if self.mode == "cold":
            await self._load(seen)
        mode, _, number = self.mode.partition(":")
        if mode == "slow":
            await asyncio.sleep(float(number or 1))
        if mode == "flap":
            mode = "500" if next(self._flips) else "ok"
        call = Call(request, seen.body, voice, self._dialect, number)
        if mode in ILLNESSES:
            return await ILLNESSES[mode](call)
        if refused := voice.refused(seen.body):
            return await self._reply(request, refused)
        if mode == "paused" and call.streams:
            return await self._in_two(call)
        return await send(call, call.complete(), odd=mode == "odd")

    async def _load(self, seen: Seen) -> None:
        async with self._loading:
            seen.began_load = self.mode == "cold"
            while self.mode == "cold":
                await self._switched.wait()

    async def _in_two(self, call: Call) -> web.StreamResponse:
        pieces = call.complete()
        response = await begin(call, b"".join(pieces[: len(pieces) // 2]))
        while self.mode == "paused":
            await self._switched.wait()
        await response.write(b"".join(pieces[len(pieces) // 2 :]))
        await response.write_eof()
        return response

    def _see(self, request: web.Request, body: Body) -> Seen:
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Seen(request.path, body, headers)
        self.requests.append(seen)
        return seen

    async def _reply(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        if len(reply.pieces) == 1:
            headers = {"content-type": reply.content_type}
            return web.Response(body=reply.pieces[0], status=reply.status, headers=headers)
        data = b"".join(reply.pieces)
        return await stream(request, data, content_type=reply.content_type, odd=self.mode == "odd")


def _known(mode: str) -> str:
    if mode.partition(":")[0] not in MODES:
        raise ValueError(f"no such mode: {mode}")
    return mode


async def _read(request: web.Request) -> Body:
    body: Body = json.loads(await request.read() or b"{}")
    return body


class Startable(Protocol):
    """A simulated server of some protocol."""

    async def start(self) -> None: ...

    @property
    def base_url(self) -> str: ...


def main(make: Callable[[str, int], Startable], *, name: str, port: int) -> None:
    """Runs one until it is killed; it is made from a mode and a port."""
    parser = argparse.ArgumentParser(description=f"A simulated {name} server.")
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument("--mode", default="ok", help=f"one of these, some with a number: {', '.join(sorted(MODES))}")
    options = parser.parse_args()
    asyncio.run(_serve(make(options.mode, options.port), name, mode=options.mode))


async def _serve(server: Startable, name: str, *, mode: str) -> None:
    await server.start()
    print(f"simulated {name} on {server.base_url}, mode {mode}", flush=True)
    await asyncio.Event().wait()
