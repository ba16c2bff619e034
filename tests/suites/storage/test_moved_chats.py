"""A provider gives a chat another id, as a group gets that becomes a supergroup. Does its conversation go on there?"""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from kit.errors import OwnerChanged
from parley.chat.v1.message_pb2 import OWNER_AGENT, OWNER_HUMAN, OWNER_QUEUE, ChannelMessage, Owner
from parley.storage.v1.conversation_change_pb2 import ConversationChange, ListQueueRequest
from parley.storage.v1.inbox_service_pb2 import AcceptedMessage
from storage_service.backends.moved_chats import MovedChats
from storage_service.domain.events import Events
from storage_service.domain.moved_chats import moves
from tests.suites.storage.hot import TENANT, Store, a_message, a_submission
from tests.suites.storage.people import erased, only_contact, operator_says, owned_by
from tests.suites.storage.world import World

GROUP, SUPERGROUP = "-123456", "-1001234567890"
TO, FROM = "43", "1"  # The numbers of the two messages that say so: in the group and in the supergroup.
ROUNDS = 10


def it_moved(number: str, **more: Any) -> ChannelMessage:
    given = {"chat_id": SUPERGROUP, "previous_chat_id": GROUP, "no_turn": True, "only_if_known": True, **more}
    return a_message("", provider_message_id=number, sender_id="ann", **given)


async def said(store: Store, text: str, chat_id: str = GROUP, sender_id: str = "ann", **more: str) -> AcceptedMessage:
    return await store.hear(text, chat_id, sender_id=sender_id, **more)


async def told(store: Store, world: World, number: str, **more: Any) -> AcceptedMessage:
    """As the front door does it."""
    message = it_moved(number, **more)
    chats = MovedChats(world.sessions, events=Events(world.wakeups))
    for chat, that in moves([a_submission(message)]):
        await chats.follow(chat, that)
    return (await store.accept(message)).messages[0]


async def their_chats(store: Store) -> list[tuple[str, str]]:
    found = await store.fetch("SELECT chat_id, owner FROM conversations ORDER BY id")
    return [tuple(row) for row in found]


@pytest.mark.parametrize("numbers", [(TO, FROM), (FROM, TO), (TO,), (FROM,), (TO, FROM, TO, FROM)])
async def test_the_conversation_goes_on_in_the_new_chat(store: Store, world: World, numbers: Sequence[str]) -> None:
    before = await said(store, "my name is Ann")
    (turn,) = await store.lease()
    await store.commit(turn, "Hello Ann")
    answers = [await told(store, world, number) for number in numbers]
    after = await said(store, "who am I?", SUPERGROUP)

    assert {each.conversation_id for each in (before, *answers, after)} == {before.conversation_id}
    assert await their_chats(store) == [(SUPERGROUP, "agent")]
    (turn,) = await store.lease()
    assert [each.text for each in turn.history] == ["my name is Ann", "Hello Ann"]
    assert [each.text for each in turn.messages] == ["who am I?"]
    await store.commit(turn, "Ann")
    assert {each.chat_id for each in await store.lease_deliveries()} == {SUPERGROUP}


@pytest.mark.parametrize("number", [TO, FROM])
async def test_a_human_who_has_it_has_it_still(store: Store, world: World, number: str) -> None:
    before = await said(store, "help")
    await owned_by(world, before.conversation_id, OWNER_HUMAN)
    await told(store, world, number)
    after = await said(store, "are you still there?", SUPERGROUP)
    assert (after.conversation_id, after.turn_id, await store.lease()) == (before.conversation_id, "", [])


async def test_what_is_on_its_way_goes_to_the_new_chat(store: Store, world: World) -> None:
    before = await said(store, "help")
    await owned_by(world, before.conversation_id, OWNER_HUMAN)
    await operator_says(store, world, before.conversation_id, "I am here.")
    await told(store, world, TO)
    assert [(each.text, each.chat_id) for each in await store.lease_deliveries()] == [("I am here.", SUPERGROUP)]


async def test_who_opted_out_is_not_written_to(store: Store, world: World) -> None:
    await said(store, "stop")
    (turn,) = await store.lease()
    await store.commit(turn, "Goodbye.", change=ConversationChange(opted_out=True))
    await told(store, world, TO)
    assert (await said(store, "hello?", SUPERGROUP)).turn_id == ""


async def test_equal_numbers_of_both_chats_are_two_messages(store: Store, world: World) -> None:
    before = await store.accept(a_message("one", chat_id=GROUP, sender_id="ann", provider_message_id="1"))
    await told(store, world, FROM)
    after = await store.accept(a_message("one", chat_id=SUPERGROUP, sender_id="ann", provider_message_id="1"))
    again = await store.accept(a_message("one", chat_id=GROUP, sender_id="ann", provider_message_id="1"))
    assert not after.messages[0].duplicate
    assert (again.messages[0].duplicate, again.messages[0].message_id) == (True, before.messages[0].message_id)
    assert await their_chats(store) == [(SUPERGROUP, "agent")]


@pytest.mark.parametrize("sender_id", ["ann", "bob"])
async def test_what_was_said_in_the_old_chat_and_comes_late_is_heard(
    store: Store, world: World, sender_id: str
) -> None:
    before = await said(store, "help")
    await owned_by(world, before.conversation_id, OWNER_HUMAN)
    await told(store, world, FROM)
    for number in ("7", "7"):
        message = a_message("the last word", chat_id=GROUP, sender_id=sender_id, provider_message_id=number)
        (late,) = (await store.accept(message)).messages
        assert (late.conversation_id, late.turn_id) == (before.conversation_id, "")
    new = await store.accept(a_message("new", chat_id=SUPERGROUP, sender_id="ann", provider_message_id="7"))
    assert (late.duplicate, new.messages[0].duplicate) == (True, False)
    assert await their_chats(store) == [(SUPERGROUP, "human")]


@pytest.mark.parametrize(("owner", "name"), [(OWNER_HUMAN, "human"), (OWNER_QUEUE, "queue")])
@pytest.mark.parametrize("numbers", [(TO, FROM), (FROM, TO)])
async def test_where_somebody_wrote_in_the_new_chat_already_nobody_is_spoken_over(
    store: Store, world: World, owner: Owner, name: str, numbers: Sequence[str]
) -> None:
    before = await said(store, "help")
    await owned_by(world, before.conversation_id, owner)
    early = await said(store, "are you there?", SUPERGROUP)
    (turn,) = await store.lease()
    for number in numbers:
        await told(store, world, number)
    later = await said(store, "hello?", SUPERGROUP)

    assert isinstance((await store.commit(turn, "I am a model")).error, OwnerChanged)
    assert (later.conversation_id, later.turn_id, await store.lease()) == (early.conversation_id, "", [])
    assert await their_chats(store) == [(GROUP, name), (SUPERGROUP, name)]
    if owner == OWNER_QUEUE:
        waiting = await world.mesh.call("ListQueue", ListQueueRequest(tenant_id=TENANT))
        assert later.conversation_id in {each.conversation_id for each in waiting.entries}
    await owned_by(world, later.conversation_id, OWNER_AGENT, "2")
    await told(store, world, TO)
    assert (await said(store, "and now?", SUPERGROUP)).turn_id


async def test_and_nobody_is_written_to_there_who_opted_out(store: Store, world: World) -> None:
    await said(store, "stop")
    (turn,) = await store.lease()
    await store.commit(turn, "Goodbye.", change=ConversationChange(opted_out=True))
    await said(store, "oh", SUPERGROUP)
    await told(store, world, TO)
    assert (await said(store, "hello?", SUPERGROUP)).turn_id == ""


async def test_a_group_in_which_nobody_spoke_to_us_is_passed_over(store: Store, world: World) -> None:
    assert (await told(store, world, TO)).passed_over
    assert await their_chats(store) == []
    first = await said(store, "hello", SUPERGROUP)
    assert first.turn_id
    assert await their_chats(store) == [(SUPERGROUP, "agent")]


async def test_only_that_accounts_chat_moves(store: Store, world: World) -> None:
    other = await said(store, "hello", account_id="account-2")
    await said(store, "hello")
    await told(store, world, TO)
    assert {chat_id for chat_id, _ in await their_chats(store)} == {GROUP, SUPERGROUP}
    assert (await said(store, "again", account_id="account-2")).conversation_id == other.conversation_id


async def test_who_was_erased_comes_back_by_neither_message(store: Store, world: World) -> None:
    await said(store, "hello")
    await told(store, world, TO)
    await erased(world, await only_contact(world))
    again = [await told(store, world, number) for number in (TO, FROM)]
    assert all(each.passed_over or each.duplicate for each in again)
    assert (await said(store, "back again", SUPERGROUP)).turn_id
    assert (await said(store, "late", GROUP)).conversation_id


async def test_while_others_write_in_both_chats_there_is_one_conversation_of_a_human(
    store: Store, world: World
) -> None:
    for number in range(ROUNDS):
        old, new = f"-{number + 1}", f"-100000000{number + 1:04d}"
        before = await said(store, "help", old)
        await owned_by(world, before.conversation_id, OWNER_HUMAN, f"take-{number}")
        where = {"chat_id": new, "previous_chat_id": old}
        await asyncio.gather(
            *(told(store, world, each, **where) for each in (TO, FROM)),
            *(said(store, "old", old) for _ in range(3)),
            *(said(store, "new", new) for _ in range(3)),
        )
        after = await said(store, "after", new)
        assert after.turn_id == ""
    assert {owner for _, owner in await their_chats(store)} == {"human"}
