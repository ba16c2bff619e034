"""What does a person hear when the agent is killed in the midst of their turn, wherever it was? One answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from agent_service.domain.texts import TEXTS
from parley.chat.v1 import message_pb2 as chat
from tests.mesh.conftest import Stepped
from tests.mesh.rig import Storage
from tests.mesh.standing import Standing, conversation_of, settled
from tests.mesh.stepping import COMMITTED, COMMITTING, LEASED, TAKEN, story_steps
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.waiting import until

GENERATING = "while the model generates"
EVERY_STEP = (TAKEN, *story_steps(), COMMITTING, COMMITTED, GENERATING, LEASED)
# Who asked for a human; held before those who hold up others: while the model is held no answer is made, and while a
# lease is held no other turn comes.
WISHED = {f"a wish for a human, {step}": step for step in (COMMITTING, COMMITTED)}
EVERYBODY = {**WISHED, **{step: step for step in EVERY_STEP}}


@dataclass(frozen=True, slots=True)
class Account:
    """What became of a person whose turn was at some step when the agent was killed."""

    said: str
    heard: list[str]
    standing: Standing
    generated: int  # so often the model was asked


@pytest.fixture(scope="module")
def accounts(stepped: Stepped) -> Mapping[str, Account]:
    """One kill with a turn at each step, and the agent started again."""
    try:
        return asyncio.run(_kill_at_every_step(stepped))
    finally:
        stepped.let_all_go()


@pytest.mark.parametrize("step", EVERY_STEP)
def test_whose_turn_was_at_any_step_when_the_agent_was_killed_hears_one_answer(
    accounts: Mapping[str, Account], step: str
) -> None:
    account = accounts[step]
    assert account.heard == [f"re: {account.said}"]
    assert account.standing.ends == [("replied", "")]
    assert account.standing.conversation.owner == chat.OWNER_AGENT
    assert account.generated <= 2


@pytest.mark.parametrize("wish", WISHED)
def test_who_asked_for_a_human_when_the_agent_was_killed_is_told_once_and_waits_for_one(
    accounts: Mapping[str, Account], wish: str
) -> None:
    account = accounts[wish]
    assert account.heard == [TEXTS["handed_off"]["en"]]
    assert account.standing.ends == [("handed_off", "contact_asked")]
    assert account.standing.conversation.owner == chat.OWNER_QUEUE
    assert account.generated == 0


async def _kill_at_every_step(stepped: Stepped) -> dict[str, Account]:
    mesh, people = stepped.mesh, {case: person() for case in EVERYBODY}
    said = {who: f"I am {who}" + ", I want to talk to a human" * (case in WISHED) for case, who in people.items()}
    async with mesh.storage() as storage, Talk(mesh) as talk:
        for case, who in people.items():
            await _bring(stepped, talk, who=who, said=said[who], step=EVERYBODY[case])
        mesh.kill("agent")
        stepped.let_all_go()
        mesh.start("agent")
        return {case: await _account(stepped, storage, who=who, said=said[who]) for case, who in people.items()}


async def _bring(stepped: Stepped, talk: Talk, *, who: str, said: str, step: str) -> None:
    """The turn of this person is at this step, and stays there."""
    world = stepped.world
    stepped.hold(who, step)
    if step == GENERATING:
        world.run(world.ollama.switch("held"))
    await talk.say("whatsapp", said, who)
    if step == GENERATING:
        await until(lambda: _generated(world, who))
    else:
        await stepped.held(who)


async def _account(stepped: Stepped, storage: Storage, *, who: str, said: str) -> Account:
    found = await settled(storage, await conversation_of(storage, who))
    heard = stepped.world.twilio.sends.texts(f"whatsapp:{who}")
    return Account(said, heard, found, _generated(stepped.world, who))


def _generated(world: World, who: str) -> int:
    return sum(who in str(each.body) for each in world.ollama.chats)
