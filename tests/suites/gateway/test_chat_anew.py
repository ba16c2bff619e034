"""A visitor is erased, and writes on: is what is said from then on seen, though its numbers begin anew?"""

import asyncio

from parley.chat.v1 import message_pb2 as chat
from tests.stalls import PATIENCE_SECONDS
from tests.suites.gateway.conftest import World
from tests.suites.gateway.test_chat import conversation, events, say


async def seen(world: World, session: dict[str, str], *, after: int, most: int) -> list[tuple[int, object]]:
    found: list[tuple[int, object]] = []
    async with events(world, session, **{"Last-Event-ID": str(after)}) as stream, asyncio.timeout(PATIENCE_SECONDS):
        async for name, seq, message in stream:
            found += [(seq, message["text"])] if name == "message" else []
            if len(found) == most:
                break
    return found


async def test_who_saw_more_than_was_said_sees_all_of_the_conversation_that_is_there_now(world: World) -> None:
    session = await world.session()
    await say(world, session, "hello", "key-1")
    await world.peer.say(conversation(world), chat.ROLE_AGENT, "good morning")
    assert await seen(world, session, after=1, most=1) == [(2, "good morning")]
    world.peer.conversations.clear()
    assert (await say(world, session, "are you there?", "key-2")).json()["seq"] == 1
    assert await seen(world, session, after=2, most=1) == [(1, "are you there?")]


async def test_which_conversation_it_is_is_said_before_anything_that_is_said_in_it(world: World) -> None:
    session, shown = await world.session(), list[str]()
    for key in ("key-1", "key-2"):
        page = await world.client.get("/v1/chat/messages", headers=session)
        assert page.json()["conversation_id"] == ""
        await say(world, session, "hello", key)
        page = await world.client.get("/v1/chat/messages", headers=session)
        shown.append(page.json()["conversation_id"])
        assert shown[-1] == conversation(world)
        told: list[str] = []
        async with (
            world.client.stream("GET", "/v1/chat/events", headers=session) as answer,
            asyncio.timeout(PATIENCE_SECONDS),
        ):
            async for line in answer.aiter_lines():
                told += [line] if line.startswith(("event", "data")) else []
                if line == "event: message":
                    break
        assert told == ["event: conversation", f'data: {{"id":"{shown[-1]}"}}', "event: message"]
        world.peer.conversations.clear()
    assert len(set(shown)) == 2


async def test_a_message_that_was_erased_is_not_said_to_be_stored_when_it_comes_again(world: World) -> None:
    session = await world.session()
    await say(world, session, "hello", "key-1")
    world.peer.conversations.clear()
    world.peer.erased.add("key-1")
    again = await say(world, session, "hello", "key-1")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "STATE_CONFLICT")
    assert (await say(world, session, "hello", "key-2")).json()["seq"] == 1


async def test_who_asks_for_what_follows_a_place_that_is_no_more_is_told_all(world: World) -> None:
    session = await world.session()
    for number in range(3):
        await say(world, session, f"hello {number}", f"key-{number}")
    world.peer.conversations.clear()
    await say(world, session, "are you there?", "key-3")

    async def follow(after: int) -> list[str]:
        page = await world.client.get("/v1/chat/messages", params={"after_seq": after}, headers=session)
        return [each["text"] for each in page.json()["messages"]]

    assert await follow(3) == ["are you there?"]
    assert await follow(1) == []
