"""What is lost or said twice when a service dies in the middle of its work? Nothing."""

import asyncio
from collections.abc import Iterator

import pytest

from channels.channel import Webhook
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import outbox_service_pb2 as outbox
from tests.mesh.conftest import FULL
from tests.mesh.rig import FIVE, TENANT, Mesh
from tests.mesh.talk import Talk, person, until
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
    async with mesh.storage() as storage:
        await storage.set_quiet_window(0)
    async with Talk(mesh) as talk:
        said = [asyncio.create_task(_insist(talk, talk.webhook("whatsapp", "are you there?", who))) for who in people]
        await asyncio.sleep(0.45)
        mesh.kill(service)
        await asyncio.sleep(AWAY_SECONDS)
        mesh.start(service)
        await asyncio.gather(*said)
        mesh.wait_ready(mesh.base_url)
        sends = slow_world.twilio.sends
        await until(lambda: len([who for who in people if sends.to(f"whatsapp:{who}")]) + PEOPLE // 4 >= PEOPLE, 60)
        await _settled(mesh)
    answers = [len(sends.to(f"whatsapp:{who}")) for who in people]
    unknown = await _unknown(mesh) - unknown_before
    assert max(answers) == 1
    assert answers.count(0) <= unknown
    assert unknown == 0 or service == "sender"


async def _insist(talk: Talk, webhook: Webhook) -> None:
    """As providers do: again, until it is acknowledged."""
    while True:
        try:
            if (await talk.post(webhook)).status == 200:
                return
        except OSError:
            pass
        await asyncio.sleep(0.1)


async def _settled(mesh: Mesh) -> None:
    """Waits until nothing is on its way any more."""
    async with mesh.storage() as storage, asyncio.timeout(60):
        while True:
            for state in (chat.DELIVERY_STATE_QUEUED, chat.DELIVERY_STATE_SENDING):
                listing = outbox.ListDeliveriesRequest(tenant_id=TENANT, state=state, page_size=1)
                if (await storage.outbox.ListDeliveries(listing, metadata=storage.metadata, timeout=5)).deliveries:
                    break
            else:
                return
            await asyncio.sleep(0.1)


async def _unknown(mesh: Mesh) -> int:
    async with mesh.storage() as storage:
        listing = outbox.ListDeliveriesRequest(tenant_id=TENANT, state=chat.DELIVERY_STATE_UNKNOWN, page_size=500)
        return len((await storage.outbox.ListDeliveries(listing, metadata=storage.metadata, timeout=5)).deliveries)
