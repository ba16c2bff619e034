"""Is every message heard once, in its order, whatever becomes of the connection? Against a Gateway at loopback."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from channels.channel import Credentials
from channels.discord_gateway import DiscordGateway
from channels.listening import Listened, Taken
from gateway.backends.outside import Outside
from gateway.domain.line import Ears, Line
from kit.proxies import Proxies
from tests.simulated.discord import Discord
from tests.simulated.discord_gateway import message
from tests.waiting import until


@dataclass
class Stage:
    """A bot's line, and Discord."""

    discord: Discord
    outside: Outside
    heard: list[str] = field(default_factory=list)
    away: bool = False
    written: int = 0

    async def take(self, body: bytes) -> Taken | None:
        if self.away:
            return None
        self.heard.append(json.loads(body)["d"]["content"])
        return Taken(b"")

    def line(self, token: str = "", cursor: str = "") -> Line:
        listened = Listened(
            "discord",
            Credentials({"bot_token": token or self.discord.bot_token}),
            api_base_url=self.discord.server.base_url,
            cursor=cursor,
            clock=asyncio.get_running_loop().time,
            draw=lambda: 0.0,
        )
        # What waits in earnest waits a hundredth: the order of things stays, and a test is quick.
        ears = Ears(self.outside.wire(), self.take, lambda: None, lambda seconds: asyncio.sleep(seconds / 100))
        return Line("discord", DiscordGateway(), listened=listened, ears=ears)

    @asynccontextmanager
    async def running(self, line: Line) -> AsyncIterator[None]:
        task = asyncio.create_task(line.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def write(self, count: int = 3) -> None:
        for _ in range(count):
            self.written += 1
            said = message(str(9000 + self.written), str(self.written), channel="7")
            self.discord.gateway.dispatch("MESSAGE_CREATE", said)

    async def until_all_is_heard(self) -> None:
        await until(lambda: len(self.heard) >= self.written)
        assert self.heard == [str(number + 1) for number in range(self.written)]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage(Discord(), Outside(Proxies()))
    await made.discord.start()
    yield made
    await made.outside.close()
    await made.discord.stop()


@pytest.mark.parametrize("breaks", ["drop", "close", "reconnect", "invalid"])
async def test_what_is_written_while_the_connection_breaks_is_heard_when_it_is_resumed(
    stage: Stage, breaks: str
) -> None:
    gateway = stage.discord.gateway
    async with stage.running(stage.line()):
        await until(lambda: gateway.is_heard)
        stage.write()
        await stage.until_all_is_heard()  # so it knows which session it could resume
        stage.write()
        ends: dict[str, Callable[[], None]] = {
            "drop": gateway.sockets.drop,
            "close": lambda: gateway.close(4000),
            "reconnect": gateway.ask_to_reconnect,
            "invalid": lambda: gateway.invalidate(resumable=True),
        }
        ends[breaks]()
        stage.write()
        await until(lambda: gateway.resumed and gateway.is_heard)
        stage.write()
        await stage.until_all_is_heard()
    assert len(gateway.identified) == 1


async def test_a_connection_that_answers_no_sign_of_life_is_left_and_resumed(stage: Stage) -> None:
    gateway = stage.discord.gateway
    gateway.beat_ms, gateway.acknowledges = 50, False
    async with stage.running(stage.line()):
        await until(lambda: bool(gateway.resumed))
        gateway.acknowledges = True
        stage.write()
        await stage.until_all_is_heard()
        await until(lambda: gateway.closed[0] == 4000)
        beats = len(gateway.beats)
        gateway.ask_for_a_beat()
        await until(lambda: len(gateway.beats) > beats)


async def test_a_session_that_is_lost_is_begun_anew_and_heard_again(stage: Stage) -> None:
    gateway = stage.discord.gateway
    async with stage.running(stage.line()):
        await until(lambda: gateway.is_heard)
        stage.write()
        await stage.until_all_is_heard()
        gateway.invalidate()
        await until(lambda: len(gateway.identified) == 2 and gateway.is_heard)
        stage.write()
        await stage.until_all_is_heard()


@pytest.mark.parametrize("killed", [True, False])
async def test_the_next_process_resumes_the_session_of_one_that_was_killed_or_has_stopped(
    stage: Stage, killed: bool
) -> None:
    gateway, first = stage.discord.gateway, stage.line()
    async with stage.running(first):
        await until(lambda: gateway.is_heard)
        stage.write()
        await stage.until_all_is_heard()
        await until(lambda: json.loads(first.note.cursor)["seq"] >= 4)
        cursor = first.note.cursor
        if killed:
            gateway.sockets.drop()
    stage.write()
    async with stage.running(stage.line(cursor=cursor)):
        await stage.until_all_is_heard()
    assert len(gateway.identified) == 1


async def test_while_storage_is_away_the_connection_stays_and_nothing_is_lost(stage: Stage) -> None:
    gateway = stage.discord.gateway
    gateway.beat_ms = 50
    async with stage.running(stage.line()):
        await until(lambda: gateway.is_heard)
        stage.away = True
        stage.write(20)
        beats = len(gateway.beats)
        await until(lambda: len(gateway.beats) > beats + 3)
        assert not gateway.resumed
        stage.away = False
        await stage.until_all_is_heard()


async def test_a_wrong_token_is_refused_and_a_missing_intent_is_done_without(stage: Stage) -> None:
    stranger = stage.line(token="not.the.token")
    async with stage.running(stranger):
        await until(lambda: stranger.refused)
    stage.discord.gateway.may_read = False
    line = stage.line()
    async with stage.running(line):
        await until(lambda: "Intent is off" in line.note.reason and stage.discord.gateway.is_heard)
        stage.write()
        await stage.until_all_is_heard()
