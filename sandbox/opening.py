"""Constructs the sandbox and runs it: accounts that nobody has, their stand-ins, the page, on one loopback port."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from channels.registry import CHANNELS
from kit.ids import new_id
from kit.moments import utc_now
from sandbox.bell import Bell
from sandbox.gateway import Gateway
from sandbox.provider import Account
from sandbox.reading import Reader
from sandbox.registry import STAND_INS
from sandbox.server import Front
from sandbox.sockets import Sockets
from sandbox.switchboard import Switchboard
from sandbox.world import World

HOST = "127.0.0.1"
DRAIN_SECONDS = 1.0


def made_up() -> dict[str, str]:
    """Every stand-in's account, by environment variable, other each time."""
    return {name: value for each in STAND_INS for name, value in each.made_up(_draw).items()}


def base_urls(port: int) -> dict[str, str]:
    """Where each provider's API stands. One without a stand-in finds nobody here, rather than the real one."""
    providers = sorted({channel.provider for channel in CHANNELS.values() if channel.provider})
    return {f"{name.upper()}_API_BASE_URL": f"http://{HOST}:{port}/{name}" for name in providers}


@asynccontextmanager
async def opened(port: int, values: Mapping[str, str], *, gateway_url: str, public_url: str = "") -> AsyncIterator[int]:
    """Serves until the block ends; gives the port."""
    account, bell = Account(values, utc_now, _draw, (public_url or gateway_url).rstrip("/")), Bell()
    async with (
        Gateway(gateway_url, public_url=public_url) as gateway,
        Reader(gateway_url, public_url=public_url) as reader,
    ):
        world = World(
            post=gateway.post,
            webhook_url=gateway.webhook_url,
            base_url=lambda name: f"http://{HOST}:{runner.addresses[0][1]}/{name}",
            read=reader.read,
            now=utc_now,
            pause=asyncio.sleep,
            new_id=new_id,
            changed=bell.ring,
            wait=lambda later: bell.until(later.is_ready, later.seconds),
        )
        switchboard = Switchboard([each.build(account) for each in STAND_INS], world)
        front = Front(switchboard, bell, Sockets(lambda: _heard(switchboard, bell)))
        runner = web.AppRunner(front.application(), access_log=None, shutdown_timeout=DRAIN_SECONDS)
        await runner.setup()
        site = web.TCPSite(runner, HOST, port)
        await site.start()
        try:
            yield runner.addresses[0][1]
        finally:
            await front.close()
            await runner.cleanup()


def _heard(switchboard: Switchboard, bell: Bell) -> None:
    switchboard.look()
    bell.ring()


def _draw(digits: int) -> str:
    return secrets.token_hex(digits)[:digits]
