"""Does a reader see what was said, without a gap, and does a human beat the bot?"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from kit.errors import AlreadyExists, InvalidField, NotFound
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_owner_pb2 as owning
from parley.storage.v1 import conversation_service_pb2 as pb
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_service_pb2 as directory_service
from parley.storage.v1 import outbox_service_pb2 as outbox
from storage_service.backends.repeats import Repeats
from storage_service.backends.tables import Delivery, Turn
from storage_service.backends.wishes import Wishes
from storage_service.domain.events import Events
from storage_service.domain.weights import MOST_LISTED_BYTES
from tests.postgres import Server as Postgres
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.said import Chat, a_chat
from tests.suites.storage.world import DATABASES, World, open_world


@pytest.fixture(params=DATABASES)
async def world(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Postgres) -> AsyncIterator[World]:
    async with open_world(request.param, tmp_path, postgres_server) as opened:
        await opened.tenant("acme")
        yield opened


def set_owner(one: Chat, owner: chat.Owner, request_id: str = "1") -> owning.SetOwnerRequest:
    return owning.SetOwnerRequest(
        tenant_id="acme", request_id=request_id, conversation_id=one.conversation_id, owner=owner
    )


async def test_history_is_given_after_a_number_oldest_first_with_the_state_of_deliveries(world: World) -> None:
    one = await a_chat(world, "acme")
    await one.hears("hi", attachments='[{"kind": 1, "url": "https://x"}]')
    await one.says("hello", state="read")
    await one.hears("bye")
    ask = pb.ListMessagesRequest(tenant_id="acme", conversation_id=one.conversation_id, page_size=2)
    page = await world.mesh.call("ListMessages", ask)
    assert [(each.seq, each.text, each.role) for each in page.messages] == [
        (1, "hi", chat.ROLE_CONTACT),
        (2, "hello", chat.ROLE_AGENT),
    ]
    assert page.messages[0].attachments[0].url == "https://x"
    assert page.messages[1].delivery_state == chat.DELIVERY_STATE_READ
    assert page.more
    ask.after_seq = 2
    rest = await world.mesh.call("ListMessages", ask)
    assert ([each.text for each in rest.messages], rest.more) == (["bye"], False)


async def test_history_is_given_before_a_number_too_the_newest_of_it_oldest_first(world: World) -> None:
    one = await a_chat(world, "acme")
    for number in range(1, 7):
        await one.hears(str(number))
    other = await a_chat(world, "acme", chat_id="+15550002")
    await other.hears("of another chat")

    async def asked(before_seq: int, *, after_seq: int = 0, page_size: int = 0) -> tuple[list[str], bool]:
        ask = pb.ListMessagesRequest(tenant_id="acme", conversation_id=one.conversation_id, before_seq=before_seq)
        ask.after_seq, ask.page_size = after_seq, page_size
        page = await world.mesh.call("ListMessages", ask)
        return [each.text for each in page.messages], page.more

    assert await asked(2**63 - 1, page_size=2) == (["5", "6"], True)
    assert await asked(5, page_size=2) == (["3", "4"], True)
    assert await asked(3, page_size=2) == (["1", "2"], False)
    assert await asked(5, after_seq=2) == (["3", "4"], False)
    assert await asked(1) == ([], False)


async def test_a_conversation_is_found_by_its_id_or_by_account_and_chat(world: World) -> None:
    one = await a_chat(world, "acme")
    by_id = pb.GetConversationRequest(tenant_id="acme", conversation_id=one.conversation_id)
    by_chat = pb.GetConversationRequest(tenant_id="acme", account_id=one.account_id, chat_id=one.chat_id)
    first, second = [await world.mesh.call("GetConversation", ask) for ask in (by_id, by_chat)]
    assert first == second
    assert first.conversation.owner == chat.OWNER_AGENT
    assert first.conversation.contact_name == "Ada"
    nothing = pb.GetConversationRequest(tenant_id="acme", account_id=one.account_id)
    assert isinstance(await world.mesh.refusal("GetConversation", nothing), InvalidField)


async def test_conversations_are_listed_with_the_one_that_moved_last_first(world: World) -> None:
    chats = [await a_chat(world, "acme", chat_id=f"+{n}") for n in range(5)]
    await chats[1].hears("me again")
    await chats[3].lane(owner="human")
    seen, token = [], ""
    for _ in range(3):
        ask = pb.ListConversationsRequest(tenant_id="acme", page_size=2, page_token=token)
        page = await world.mesh.call("ListConversations", ask)
        seen += [each.id for each in page.conversations]
        token = page.next_page_token
    assert token == ""
    assert seen == [chats[n].conversation_id for n in (1, 4, 3, 2, 0)]
    humans = pb.ListConversationsRequest(tenant_id="acme", owner=chat.OWNER_HUMAN)
    listed = await world.mesh.call("ListConversations", humans)
    assert [(each.id, each.contact_name) for each in listed.conversations] == [(chats[3].conversation_id, "Ada")]


async def test_pages_of_what_is_open_and_of_a_conversation_leave_nothing_out(world: World) -> None:
    chats = [await a_chat(world, "acme", chat_id=f"+{n}") for n in range(3)]
    waiting = [(await one.waits(await one.hears("hi"))).id for one in chats]
    queued = [(await chats[n].says("hello")).id for n in (0, 0, 1, 2)]
    wishes = Wishes(world.sessions, Repeats(world.sessions, world.keyring), events=Events(world.wakeups))

    list_turns = partial(world.mesh.call, "ListTurns")

    async def pages(ask: Any, call: Any) -> list[str]:
        seen: list[str] = []
        while True:
            page = await call(ask)
            seen += [each.id for each in (page.turns if call is list_turns else page.deliveries)]
            if not page.next_page_token:
                return seen
            ask.page_token = page.next_page_token

    turns = pb.ListTurnsRequest(tenant_id="acme", page_size=1)
    assert await pages(turns, list_turns) == waiting
    assert (
        await pages(pb.ListTurnsRequest(tenant_id="acme", page_size=1, newest_first=True), list_turns) == waiting[::-1]
    )
    in_another_order = pb.ListTurnsRequest(tenant_id="acme", page_token=turns.page_token, newest_first=True)
    assert isinstance(await world.mesh.refusal("ListTurns", in_another_order), InvalidField)
    state = chat.DELIVERY_STATE_QUEUED
    unsent = outbox.ListDeliveriesRequest(tenant_id="acme", state=state, page_size=1)
    assert await pages(unsent, wishes.list_deliveries) == queued[::-1]
    of_one = outbox.ListDeliveriesRequest(tenant_id="acme", conversation_id=chats[0].conversation_id, page_size=1)
    assert await pages(of_one, wishes.list_deliveries) == [queued[1], queued[0]]


async def test_open_turns_are_listed_longest_waiting_first_and_a_returned_one_waits(world: World) -> None:
    one, two = [await a_chat(world, "acme", chat_id=f"+{n}") for n in range(2)]
    first = await one.waits(await one.hears("a"), state="returned")
    second = await two.waits(await two.hears("b"))
    await two.set(Turn, second.id, state="running")
    page = await world.mesh.call("ListTurns", pb.ListTurnsRequest(tenant_id="acme"))
    assert [(each.id, each.state) for each in page.turns] == [
        (first.id, chat.TURN_STATE_WAITING),
        (second.id, chat.TURN_STATE_RUNNING),
    ]
    waiting = pb.ListTurnsRequest(tenant_id="acme", states=[chat.TURN_STATE_WAITING])
    assert [each.id for each in (await world.mesh.call("ListTurns", waiting)).turns] == [first.id]


async def test_a_watcher_gets_history_and_then_every_new_message_once(world: World) -> None:
    one = await a_chat(world, "acme")
    for number in range(3):
        await one.hears(str(number))
    ask = pb.WatchMessagesRequest(tenant_id="acme", conversation_id=one.conversation_id, after_seq=1)
    stream = world.mesh.stream("WatchMessages", ask)
    seen: list[int] = []

    async def read() -> None:
        async for response in stream:
            seen.extend(message.seq for message in response.messages)
            if seen and seen[-1] == 13:
                return

    reader = asyncio.create_task(read())
    for number in range(10):
        await one.hears(f"more {number}")
    await asyncio.wait_for(reader, PATIENCE_SECONDS)
    stream.cancel()
    assert seen == list(range(2, 14))


async def test_a_long_conversation_is_read_and_watched_in_pieces_that_every_client_takes(world: World) -> None:
    one = await a_chat(world, "acme")
    said = [await one.hears("😀" * 65_000) for _ in range(18)]
    said += [await one.hears(f"short {number}") for number in range(8)]
    seqs = [each.seq for each in said]
    ask = pb.ListMessagesRequest(tenant_id="acme", conversation_id=one.conversation_id, page_size=500)
    read: list[int] = []
    sizes: list[int] = []
    more = True
    while more:
        page = await world.mesh.call("ListMessages", ask)
        read += [each.seq for each in page.messages]
        sizes.append(page.ByteSize())
        ask.after_seq, more = read[-1], page.more
    assert read == seqs
    back: list[int] = []
    ask.after_seq, ask.before_seq, more = 0, seqs[-1] + 1, True
    while more:
        page = await world.mesh.call("ListMessages", ask)
        back[:0] = [each.seq for each in page.messages]
        sizes.append(page.ByteSize())
        ask.before_seq, more = back[0], page.more
    assert back == seqs
    watch = pb.WatchMessagesRequest(tenant_id="acme", conversation_id=one.conversation_id)
    stream = world.mesh.stream("WatchMessages", watch)
    seen: list[int] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for frame in stream:
            seen += [each.seq for each in frame.messages]
            sizes.append(frame.ByteSize())
            if seen[-1] == seqs[-1]:
                break
    stream.cancel()
    assert seen == seqs
    assert max(sizes) <= MOST_LISTED_BYTES


async def test_a_watcher_hears_of_what_another_process_wrote(
    world: World, tmp_path: Path, postgres_server: Postgres
) -> None:
    one = await a_chat(world, "acme")
    async with open_world(world.url, tmp_path, postgres_server) as other:
        stream = other.mesh.stream(
            "WatchMessages", pb.WatchMessagesRequest(tenant_id="acme", conversation_id=one.conversation_id)
        )
        assert not (await anext(aiter(stream))).messages
        await one.hears("from elsewhere")
        news = await asyncio.wait_for(anext(aiter(stream)), PATIENCE_SECONDS)
        assert [each.text for each in news.messages] == ["from elsewhere"]
        stream.cancel()


async def test_a_watcher_sees_that_the_agent_thinks(world: World) -> None:
    one = await a_chat(world, "acme")
    message = await one.hears("hi")
    stream = world.mesh.stream(
        "WatchMessages", pb.WatchMessagesRequest(tenant_id="acme", conversation_id=one.conversation_id, after_seq=1)
    )
    responses = aiter(stream)
    first = await anext(responses)
    await one.waits(message, state="running")
    world.wakeups.moved([one.conversation_id])
    second = await asyncio.wait_for(anext(responses), PATIENCE_SECONDS)
    stream.cancel()
    assert (first.thinking, second.thinking) == (False, True)


async def test_a_watch_ends_in_good_order_when_the_server_stops_or_the_deadline_passes(world: World) -> None:
    one = await a_chat(world, "acme")
    ask = pb.WatchMessagesRequest(tenant_id="acme", conversation_id=one.conversation_id)
    late = world.mesh.stream("WatchMessages", ask, timeout_seconds=0.5)
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        [each async for each in late]
    assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    stream = world.mesh.stream("WatchMessages", ask)
    await anext(aiter(stream))
    world.stopping.set()
    assert [each async for each in stream] == []
    assert await stream.code() is grpc.StatusCode.OK
    assert not world.wakeups.watched


async def test_a_turn_is_awaited_until_it_ends_and_shows_what_it_said(world: World) -> None:
    one = await a_chat(world, "acme")
    message = await one.hears("hi")
    turn = await one.waits(message, state="running")
    ask = pb.AwaitTurnRequest(tenant_id="acme", message_id=message.id)
    open_turn = await world.mesh.call("AwaitTurn", ask)
    assert (open_turn.turn.state, len(open_turn.replies)) == (chat.TURN_STATE_RUNNING, 0)
    ask.wait.CopyFrom(Duration(seconds=50))
    waiting = asyncio.create_task(world.mesh.call("AwaitTurn", ask))
    await asyncio.sleep(0.1)
    await one.says("hello", turn_id=turn.id)
    await one.set(Turn, turn.id, state="replied", reply_seq=2, replies=1)
    world.wakeups.ended([turn.id])
    ended = await asyncio.wait_for(waiting, PATIENCE_SECONDS)
    assert ended.turn.state == chat.TURN_STATE_REPLIED
    assert [each.text for each in ended.replies] == ["hello"]


async def test_a_message_without_a_turn_is_not_waited_for(world: World) -> None:
    one = await a_chat(world, "acme", owner="human")
    message = await one.hears("hi")
    ask = pb.AwaitTurnRequest(tenant_id="acme", message_id=message.id, wait=Duration(seconds=30))
    answer = await asyncio.wait_for(world.mesh.call("AwaitTurn", ask), 25)
    assert not answer.HasField("turn")


async def test_waiting_ends_before_the_callers_deadline(world: World) -> None:
    one = await a_chat(world, "acme")
    message = await one.hears("hi")
    await one.waits(message)
    ask = pb.AwaitTurnRequest(tenant_id="acme", message_id=message.id, wait=Duration(seconds=60))
    await_turn, told = world.mesh.rpc("AwaitTurn"), world.mesh._metadata
    waits = (await_turn(ask, timeout=seconds, metadata=told) for seconds in (1, 2, 3))
    ends = await asyncio.gather(*waits, return_exceptions=True)
    # A machine that stands still at the wrong moment may cost one of them its way back.
    assert chat.TURN_STATE_WAITING in {end.turn.state for end in ends if isinstance(end, pb.AwaitTurnResponse)}


@pytest.mark.parametrize("state", ["waiting", "returned"])
async def test_a_take_over_ends_the_turn_that_nobody_holds(world: World, state: str) -> None:
    one = await a_chat(world, "acme")
    turn = await one.waits(await one.hears("hi"), state=state)
    taken = await world.mesh.call("SetOwner", set_owner(one, chat.OWNER_HUMAN))
    assert (taken.conversation.owner, taken.conversation.owner_epoch) == (chat.OWNER_HUMAN, 2)
    ended = await one.get(Turn, turn.id)
    assert (ended.state, ended.reason, ended.ended_at is not None) == ("suppressed", "owner_changed", True)
    lane = await one.row()
    assert (lane.waiting_turn_id, lane.running_turn_id, lane.turn_due_at) == (None, None, None)


@pytest.mark.parametrize(("said", "state"), [("hi", "suppressed"), ("STOP", "running")])
async def test_a_take_over_ends_the_turn_that_runs_unless_the_contact_leaves_by_it(
    world: World, said: str, state: str
) -> None:
    one = await a_chat(world, "acme")
    turn = await one.waits(await one.hears(said), state="running")
    await world.mesh.call("SetOwner", set_owner(one, chat.OWNER_QUEUE))
    lane, found = await one.row(), await one.get(Turn, turn.id)
    running = turn.id if state == "running" else None
    assert (found.state, lane.running_turn_id, lane.owner_epoch) == (state, running, 2)
    assert (found.reason, found.ended_at is None) == (("", True) if running else ("owner_changed", False))


async def test_after_a_take_over_nothing_that_the_agent_said_begins_to_go_out(world: World) -> None:
    one = await a_chat(world, "acme")
    begun = await one.says("in flight", state="sending", begun=True, epoch=1)
    leased = await one.says("leased", epoch=1, worker_id="w")
    human = await one.says("from a person", role="operator")
    await one.lane(sending_delivery_id=leased.id, delivery_due_at=None)
    await world.mesh.call("SetOwner", set_owner(one, chat.OWNER_HUMAN))
    found = {each.id: await one.get(Delivery, each.id) for each in (begun, leased, human)}
    assert (found[leased.id].state, found[leased.id].reason, found[leased.id].epoch) == ("failed", "owner_changed", 2)
    assert (found[begun.id].state, found[human.id].state) == ("sending", "queued")
    lane = await one.row()
    assert (lane.open_deliveries, lane.sending_delivery_id) == (2, None)
    assert lane.delivery_due_at is not None


async def test_the_owner_rises_once_per_change_and_a_repeated_request_changes_nothing(world: World) -> None:
    one = await a_chat(world, "acme")
    await world.mesh.call("SetOwner", set_owner(one, chat.OWNER_HUMAN))
    repeated = await world.mesh.call("SetOwner", set_owner(one, chat.OWNER_HUMAN))
    same = await world.mesh.call("SetOwner", set_owner(one, chat.OWNER_HUMAN, "2"))
    back = await world.mesh.call("SetOwner", set_owner(one, chat.OWNER_AGENT, "3"))
    epochs = [each.conversation.owner_epoch for each in (repeated, same, back)]
    assert (epochs, repeated.duplicate, same.duplicate) == ([2, 2, 3], True, False)
    assert isinstance(await world.mesh.refusal("SetOwner", set_owner(one, chat.OWNER_NONE, "3")), AlreadyExists)


async def test_two_operators_who_take_over_at_once_both_get_an_answer(world: World) -> None:
    one = await a_chat(world, "acme")
    asks = [set_owner(one, owner, str(n)) for n, owner in enumerate((chat.OWNER_HUMAN, chat.OWNER_QUEUE) * 5)]
    answers = await asyncio.gather(*(world.mesh.call("SetOwner", ask) for ask in asks))
    epochs = {answer.conversation.owner_epoch for answer in answers}
    assert max(epochs) == (await one.row()).owner_epoch


async def test_activating_an_account_makes_due_what_waited_for_it(world: World) -> None:
    one = await a_chat(world, "acme")
    delivery = await one.says("hello")
    await one.lane(delivery_parked=True, delivery_due_at=None)
    pause = directory_service.SetAccountStateRequest(
        tenant_id="acme", request_id="1", account_id=one.account_id, state=directory.ACCOUNT_STATE_PAUSED
    )
    await world.mesh.call("SetAccountState", pause)
    pause.state, pause.request_id = directory.ACCOUNT_STATE_ACTIVE, "2"
    await world.mesh.call("SetAccountState", pause)
    lane = await one.row()
    assert (lane.delivery_parked, lane.delivery_due_at) == (False, (await one.get(Delivery, delivery.id)).due_at)


async def test_what_is_not_there_is_not_found(world: World) -> None:
    for name, ask in (
        ("GetConversation", pb.GetConversationRequest(tenant_id="acme", conversation_id="x")),
        ("ListMessages", pb.ListMessagesRequest(tenant_id="acme", conversation_id="x")),
        ("WatchMessages", pb.WatchMessagesRequest(tenant_id="acme", conversation_id="x")),
        ("AwaitTurn", pb.AwaitTurnRequest(tenant_id="acme", message_id="x")),
    ):
        assert isinstance(await world.mesh.refusal(name, ask), NotFound)
