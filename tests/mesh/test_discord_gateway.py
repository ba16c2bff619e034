"""Is what people write on Discord heard over one connection, answered in its place, and never twice?"""

import asyncio
import itertools
from typing import Any

from channels.channel import Imitation
from channels.discord_ids import id_at
from channels.discord_interactions import imitate
from kit.moments import utc_now
from tests.mesh.conftest import BOTH, FULL
from tests.mesh.listened import account, held_by
from tests.mesh.rig import Mesh
from tests.mesh.world import World
from tests.simulated.discord import PUBLIC_KEY
from tests.simulated.discord_gateway import me, message
from tests.waiting import until

CHANNELS = itertools.count(8_000_001)
GUILD = "500"
PEOPLE = 30


def write(world: World, text: str, channel: str, **more: Any) -> str:
    """Somebody writes. Which message that is."""
    number = id_at(utc_now(), f"{channel} {text}")
    tell(world, "MESSAGE_CREATE", message(number, text, channel=channel, **more))
    return number


def edit(world: World, text: str, channel: str, *, number: str, second: int) -> None:
    """They change what they wrote."""
    at = f"2026-11-27T18:00:{second:02}.000000+00:00"
    tell(world, "MESSAGE_UPDATE", message(number, text, channel=channel, edited_timestamp=at))


def tell(world: World, name: str, content: dict[str, Any]) -> None:
    gateway = world.discord.gateway
    world.run(gateway.do(lambda: gateway.dispatch(name, content)))


def secrets(world: World) -> dict[str, str]:
    return {"bot_token": world.discord.bot_token, "public_key": PUBLIC_KEY}


@BOTH
async def test_direct_messages_mentions_and_their_threads_are_answered_and_nothing_else_is(
    mesh: Mesh, world: World
) -> None:
    direct, general, thread, other = (str(next(CHANNELS)) for _ in range(4))
    in_thread = {"guild_id": GUILD, "channel_type": 11}
    async with mesh.storage() as storage, account(storage, "discord", secrets(world)) as bot:
        await held_by(storage, bot.id)
        await until(lambda: world.discord.gateway.is_heard, 60)
        hello = write(world, "hello", direct)
        write(world, "what do you think?", general, guild_id=GUILD, channel_type=0)
        write(world, "who brings cake?", other, **in_thread)
        write(world, f"<@{me()['id']}> when do you open?", thread, mentions=[me()], **in_thread)
        await until(lambda: world.discord.sends.to(direct) and world.discord.sends.to(thread), 60)
        write(world, "and on Sunday?", thread, author="43", **in_thread)
        await until(lambda: len(world.discord.sends.to(thread)) == 2, 60)
        edit(world, "hello, 1", direct, number=hello, second=1)
        await until(lambda: len(world.discord.sends.to(direct)) == 2, 60)
        for _ in range(2):  # the second time Discord has added a preview
            edit(world, "hello, 2", direct, number=hello, second=2)
        await until(lambda: len(world.discord.sends.to(direct)) == 3, 60)
        tell(world, "MESSAGE_DELETE", {"id": hello, "channel_id": direct})
        await storage.rest(60)
    assert world.discord.sends.texts(direct) == ["re: hello", "re: hello, 1", "re: hello, 2"]
    assert world.discord.sends.texts(thread) == ["re: when do you open?", "re: and on Sunday?"]
    assert world.discord.sends.to(general) == world.discord.sends.to(other) == []


@BOTH
async def test_a_command_that_comes_over_the_connection_is_answered_in_its_place(mesh: Mesh, world: World) -> None:
    async with mesh.storage() as storage, account(storage, "discord", secrets(world)) as bot:
        await held_by(storage, bot.id)
        await until(lambda: world.discord.gateway.is_heard, 60)
        name = f"command {next(CHANNELS)}"
        interaction = imitate(Imitation("hello", "42", "", "", name, utc_now()))
        tell(world, "INTERACTION_CREATE", interaction)
        await until(lambda: world.discord.sends.to(interaction["token"]), 60)
        await until(lambda: (interaction["id"], {"type": 5}) in world.discord.callbacks, 60)
    assert world.discord.sends.texts(interaction["token"]) == ["re: hello"]


@FULL
async def test_a_gateway_that_is_killed_is_followed_by_another_that_resumes_and_nothing_is_lost_or_said_twice(
    mesh: Mesh, world: World
) -> None:
    chats = []
    async with mesh.storage() as storage, account(storage, "discord", secrets(world)) as bot:
        first = await held_by(storage, bot.id)
        await until(lambda: world.discord.gateway.is_heard, 60)
        begun = len(world.discord.gateway.identified)
        with mesh.second_gateway():
            for number in range(PEOPLE):
                chats.append(str(next(CHANNELS)))
                write(world, "are you there?", chats[-1])
                if number == PEOPLE // 2:
                    mesh.kill("gateway")
                await asyncio.sleep(0.02)
            await held_by(storage, bot.id, other_than=first)
            await until(lambda: all(world.discord.sends.texts(chat) for chat in chats), 60)
            await storage.rest(60)
            assert len(world.discord.gateway.identified) == begun
            mesh.start("gateway")
            mesh.wait_ready(mesh.base_url)
    assert [len(world.discord.sends.texts(chat)) for chat in chats] == [1] * PEOPLE
