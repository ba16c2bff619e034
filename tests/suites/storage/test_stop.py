"""Does a STOP hold whoever owns the conversation when it is said, and whatever becomes of its turn?"""

from datetime import timedelta

import pytest

from kit.errors import LeaseLost, StateConflict
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1.conversation_change_pb2 import ConversationChange, ListQueueRequest
from parley.storage.v1.turn_requests_pb2 import LeasedTurn
from tests.suites.storage.hot import LEASE, TENANT, Store
from tests.suites.storage.people import operator_says, owned_by
from tests.suites.storage.world import World

OUT, IN = ConversationChange(opted_out=True), ConversationChange(opted_out=False)
GOODBYE = "You will get no more messages from us."
OWNERS = {
    "a human": (chat.OWNER_HUMAN,),
    "the queue": (chat.OWNER_QUEUE,),
    "nobody": (chat.OWNER_NONE,),
    "the agent again": (chat.OWNER_HUMAN, chat.OWNER_AGENT),
}


async def is_let_go(store: Store, turn: LeasedTurn) -> None:
    """What the agent says of a STOP is said, and the last thing that is said."""
    done = await store.commit(turn, GOODBYE, change=OUT)
    assert done.error is None
    ((owner, opted_out_at),) = await store.fetch("SELECT owner, opted_out_at FROM conversations")
    assert (owner, opted_out_at is not None) == ("none", True)
    assert [each.text for each in await store.lease_deliveries()] == [GOODBYE]


async def goes_to(store: Store, world: World, conversation_id: str, whom: str) -> None:
    for number, owner in enumerate(OWNERS[whom]):
        await owned_by(world, conversation_id, owner, f"{number}")
    store.clock.now = world.sessions.now()


@pytest.mark.parametrize("whom", OWNERS)
async def test_a_stop_that_waits_is_not_lost_when_the_owner_changes(store: Store, world: World, whom: str) -> None:
    await store.hear("what does it cost?")
    said = await store.hear("STOP")
    await goes_to(store, world, said.conversation_id, whom)
    (turn,) = await store.lease()
    assert (turn.turn_id, turn.setting.owner) == (said.turn_id, OWNERS[whom][-1])
    await is_let_go(store, turn)


@pytest.mark.parametrize("whom", OWNERS)
async def test_nor_behind_an_answer_that_a_model_still_writes(store: Store, world: World, whom: str) -> None:
    await store.hear("what does it cost?")
    (asked,) = await store.lease()
    said = await store.hear("STOP")
    await goes_to(store, world, said.conversation_id, whom)
    (turn,) = await store.lease()
    assert (await store.commit(asked, "Much.")).error is not None
    await is_let_go(store, turn)
    assert await store.turn_states() == [("suppressed", "owner_changed"), ("replied", "")]


async def test_nor_when_it_was_said_to_a_human_who_gives_the_conversation_back(store: Store, world: World) -> None:
    first = await store.hear("hello")
    await owned_by(world, first.conversation_id, chat.OWNER_HUMAN, "take")
    await store.hear("STOP")
    await owned_by(world, first.conversation_id, chat.OWNER_AGENT, "back")
    store.clock.now = world.sessions.now()
    (turn,) = await store.lease()
    assert [each.text for each in turn.messages] == ["STOP"]
    await is_let_go(store, turn)


@pytest.mark.parametrize("whom", OWNERS)
async def test_nor_while_the_agent_takes_note_of_it(store: Store, world: World, whom: str) -> None:
    said = await store.hear("STOP")
    (turn,) = await store.lease()
    await goes_to(store, world, said.conversation_id, whom)
    await is_let_go(store, turn)


async def test_nor_when_its_worker_was_lost_and_a_human_took_over_meanwhile(store: Store, world: World) -> None:
    said = await store.hear("STOP")
    (lost,) = await store.lease()
    await store.give_back(lost)
    await goes_to(store, world, said.conversation_id, "a human")
    (turn,) = await store.lease()
    await is_let_go(store, turn)


async def test_what_a_human_has_yet_to_send_is_called_off_by_it(store: Store, world: World) -> None:
    said = await store.hear("STOP")
    (turn,) = await store.lease()
    await goes_to(store, world, said.conversation_id, "a human")
    await operator_says(store, world, said.conversation_id, "Buy now!")
    await is_let_go(store, turn)


async def test_a_stop_to_whom_an_operator_had_silenced_holds_too(store: Store, world: World) -> None:
    said = await store.hear("hello")
    await owned_by(world, said.conversation_id, chat.OWNER_NONE)
    store.clock.now = world.sessions.now()
    assert (await store.hear("anybody?")).turn_id == ""
    await store.hear("STOP")
    (turn,) = await store.lease()
    assert (turn.setting.owner, turn.setting.opted_out) == (chat.OWNER_NONE, False)
    await is_let_go(store, turn)


async def test_whatever_else_waits_ends_with_the_change_of_owner(store: Store, world: World) -> None:
    said = await store.hear("I cannot stop it")
    await goes_to(store, world, said.conversation_id, "a human")
    assert (await store.turn_states(), await store.lease()) == ([("suppressed", "owner_changed")], [])


async def test_who_says_stop_while_no_agent_is_there_is_not_told_to_try_again(store: Store) -> None:
    await store.hear("where is it?", "asks")
    await store.hear("where is it?", "asks, and leaves")
    await store.lease()  # by a worker that is killed now
    await store.hear("STOP", "asks, and leaves")
    await store.hear("STOP", "leaves")
    for _ in range(2):
        store.clock.pass_seconds(200)
        await store.sweep()
    told = "SELECT c.chat_id FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE m.role = 'agent'"
    assert sorted(chat_id for (chat_id,) in await store.fetch(told)) == ["asks", "asks, and leaves"]
    turns = await store.lease()
    assert [each.messages[0].text for each in turns] == ["STOP", "STOP"]
    for turn in turns:
        assert (await store.commit(turn, GOODBYE, change=OUT)).error is None
    owners = await store.fetch("SELECT owner FROM conversations ORDER BY chat_id")
    assert [owner for (owner,) in owners] == ["agent", "none", "none"]


async def test_a_stop_that_is_leased_after_its_deadline_gets_another_one(store: Store) -> None:
    await store.hear("STOP")
    store.clock.pass_seconds(121)
    (turn,) = await store.lease()
    assert turn.deadline_at.ToDatetime(store.clock.now.tzinfo) > store.clock.now
    await is_let_go(store, turn)


async def test_a_stop_is_taken_from_a_worker_that_holds_it_past_its_deadline(store: Store) -> None:
    await store.hear("STOP")
    (held,) = await store.lease()
    for _ in range(6):
        store.clock.pass_seconds(LEASE.total_seconds() - 5)
        await store.extend(held)
    await store.sweep("overdue_turns")
    assert isinstance((await store.commit(held, GOODBYE, change=OUT)).error, LeaseLost)
    (turn,) = await store.lease()
    await is_let_go(store, turn)


async def test_a_stop_outlives_any_number_of_workers(store: Store) -> None:
    await store.hear("STOP")
    for _ in range(store.sweeper.most_leases + 2):
        (turn,) = await store.lease()
        store.clock.now += LEASE + timedelta(seconds=1)
        await store.sweep("expired_turns")
    (turn,) = await store.lease()
    await is_let_go(store, turn)


async def test_the_way_back_is_not_lost_while_no_agent_is_there(store: Store) -> None:
    await store.hear("STOP")
    (turn,) = await store.lease()
    await is_let_go(store, turn)
    await store.hear("START")
    store.clock.pass_seconds(121)
    await store.sweep("overdue_turns")
    (turn,) = await store.lease()
    assert turn.setting.opted_out
    assert (await store.commit(turn, "Welcome back.", change=IN)).error is None
    assert await store.fetch("SELECT owner, opted_out_at FROM conversations") == [("agent", None)]


@pytest.mark.parametrize("whom", [*OWNERS])
async def test_nobody_writes_to_who_opted_out_whoever_takes_the_conversation(
    store: Store, world: World, whom: str
) -> None:
    said = await store.hear("STOP")
    (turn,) = await store.lease()
    await is_let_go(store, turn)
    await goes_to(store, world, said.conversation_id, whom)
    with pytest.raises(StateConflict, match="START"):
        await operator_says(store, world, said.conversation_id, "Buy now!")


@pytest.mark.parametrize(("owner", "stays"), [(chat.OWNER_HUMAN, "human"), (chat.OWNER_QUEUE, "queue")])
async def test_who_comes_back_to_a_human_stays_with_the_human(
    store: Store, world: World, owner: chat.Owner, stays: str
) -> None:
    said = await store.hear("STOP")
    (turn,) = await store.lease()
    await is_let_go(store, turn)
    await owned_by(world, said.conversation_id, owner)
    store.clock.now = world.sessions.now()
    assert [(await store.hear(text)).turn_id for text in ("STOP", "hello?")] == ["", ""]
    await store.hear("START")
    (turn,) = await store.lease()
    assert (turn.setting.owner, turn.setting.opted_out) == (owner, True)
    assert (await store.commit(turn, "Welcome back.", change=IN)).error is None
    assert await store.fetch("SELECT owner, opted_out_at FROM conversations") == [(stays, None)]
    assert (await store.hear("hello?")).turn_id == ""
    await operator_says(store, world, said.conversation_id, "How can I help?")
    waiting = await world.mesh.call("ListQueue", ListQueueRequest(tenant_id=TENANT, all=True))
    assert all(not each.HasField("closed_at") for each in waiting.entries)


async def test_the_way_back_is_not_lost_when_a_human_takes_over_meanwhile(store: Store, world: World) -> None:
    said = await store.hear("STOP")
    (turn,) = await store.lease()
    await is_let_go(store, turn)
    await store.hear("START")
    await owned_by(world, said.conversation_id, chat.OWNER_QUEUE, "queue")
    store.clock.now = world.sessions.now()
    (turn,) = await store.lease()
    await owned_by(world, said.conversation_id, chat.OWNER_HUMAN, "human")
    assert (await store.commit(turn, "Welcome back.", change=IN)).error is None
    assert await store.fetch("SELECT owner, opted_out_at FROM conversations") == [("human", None)]
