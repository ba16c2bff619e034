"""Are commands, the choice of a model and the language the same on every channel, for people of three languages?"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from agent_service.domain.texts import LANGUAGES, TEXTS
from tests.mesh.conftest import BOTH
from tests.mesh.rig import Mesh
from tests.mesh.talk import Talk, person
from tests.mesh.world import World

SAID = {
    "en": "Hello, where is the parcel that I ordered last week?",
    "es": "Hola, ¿dónde está el paquete que pedí la semana pasada?",
    "pt": "Olá, onde está a encomenda que eu fiz na semana passada?",
}
COMMANDS = ("/help", "/model", "/model gpt-9", "/status", "/lang", "/lang klingon", "/reset", "/status", "/human")
HELP = ("help", "model", "reset", "status", "human", "lang")
NAMES = {"en": "English", "es": "Spanish", "pt": "Portuguese"}  # as the model is told
CHANNELS = ("whatsapp", "telegram", "webchat")
Say = Callable[[str], Awaitable[object]]
Replies = Callable[[], Awaitable[Sequence[str]]]


@BOTH
@pytest.mark.parametrize("channel", CHANNELS)
async def test_who_writes_in_a_language_is_answered_in_it_by_every_command(
    mesh: Mesh, world: World, channel: str
) -> None:
    async with mesh.storage() as storage, storage.quiet_window(0), Talk(mesh) as talk:
        held = await asyncio.gather(*(_held(talk, world, channel=channel, language=each) for each in SAID))
    for language, replies in zip(SAID, held, strict=True):
        assert replies == _expected(language)
        assert any(f"{NAMES[language]}. Answer in that language" in asked for asked in _asked(world, language))


async def _held(talk: Talk, world: World, *, channel: str, language: str) -> list[str]:
    """A conversation, one message after the other; what was answered."""
    say, replies = await _line(talk, world, channel)
    for number, text in enumerate((SAID[language], *COMMANDS), 1):
        await say(text)
        async with asyncio.timeout(60):
            while len(await replies()) < number:
                await asyncio.sleep(0.02)
    return list(await replies())


async def _line(talk: Talk, world: World, channel: str) -> tuple[Say, Replies]:
    if channel == "webchat":
        chat = await talk.chat()

        async def heard() -> Sequence[str]:
            texts = await chat.texts()
            return [text for text in texts if text not in {*SAID.values(), *COMMANDS}]

        return chat.say, heard
    who = person().lstrip("+") if channel == "telegram" else person()
    sends, address = (world.telegram.sends, who) if channel == "telegram" else (world.twilio.sends, f"whatsapp:{who}")

    async def sent() -> Sequence[str]:
        return sends.texts(address)

    return (lambda text: talk.say(channel, text, who)), sent


def _expected(language: str) -> list[str]:
    name = LANGUAGES[language]
    model = _text("model_default", language)
    listed = "\n".join(f"/{each}: {_text(f'help_{each}', language)}" for each in HELP)
    languages = "en, es, pt, fr, de, it"
    return [
        f"re: {SAID[language]}",
        _text("help", language).format(commands=listed),
        _text("model_only", language).format(model=model),
        _text("model_refused", language).format(model="gpt-9", models="default"),
        _text("status", language).format(model=model, language=name, messages=9),
        _text("language_now", language).format(language=name, languages=languages),
        _text("language_refused", language).format(language="klingon", languages=languages),
        _text("reset", language),
        _text("status", language).format(model=model, language=name, messages=1),
        _text("handed_off", language),
    ]


def _text(name: str, language: str) -> str:
    return TEXTS[name][language]


def _asked(world: World, language: str) -> list[str]:
    """The system prompts of those who were asked in this language."""
    asked = [
        each.body["messages"] for each in world.ollama.chats if each.body["messages"][-1]["content"] == SAID[language]
    ]
    return [str(messages[0]["content"]) for messages in asked]
