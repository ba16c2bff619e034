"""Does the sandbox's Gateway speak as Discord's does? Asked by discord.py, which real bots connect with."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import discord
import pytest
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from tests.simulated.discord import Discord
from tests.simulated.discord_gateway import message
from tests.stalls import PATIENCE_SECONDS
from tests.suites.sandbox.conftest import World

CHANNEL, GUILD = "8", "500"


class Bot(discord.Client):
    """A bot that remembers what it heard, and how it is connected."""

    def __init__(self, answers: str = "") -> None:
        intents = discord.Intents(guilds=True, guild_messages=True, dm_messages=True, message_content=True)
        super().__init__(intents=intents, guild_ready_timeout=0.05)
        self.heard: list[tuple[str, str]] = []
        self.resumed = 0
        self.answers = answers
        self.sent: list[discord.Message] = []

    async def on_message(self, said: discord.Message) -> None:
        if said.author != self.user:
            self.heard.append((str(said.author), said.content))
            if self.answers:
                self.sent.append(await said.channel.send(self.answers))

    async def on_resumed(self) -> None:
        self.resumed += 1


@pytest.fixture
async def provider(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Discord]:
    made = Discord()
    made.gateway.guilds = [_guild()]
    await made.start()
    monkeypatch.setattr(Route, "BASE", made.server.base_url)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(made.gateway.url))
    yield made
    await made.stop()


@pytest.fixture
async def bot(provider: Discord) -> AsyncIterator[Bot]:
    made = Bot()
    running = asyncio.create_task(made.start(provider.bot_token))
    await _until(lambda: made.is_ready() and all(not each.unavailable for each in made.guilds), running)
    yield made
    await made.close()
    await asyncio.gather(running, return_exceptions=True)


async def test_discord_pys_bot_begins_a_session_and_hears_what_is_written(provider: Discord, bot: Bot) -> None:
    assert bot.user is not None
    assert (bot.user.name, [each.name for each in bot.guilds]) == ("parley", ["Shop"])
    said = message("9001", "hello", channel=CHANNEL, guild_id=GUILD, member={"roles": [], "nick": None})
    provider.gateway.dispatch("MESSAGE_CREATE", said)
    await _until(lambda: bot.heard)
    assert bot.heard == [("ann", "hello")]


@pytest.mark.parametrize("breaks", ["reconnect", "close"])
async def test_it_resumes_its_session_and_is_told_what_it_missed(provider: Discord, bot: Bot, breaks: str) -> None:
    gateway = provider.gateway
    (gateway.ask_to_reconnect if breaks == "reconnect" else lambda: gateway.close(4000))()
    gateway.dispatch("MESSAGE_CREATE", message("9001", "missed", channel=CHANNEL, guild_id=GUILD))
    await _until(lambda: bot.heard and bot.resumed)
    assert [text for _, text in bot.heard] == ["missed"]
    assert len(gateway.identified) == 1


async def test_it_knows_that_a_token_or_an_intent_is_refused(provider: Discord) -> None:
    stranger = Bot()
    with pytest.raises(discord.LoginFailure):
        await stranger.start("not.the.token")
    await stranger.close()
    provider.gateway.may_read = False
    unwanted = Bot()
    with pytest.raises(discord.PrivilegedIntentsRequired):
        await unwanted.start(provider.bot_token)
    await unwanted.close()


async def test_what_is_typed_on_the_phone_is_heard_and_answered_by_discord_pys_bot(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Route, "BASE", f"{world.url}/discord")
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(f"{world.url}/discord/gateway"))
    assert await world.way("discord") == "by webhook, as the command /chat"
    bot = Bot(answers="and hello to you")
    running = asyncio.create_task(bot.start(world.values["DISCORD_BOT_TOKEN"]))
    await _until(bot.is_ready, running)
    assert await world.way("discord") == "over the Gateway"
    assert await world.do("discord", "say", text="hello **there**") == 200
    await _until(lambda: bot.heard, running)
    assert bot.heard == [("ann", "hello **there**")]
    theirs, ours = await world.bubbles("discord", 2)
    assert (theirs["state"], ours["text"]) == ("heard", "and hello to you")
    assert world.posted == []
    await _until(lambda: bot.sent, running)
    assert [each.content async for each in bot.sent[0].channel.history()] == ["and hello to you"]
    await bot.sent[0].edit(content="and good day")
    assert [each["text"] for each in await world.bubbles("discord", 2)] == ["hello **there**", "and good day"]
    await bot.sent[0].delete()
    assert len(await world.bubbles("discord", 1)) == 1
    await bot.close()
    await asyncio.gather(running, return_exceptions=True)


def _guild() -> dict[str, Any]:
    channel = {"id": CHANNEL, "type": 0, "name": "general", "position": 0, "permission_overwrites": []}
    return {
        **{"id": GUILD, "name": "Shop", "roles": [], "emojis": [], "stickers": [], "members": [], "member_count": 1},
        **{"features": [], "threads": [], "presences": [], "voice_states": [], "channels": [channel]},
        **{"owner_id": "42", "verification_level": 0, "default_message_notifications": 0, "premium_tier": 0},
        **{"explicit_content_filter": 0, "mfa_level": 0, "nsfw_level": 0, "system_channel_flags": 0},
        **{"preferred_locale": "en-US", "afk_timeout": 60, "stage_instances": [], "guild_scheduled_events": []},
    }


async def _until(condition: Callable[[], object], *running: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            for each in running:
                assert not each.done(), each.exception()
            await asyncio.sleep(0.01)
