"""What is lost or said twice when a service dies in the middle of its work? Nothing."""

import asyncio
from collections.abc import Iterator

import aiohttp
import pytest

from parley.chat.v1 import message_pb2 as chat
from tests.mesh.conftest import FULL
from tests.mesh.rig import FIVE, Mesh
from tests.mesh.talk import Talk, person
from tests.mesh.world import World

PEOPLE = 40
AWAY_SECONDS = 0.5


@pytest.fixture
def slow_world(world: World) -> Iterator[World]:
    """Slow enough that a kill hits work under way everywhere."""
    world.run(world.ollama.switch("slow:0.3"))
    world.twilio.mode = "slow:0.2"
    yield world
    world.run(world.ollama.switch("ok"))
    world.twilio.mode = "ok"


@FULL
@pytest.mark.parametrize("service", FIVE)
async def test_a_killed_service_loses_nothing_and_says_nothing_twice(
    mesh: Mesh, slow_world: World, service: str
) -> None:
    people = [person() for _ in range(PEOPLE)]
    unknown_before = await _unknown(mesh)
    async with mesh.storage() as storage, storage.quiet_window(0), Talk(mesh) as talk:
        said = [asyncio.create_task(_insist(talk, who, number / PEOPLE)) for number, who in enumerate(people)]
        await asyncio.sleep(0.7)  # some are not said yet, some are thought about, some are being sent, some are done
        mesh.kill(service)
        await asyncio.sleep(AWAY_SECONDS)
        mesh.start(service)
        await asyncio.gather(*said)
        mesh.wait_ready(mesh.base_url)
        await storage.rest(60)
    answers = [len(slow_world.twilio.sends.to(f"whatsapp:{who}")) for who in people]
    unknown = await _unknown(mesh) - unknown_before
    assert max(answers) == 1
    assert answers.count(0) <= unknown
    # A send is unknown when its sender dies, or finds no storage for twice its lease, which is short here.
    assert unknown == 0 or service in {"sender", "storage"}


async def _insist(talk: Talk, who: str, after_seconds: float) -> None:
    """As providers do: again, until it is acknowledged."""
    webhook = talk.webhook("whatsapp", "are you there?", who)
    await asyncio.sleep(after_seconds)
    while True:
        try:
            if (await talk.post(webhook)).status == 200:
                return
        except (OSError, aiohttp.ClientError):  # hung up on, or nobody there
            pass
        await asyncio.sleep(0.1)


async def _unknown(mesh: Mesh) -> int:
    async with mesh.storage() as storage:
        return len(await storage.deliveries(chat.DELIVERY_STATE_UNKNOWN))
