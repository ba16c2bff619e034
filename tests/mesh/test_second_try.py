"""When the real answer is still to follow the fallback text: what of it after a take-over, and after a kill?"""

from collections.abc import AsyncIterator

import pytest

from agent_service.settings import Settings
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1.manners_pb2 import Manners
from tests.mesh.conftest import Stepped
from tests.mesh.rig import Storage
from tests.mesh.standing import conversation_of, give_to, manners, once, settled
from tests.mesh.stepping import COMMITTING
from tests.mesh.talk import Talk, person
from tests.waiting import until

SORRY = Settings.model_fields["fallback_text"].default
SOON, LATER = Manners(try_again_seconds=1), Manners(try_again_seconds=600)
FAILED = ("failed", "model_empty")


@pytest.fixture
async def storage(stepped: Stepped) -> AsyncIterator[Storage]:
    async with stepped.mesh.storage() as caller:
        yield caller
    stepped.let_all_go()


async def test_after_a_take_over_an_answer_that_waits_to_be_tried_again_is_not_tried(
    stepped: Stepped, storage: Storage
) -> None:
    who = person()
    async with manners(storage, LATER), Talk(stepped.mesh) as talk:
        stepped.world.run(stepped.world.ollama.switch("empty"))
        await talk.say("whatsapp", f"I am {who}", who)
        conversation = await conversation_of(storage, who)
        await once(storage, conversation, lambda found: len(found.turns) == 2)
        await give_to(storage, conversation, chat.OWNER_HUMAN)
        found = await settled(storage, conversation)
    assert found.ends == [FAILED, ("suppressed", "owner_changed")]
    assert set(_heard(stepped, who)) <= {SORRY}
    assert _asked(stepped, who) == 1


async def test_after_a_take_over_an_answer_that_is_tried_again_is_not_told(stepped: Stepped, storage: Storage) -> None:
    who = person()
    async with manners(storage, SOON), Talk(stepped.mesh) as talk:
        conversation = await _second_generation(stepped, talk, who)
        await give_to(storage, conversation, chat.OWNER_HUMAN)
        stepped.world.run(stepped.world.ollama.switch("ok"))
        found = await settled(storage, conversation)
    assert found.ends == [FAILED, ("suppressed", "owner_changed")]
    assert set(_heard(stepped, who)) <= {SORRY}


async def test_an_answer_that_is_tried_again_when_the_agent_is_killed_is_told_once(
    stepped: Stepped, storage: Storage
) -> None:
    who = person()
    async with manners(storage, SOON), Talk(stepped.mesh) as talk:
        conversation = await _second_generation(stepped, talk, who)
        stepped.mesh.kill("agent")
        stepped.world.run(stepped.world.ollama.switch("ok"))
        stepped.mesh.start("agent")
        found = await settled(storage, conversation)
    assert found.ends == [FAILED, ("replied", "")]
    assert _heard(stepped, who) == [SORRY, f"re: I am {who}"]


async def _second_generation(stepped: Stepped, talk: Talk, who: str) -> str:
    """The first answer was none, and the model thinks about the second. In which conversation."""
    world = stepped.world
    world.run(world.ollama.switch("empty"))
    stepped.hold(who, COMMITTING)
    await talk.say("whatsapp", f"I am {who}", who)
    conversation = await stepped.held(who)
    world.run(world.ollama.switch("held"))
    stepped.let_go(who)
    await until(lambda: _asked(stepped, who) == 2)
    return conversation


def _heard(stepped: Stepped, who: str) -> list[str]:
    return stepped.world.twilio.sends.texts(f"whatsapp:{who}")


def _asked(stepped: Stepped, who: str) -> int:
    return sum(who in str(each.body) for each in stepped.world.ollama.chats)
