"""How is the sandbox's Discord Gateway had in tests? At a port of its own, for any bot, with what it can do by hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from sandbox.providers import discord_gateway
from sandbox.providers.discord_gateway import Said, message
from sandbox.sockets import Sockets

__all__ = ["ME", "Gateway", "me", "message"]

ME = "1029384756"
USER = {"id": ME, "username": "parley", "discriminator": "0000", "avatar": None, "bot": True}


@dataclass
class Gateway(discord_gateway.Gateway):
    """One bot's."""

    me: Mapping[str, Any] = field(default_factory=lambda: dict(USER))
    port: int = 0
    sockets: Sockets = field(default_factory=Sockets)
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self.sockets.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def do(self, deed: Callable[[], None]) -> None:
        """On the loop that the connections are on."""
        deed()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        return await self.sockets.serve(request, self, url=self.url)


def me() -> Said:
    """Of a mention."""
    return {**USER, "global_name": None}
