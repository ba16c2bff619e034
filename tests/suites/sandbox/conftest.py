"""A sandbox that listens, and somebody in the gateway's place who takes what is posted."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from sandbox.opening import made_up, opened
from tests.simulated.wire import File, HttpServer, Reply, Request, answer


@dataclass
class World:
    """The sandbox by its port, its accounts, and what the gateway was posted."""

    port: int
    values: dict[str, str]
    client: aiohttp.ClientSession
    posted: list[Request] = field(default_factory=list)
    gateway_url: str = ""
    served: dict[str, File] = field(default_factory=dict)  # what the gateway serves, by path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def do(self, channel: str, deed: str, **asked: object) -> int:
        """What the page does."""
        async with self.client.post(f"{self.url}/phones/{channel}/{deed}", json=asked) as done:
            return done.status

    async def phone(self, channel: str) -> dict[str, Any]:
        """What the page is told of it."""
        async with self.client.get(f"{self.url}/state") as told:
            phones = (await told.json())["phones"]
        found: dict[str, Any] = next(each for each in phones if each["channel"] == channel)
        return found

    async def way(self, channel: str) -> str:
        """How what is typed there travels."""
        return str((await self.phone(channel))["way"])

    async def bubbles(self, channel: str, count: int) -> list[dict[str, Any]]:
        """What stands on a phone, once it is so much and all that was typed has been heard."""
        async with asyncio.timeout(60):
            while True:
                found: list[dict[str, Any]] = (await self.phone(channel))["bubbles"]
                if len(found) >= count and "posting" not in {each["state"] for each in found}:
                    return found
                await asyncio.sleep(0.02)

    async def last(self, channel: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The newest message on a phone, once it is so."""
        async with asyncio.timeout(30):
            while not (shown := (await self.phone(channel))["bubbles"]) or not holds(shown[-1]):
                await asyncio.sleep(0.01)
        last: dict[str, Any] = shown[-1]
        return last


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
        yield World(port, values, client, posted, gateway.base_url, gateway.files)
    await gateway.refuse()
