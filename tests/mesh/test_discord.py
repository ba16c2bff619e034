"""Does a command come in, think, and get its answer where "thinking …" stood, its token told to nobody?"""

import asyncio

import orjson

from tests.mesh.conftest import BOTH
from tests.mesh.rig import Mesh
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.waiting import until


@BOTH
async def test_a_command_is_answered_in_the_place_of_thinking_once_and_its_token_is_in_no_log(
    mesh: Mesh, world: World
) -> None:
    async with Talk(mesh) as talk:
        webhook = talk.webhook("discord", "hello from discord", person().lstrip("+"))
        token = orjson.loads(webhook.body)["token"]
        heard = [await talk.post(webhook) for _ in range(2)]
        await until(lambda: world.discord.sends.to(token))
        await asyncio.sleep(0.3)  # for a second answer, that must not come
    assert {(each.status, each.body) for each in heard} == {(200, b'{"type":5}')}
    assert world.discord.sends.texts(token) == ["re: hello from discord"]
    assert world.discord.originals[token]["content"] == "re: hello from discord"
    assert [place for place, text in mesh.logs().items() if token in text] == []


@BOTH
async def test_a_command_of_the_agents_own_is_obeyed_and_a_later_reply_goes_into_the_channel(
    mesh: Mesh, world: World
) -> None:
    async with Talk(mesh) as talk:
        webhook = talk.webhook("discord", "/help", person().lstrip("+"))
        channel = orjson.loads(webhook.body)["channel_id"]
        world.discord.mode = "ended"
        try:
            await talk.post(webhook)
            await until(lambda: world.discord.sends.to(channel))
        finally:
            world.discord.mode = "ok"
    (listed,) = world.discord.sends.texts(channel)
    assert "/reset" in listed
