"""What of the model's words goes out once a human has taken over, whatever the agent was doing? Nothing."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator

import pytest

from agent_service.domain.texts import TEXTS
from kit.ids import new_id
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import outbox_service_pb2 as outbox
from tests.mesh.conftest import Stepped
from tests.mesh.rig import TENANT, Storage
from tests.mesh.standing import CALL_SECONDS, conversation_of, give_to, once, settled
from tests.mesh.stepping import COMMITTED, COMMITTING, LEASED, TAKEN, story_steps
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.waiting import until

BEFORE_THE_END = (LEASED, TAKEN, *story_steps(), COMMITTING)
RACES, LATEST_SECONDS = 20, 0.12
PERSON_SAYS = "A person is here now."


@pytest.fixture
async def storage(stepped: Stepped) -> AsyncIterator[Storage]:
    async with stepped.mesh.storage() as caller:
        yield caller
    stepped.let_all_go()


@pytest.fixture
async def talk(stepped: Stepped) -> AsyncIterator[Talk]:
    async with Talk(stepped.mesh) as everybody:
        yield everybody


@pytest.fixture
def no_sender(stepped: Stepped) -> Iterator[None]:
    """For a while: what is committed waits, or is leased to a process that does not move."""
    stepped.mesh.pause("sender")
    yield
    stepped.mesh.resume("sender")


@pytest.mark.parametrize("step", BEFORE_THE_END)
async def test_after_a_take_over_at_any_step_no_text_of_the_model_goes_out(
    stepped: Stepped, storage: Storage, talk: Talk, step: str
) -> None:
    who = person()
    stepped.hold(who, step)
    await talk.say("whatsapp", f"I am {who}", who)
    conversation = await stepped.held(who)
    await give_to(storage, conversation, chat.OWNER_HUMAN)
    stepped.let_go(who)
    await _nothing_but_the_human_is_heard(stepped.world, storage, talk, who=who, conversation=conversation)


async def test_after_a_take_over_while_the_model_generates_its_text_does_not_go_out(
    stepped: Stepped, storage: Storage, talk: Talk
) -> None:
    who, world = person(), stepped.world
    world.run(world.ollama.switch("held"))
    await talk.say("whatsapp", f"I am {who}", who)
    await until(lambda: any(who in str(each.body) for each in world.ollama.chats))
    conversation = await conversation_of(storage, who)
    await give_to(storage, conversation, chat.OWNER_HUMAN)
    world.run(world.ollama.switch("ok"))
    await _nothing_but_the_human_is_heard(world, storage, talk, who=who, conversation=conversation)


async def test_who_takes_over_in_the_moment_of_the_commit_finds_the_turn_refused_or_its_reply_told_or_withdrawn(
    stepped: Stepped, storage: Storage, talk: Talk
) -> None:
    people = [person() for _ in range(RACES)]
    for who in people:
        stepped.hold(who, COMMITTING)
        await talk.say("whatsapp", f"I am {who}", who)
    conversations = {who: await stepped.held(who) for who in people}
    stepped.let_all_go()
    await asyncio.gather(*(_take_over_soon(storage, each) for each in conversations.values()))
    for who, conversation in conversations.items():
        found = await settled(storage, conversation)
        texts = stepped.world.twilio.sends.texts(f"whatsapp:{who}")
        withdrawn = [each.reason for each in found.deliveries if each.state == chat.DELIVERY_STATE_FAILED]
        assert (found.ends, len(found.deliveries), texts, withdrawn) in (
            ([("suppressed", "owner_changed")], 0, [], []),
            ([("replied", "")], 1, [], ["owner_changed"]),
            ([("replied", "")], 1, [f"re: I am {who}"], []),
        )


@pytest.mark.usefixtures("no_sender")
async def test_a_reply_that_is_committed_and_not_sent_stays_unsent_after_a_take_over(
    stepped: Stepped, storage: Storage, talk: Talk
) -> None:
    who = person()
    stepped.hold(who, COMMITTED)
    await talk.say("whatsapp", f"I am {who}", who)
    conversation = await stepped.held(who)
    await give_to(storage, conversation, chat.OWNER_HUMAN)
    stepped.let_go(who)
    stepped.mesh.resume("sender")
    found = await settled(storage, conversation)
    assert found.ends == [("replied", "")]
    assert [(each.state, each.reason) for each in found.deliveries] == [(chat.DELIVERY_STATE_FAILED, "owner_changed")]
    await _say_as_a_human(storage, conversation)
    await settled(storage, conversation)
    assert stepped.world.twilio.sends.texts(f"whatsapp:{who}") == [PERSON_SAYS]


@pytest.mark.usefixtures("no_sender")
async def test_whom_the_agent_passed_on_hears_that_and_nothing_else_of_it_before_the_humans_words(
    stepped: Stepped, storage: Storage, talk: Talk
) -> None:
    who = person()
    await talk.say("whatsapp", f"I am {who}", who)
    conversation = await conversation_of(storage, who)
    await once(storage, conversation, lambda found: found.ends == [("replied", "")])
    await talk.say("whatsapp", "I want to talk to a human", who)
    await once(storage, conversation, lambda found: found.ends[1:] == [("handed_off", "contact_asked")])
    await give_to(storage, conversation, chat.OWNER_HUMAN)
    await _say_as_a_human(storage, conversation)
    stepped.mesh.resume("sender")
    await settled(storage, conversation)
    sent = stepped.world.twilio.sends.texts(f"whatsapp:{who}")
    assert sent == [TEXTS["handed_off"]["en"], PERSON_SAYS]


async def test_a_human_who_takes_over_from_a_turn_that_was_about_to_pass_on_needs_no_word_of_it(
    stepped: Stepped, storage: Storage, talk: Talk
) -> None:
    who = person()
    stepped.hold(who, COMMITTING)
    await talk.say("whatsapp", f"I want to talk to a human. I am {who}", who)
    conversation = await stepped.held(who)
    await give_to(storage, conversation, chat.OWNER_HUMAN)
    stepped.let_go(who)
    await _nothing_but_the_human_is_heard(stepped.world, storage, talk, who=who, conversation=conversation)


async def test_a_text_that_the_provider_has_already_when_a_human_takes_over_is_told_once(
    stepped: Stepped, storage: Storage, talk: Talk
) -> None:
    who, world = person(), stepped.world
    world.twilio.mode = "slow:0.5"
    try:
        await talk.say("whatsapp", f"I am {who}", who)
        await until(lambda: world.twilio.sends.to(f"whatsapp:{who}"))
        conversation = await conversation_of(storage, who)
        await give_to(storage, conversation, chat.OWNER_HUMAN)
    finally:
        world.twilio.mode = "ok"
    found = await settled(storage, conversation)
    assert found.ends == [("replied", "")]
    assert world.twilio.sends.texts(f"whatsapp:{who}") == [f"re: I am {who}"]


async def _take_over_soon(storage: Storage, conversation: str) -> None:
    """Before, while or after the turn is committed: only chance knows."""
    await asyncio.sleep(random.random() * LATEST_SECONDS)
    await give_to(storage, conversation, chat.OWNER_HUMAN)


async def _nothing_but_the_human_is_heard(
    world: World, storage: Storage, talk: Talk, *, who: str, conversation: str
) -> None:
    """The turn has ended, the contact may go on writing, and the human is heard."""
    ended = await settled(storage, conversation)
    assert [state for state, _ in ended.ends] == ["suppressed"]
    assert {reason for _, reason in ended.ends} <= {"owner_changed", "owner_human"}
    assert (ended.conversation.owner, ended.deliveries) == (chat.OWNER_HUMAN, [])
    await talk.say("whatsapp", "and I go on", who)
    await _say_as_a_human(storage, conversation)
    after = await settled(storage, conversation)
    assert len(after.turns) == 1
    assert world.twilio.sends.texts(f"whatsapp:{who}") == [PERSON_SAYS]


async def _say_as_a_human(storage: Storage, conversation: str) -> None:
    request = outbox.QueueMessageRequest(
        tenant_id=TENANT, request_id=new_id(), conversation_id=conversation, text=PERSON_SAYS, role=chat.ROLE_OPERATOR
    )
    await storage.outbox.QueueMessage(request, metadata=storage.metadata, timeout=CALL_SECONDS)
