"""Does each of two humans who want the same conversation know whether it is theirs?"""

import asyncio

import pytest

from kit.errors import InvalidField, OwnerChanged, ParleyError, StateConflict
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_owner_pb2 as owning
from parley.storage.v1 import conversation_service_pb2 as pb
from parley.storage.v1 import outbox_service_pb2 as outbox
from storage_service.backends.repeats import Repeats
from storage_service.backends.wishes import Wishes
from storage_service.domain.events import Events
from tests.suites.storage import test_conversations
from tests.suites.storage.said import Chat, a_chat
from tests.suites.storage.world import World

world = test_conversations.world


def take(one: Chat, who: str, owner_epoch: int, owner: chat.Owner = chat.OWNER_HUMAN) -> owning.SetOwnerRequest:
    ask = test_conversations.set_owner(one, owner, who)
    ask.owner_epoch = owner_epoch
    return ask


async def say(world: World, one: Chat, text: str, owner_epoch: int) -> outbox.QueueMessageResponse:
    wishes = Wishes(world.sessions, Repeats(world.sessions, world.keyring), events=Events(world.wakeups))
    words = outbox.QueueMessageRequest(
        tenant_id="acme", request_id=text, conversation_id=one.conversation_id, text=text, owner_epoch=owner_epoch
    )
    return await wishes.queue_message(words, "somebody")


async def test_of_those_who_take_what_they_saw_in_the_queue_one_gets_it(world: World) -> None:
    one = await a_chat(world, "acme")
    waits = await world.mesh.call("SetOwner", test_conversations.set_owner(one, chat.OWNER_QUEUE, "asks for one"))
    seen = waits.conversation.owner_epoch
    asks = [take(one, f"human {number}", seen) for number in range(5)]
    told = await asyncio.gather(*(world.mesh.call("SetOwner", ask) for ask in asks), return_exceptions=True)
    got = [ask for ask, each in zip(asks, told, strict=True) if not isinstance(each, BaseException)]
    assert len(got) == 1
    assert all(isinstance(each, ParleyError | owning.SetOwnerResponse) for each in told)
    for ask in asks:
        if ask is not got[0]:
            assert isinstance(await world.mesh.refusal("SetOwner", ask), OwnerChanged)
    again = await world.mesh.call("SetOwner", got[0])
    assert (again.duplicate, again.conversation.owner_epoch) == (True, seen + 1), "who has it may ask again"


async def test_words_that_come_after_somebody_gave_the_conversation_back_are_not_said(world: World) -> None:
    one = await a_chat(world, "acme")
    mine = (await world.mesh.call("SetOwner", take(one, "take", 1))).conversation.owner_epoch
    first = await say(world, one, "I have a look", mine)
    await world.mesh.call("SetOwner", take(one, "back", mine, chat.OWNER_AGENT))
    with pytest.raises(OwnerChanged):
        await say(world, one, "Found it", mine)
    again = await say(world, one, "I have a look", mine)
    assert (again.duplicate, again.message_id) == (True, first.message_id), "what was said stays said"
    await say(world, one, "Whoever has it", 0)
    ask = pb.ListMessagesRequest(tenant_id="acme", conversation_id=one.conversation_id)
    history = await world.mesh.call("ListMessages", ask)
    assert [each.text for each in history.messages] == ["I have a look", "Whoever has it"]


async def test_an_opt_out_is_told_as_one(world: World) -> None:
    one = await a_chat(world, "acme")
    mine = (await world.mesh.call("SetOwner", take(one, "take", 1))).conversation.owner_epoch
    await one.lane(owner="none", owner_epoch=mine + 1, opted_out_at=world.sessions.now())
    with pytest.raises(StateConflict):
        await say(world, one, "Hello?", mine)


@pytest.mark.parametrize("owner_epoch", [-1, -(2**63)])
async def test_an_epoch_that_cannot_be_is_named(world: World, owner_epoch: int) -> None:
    one = await a_chat(world, "acme")
    refused = await world.mesh.refusal("SetOwner", take(one, "take", owner_epoch))
    assert isinstance(refused, InvalidField)
