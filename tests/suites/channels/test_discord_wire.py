"""Does the simulated Gateway speak as Discord's does? Asked by discord.py, which real bots connect with."""

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

PATIENCE_SECONDS = 60
CHANNEL, GUILD = "8", "500"


class Bot(discord.Client):
    """A bot that remembers what it heard, and how it is connected."""

    def __init__(self) -> None:
        intents = discord.Intents(guilds=True, guild_messages=True, dm_messages=True, message_content=True)
        super().__init__(intents=intents, guild_ready_timeout=0.05)
        self.heard: list[tuple[str, str]] = []
        self.resumed = 0

    async def on_message(self, said: discord.Message) -> None:
        self.heard.append((str(said.author), said.content))

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
    await provider.gateway.dispatch("MESSAGE_CREATE", said)
    await _until(lambda: bot.heard)
    assert bot.heard == [("ann", "hello")]


@pytest.mark.parametrize("breaks", ["reconnect", "close"])
async def test_it_resumes_its_session_and_is_told_what_it_missed(provider: Discord, bot: Bot, breaks: str) -> None:
    gateway = provider.gateway
    await (gateway.ask_to_reconnect() if breaks == "reconnect" else gateway.close(4000))
    await gateway.dispatch("MESSAGE_CREATE", message("9001", "missed", channel=CHANNEL, guild_id=GUILD))
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
