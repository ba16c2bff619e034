"""A sandbox that listens, and somebody in the gateway's place who takes what is posted."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest

from sandbox.opening import made_up, opened
from tests.simulated.wire import HttpServer, Reply, Request, answer


@dataclass
class World:
    """The sandbox by its port, its accounts, and what the gateway was posted."""

    port: int
    values: dict[str, str]
    client: aiohttp.ClientSession
    posted: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def do(self, channel: str, deed: str, **asked: object) -> int:
        """What the page does."""
        async with self.client.post(f"{self.url}/phones/{channel}/{deed}", json=asked) as done:
            return done.status


@pytest.fixture
async def world() -> AsyncIterator[World]:
    posted: list[Request] = []

    def take(request: Request) -> Reply:
        posted.append(request)
        return answer(200, {})

    gateway = HttpServer(take)
    await gateway.listen()
    values = made_up()
    async with aiohttp.ClientSession() as client, opened(0, values, gateway_url=gateway.base_url) as port:
        yield World(port, values, client, posted)
    await gateway.refuse()
