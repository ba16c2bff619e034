"""How does a test of the command get model servers that outlive its calls? Each in a thread, on a loop of its own."""

import asyncio
import json
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from aiohttp import web

from tests.stalls import PATIENCE_SECONDS

Result = TypeVar("Result")

LAYER, BYTES = "sha256:" + "a1b2c3d4e5f6" * 5, 2_019_377_376
NOWHERE, ENDLESS = "nope", "endless"  # what cannot be fetched, and what never ends


class Simulated(Protocol):
    """A server that can be started and stopped."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Registry:
    """An Ollama that fetches models: https://github.com/ollama/ollama/blob/main/docs/api.md#pull-a-model"""

    def __init__(self) -> None:
        self.models: list[str] = []
        self.abandoned = threading.Event()
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application()
        app.add_routes([web.get("/api/tags", self._tags), web.post("/api/show", self._show)])
        app.add_routes([web.post("/api/pull", self._pull)])
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _tags(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"models": [{"name": name, "model": name} for name in self.models]})

    async def _show(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"model_info": {"llama.context_length": 8192}})

    async def _pull(self, request: web.Request) -> web.StreamResponse:
        name: str = (await request.json())["model"]
        response = web.StreamResponse(headers={"content-type": "application/x-ndjson"})
        await response.prepare(request)
        for step in _steps(name):
            await response.write(json.dumps(step).encode() + b"\n")
        if name == ENDLESS:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.abandoned.set()
                raise
        self.models += [f"{name}:latest"] if name != NOWHERE else []
        return response


def _steps(name: str) -> Iterator[Mapping[str, object]]:
    yield {"status": "pulling manifest"}
    if name == NOWHERE:
        yield {"error": "pull model manifest: file does not exist"}
        return
    for quarter in range(5):
        layer = {"status": "pulling a1b2c3d4e5f6", "digest": LAYER, "total": BYTES}
        yield {**layer, "completed": BYTES * quarter // 4}
    if name != ENDLESS:
        yield from ({"status": status} for status in ("verifying sha256 digest", "writing manifest", "success"))


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=PATIENCE_SECONDS)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=PATIENCE_SECONDS)
        self._loop.close()


@contextmanager
def serving(*servers: Simulated) -> Iterator[Loop]:
    """Runs them until the block ends."""
    loop = Loop()
    loop.start()
    try:
        for server in servers:
            loop.run(server.start())
        yield loop
    finally:
        for server in servers:
            loop.run(server.stop())
        loop.close()
