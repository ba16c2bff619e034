"""Does a person see that somebody writes while the model thinks, and does their reply wait for none of it?"""

import asyncio
from collections.abc import Iterator
from itertools import count

import pytest

from storage_service.domain.presence import AFTER_SECONDS
from tests.mesh.conftest import BOTH
from tests.mesh.rig import QUIET_MS, Mesh
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.waiting import until


@pytest.fixture
def thoughtful(world: World) -> Iterator[World]:
    """A world whose model takes its time."""
    world.run(world.ollama.switch("held"))
    yield world
    world.run(world.ollama.switch("ok"))
    world.telegram.shows = True


@BOTH
async def test_somebody_writes_until_the_reply_is_there(mesh: Mesh, thoughtful: World) -> None:
    chat, number = person().lstrip("+"), person()
    telegram, twilio = thoughtful.telegram, thoughtful.twilio
    async with Talk(mesh) as talk:
        await talk.say("telegram", "hello", chat)
        await talk.say("whatsapp", "hello", f"whatsapp:{number}")
        before = len(twilio.signals)
        await until(lambda: (chat, "typing") in telegram.signals)
        await until(lambda: len(twilio.signals) > before)
        assert telegram.sends.to(chat) == []
        thoughtful.run(thoughtful.ollama.switch("ok"))
        await until(lambda: telegram.sends.to(chat) and twilio.sends.to(f"whatsapp:{number}"))
        shown = await _signs_before_a_quick_answer(talk, thoughtful, chat)
        assert telegram.signals.count((chat, "typing")) == shown, "a quick answer needs no sign, and none comes late"


@BOTH
async def test_a_provider_that_shows_nothing_takes_the_reply_all_the_same(mesh: Mesh, thoughtful: World) -> None:
    chat = person().lstrip("+")
    telegram = thoughtful.telegram
    telegram.shows = False
    async with Talk(mesh) as talk:
        asked = telegram.requests
        await talk.say("telegram", "hello", chat)
        await until(lambda: telegram.requests > asked)
        thoughtful.run(thoughtful.ollama.switch("ok"))
        await until(lambda: telegram.sends.to(chat))
    assert len(telegram.sends.to(chat)) == 1


async def _signs_before_a_quick_answer(talk: Talk, world: World, chat: str) -> int:
    """How many there were before what was answered so soon that nobody had to wait; a busy machine may need some."""
    loop, sends = asyncio.get_running_loop(), world.telegram.sends
    for answers in count(len(sends.to(chat)) + 1):
        shown, began = world.telegram.signals.count((chat, "typing")), loop.time()
        await talk.say("telegram", "and again", chat)
        await until(lambda: len(sends.to(chat)) == answers)  # noqa: B023  awaited within this round
        if loop.time() - began < QUIET_MS / 1000 + AFTER_SECONDS:
            return shown
    raise AssertionError("never quick")
