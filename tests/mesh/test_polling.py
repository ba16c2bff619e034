"""Is a bot without a public address heard, by one process at a time, with nothing lost or said twice?"""

import asyncio
import itertools

import httpx

from tests.mesh.conftest import BOTH, FULL
from tests.mesh.listened import account, held_by
from tests.mesh.rig import Mesh
from tests.mesh.world import World
from tests.stalls import PATIENCE_SECONDS
from tests.waiting import until

NUMBERS = itertools.count(7_000_001)
PEOPLE = 30


def write(world: World, text: str) -> str:
    """Somebody new writes to the bot. Which chat that is."""
    number = next(NUMBERS)
    world.telegram.write(f"{text} {number}", chat_id=number, number=number)
    return str(number)


@BOTH
async def test_what_telegram_keeps_is_asked_for_answered_once_and_confirmed(mesh: Mesh, world: World) -> None:
    secret = {"bot_token": world.telegram.bot_token}
    async with mesh.storage() as storage, account(storage, "telegram", secret) as bot:
        await held_by(storage, bot.id)
        chats = [write(world, "hello") for _ in range(3)]
        await until(lambda: all(world.telegram.sends.texts(chat) for chat in chats), 60)
        await until(lambda: {int(chat) for chat in chats} <= set(world.telegram.updates.confirmed), 60)
        await storage.rest(60)
        listened = 'parley_listeners{channel="telegram",state="listening"} 1.0'
        await until(
            lambda: listened in httpx.get(f"{mesh.base_url}/metrics", timeout=PATIENCE_SECONDS, trust_env=False).text,
            60,
        )
    assert [len(world.telegram.sends.texts(chat)) for chat in chats] == [1, 1, 1]


@FULL
async def test_a_gateway_that_is_killed_is_followed_by_another_and_nothing_is_lost_or_said_twice(
    mesh: Mesh, world: World
) -> None:
    secret = {"bot_token": world.telegram.bot_token}
    async with mesh.storage() as storage, account(storage, "telegram", secret) as bot:
        first = await held_by(storage, bot.id)
        with mesh.second_gateway():
            chats = []
            for number in range(PEOPLE):
                chats.append(write(world, "are you there?"))
                if number == PEOPLE // 2:
                    mesh.kill("gateway")
                await asyncio.sleep(0.02)
            await held_by(storage, bot.id, other_than=first)
            await until(lambda: all(world.telegram.sends.texts(chat) for chat in chats), 60)
            await storage.rest(60)
            mesh.start("gateway")
            mesh.wait_ready(mesh.base_url)
    assert [len(world.telegram.sends.texts(chat)) for chat in chats] == [1] * PEOPLE
