"""Does a person see that somebody writes while the model thinks, and does their reply wait for none of it?"""

from collections.abc import Iterator

import pytest

from tests.mesh.conftest import BOTH
from tests.mesh.rig import Mesh
from tests.mesh.talk import Talk, person, until
from tests.mesh.world import World


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
        shown = telegram.signals.count((chat, "typing"))
        await talk.say("telegram", "and again", chat)
        await until(lambda: len(telegram.sends.to(chat)) == 2)
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
