"""What does a person hear whose model is ill? One sentence for each message, and the turn says why."""

import contextlib
from collections.abc import Iterator

import pytest

from agent_service.domain.texts import TEXTS
from agent_service.settings import Settings
from tests.mesh.conftest import BOTH
from tests.mesh.rig import Mesh, Storage
from tests.mesh.standing import Standing, conversation_of, settled
from tests.mesh.talk import Talk, person
from tests.mesh.world import World

SORRY = Settings.model_fields["fallback_text"].default
MESSAGES = 2
# How the model server is ill: why the turn fails, and how often at most the model is asked for one message.
ILL = {
    "empty": ("model_empty", 1),
    "blank": ("model_empty", 1),
    "500": ("model_unavailable", 4),
    "reset": ("model_unavailable", 4),
    "truncated": ("model_garbage", 1),
    "garbage": ("model_garbage", 1),
    "calls-unknown": ("model_tool_invalid", 2),
    "calls-badly": ("model_tool_invalid", 2),
}


@BOTH
@pytest.mark.parametrize("illness", ILL)
async def test_every_message_to_an_ill_model_is_answered_by_one_sentence_and_its_turn_says_why(
    mesh: Mesh, world: World, illness: str
) -> None:
    who, (reason, most_calls) = person(), ILL[illness]
    async with mesh.storage() as storage, storage.quiet_window(0), Talk(mesh) as talk:
        with _ill(world, illness):
            for number in range(MESSAGES):
                found = await _say(talk, storage, who=who, text=f"{who} {number}")
        heard, asked = world.twilio.sends.texts(f"whatsapp:{who}"), _asked(world, who)
        well = await _say(talk, storage, who=who, text="are you well?")
    assert heard == [SORRY] * MESSAGES
    assert found.ends == [("failed", reason)] * MESSAGES
    assert MESSAGES <= asked <= MESSAGES * most_calls
    assert well.ends[MESSAGES:] == [("replied", "")]
    assert world.twilio.sends.texts(f"whatsapp:{who}")[MESSAGES:] == ["re: are you well?"]


@BOTH
async def test_a_model_that_asks_for_a_human_whatever_it_is_asked_does_so_once(mesh: Mesh, world: World) -> None:
    who = person()
    async with mesh.storage() as storage, storage.quiet_window(0), Talk(mesh) as talk:
        with _ill(world, "calls-hand-off"):
            for number in range(MESSAGES):
                found = await _say(talk, storage, who=who, text=f"{who} {number}")
    assert found.ends == [("handed_off", "model_asked")]
    assert world.twilio.sends.texts(f"whatsapp:{who}") == [TEXTS["handed_off"]["en"]]
    assert _asked(world, who) == 1


@contextlib.contextmanager
def _ill(world: World, illness: str) -> Iterator[None]:
    world.run(world.ollama.switch(illness))
    try:
        yield
    finally:
        world.run(world.ollama.switch("ok"))


async def _say(talk: Talk, storage: Storage, *, who: str, text: str) -> Standing:
    """Says it, and waits until whatever comes of it has come."""
    await talk.say("whatsapp", text, who)
    return await settled(storage, await conversation_of(storage, who))


def _asked(world: World, who: str) -> int:
    return sum(who in str(each.body) for each in world.ollama.chats)
