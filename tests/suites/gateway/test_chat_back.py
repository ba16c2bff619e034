"""Can a page begin with what was said last, and read back from there? And is it led past what nobody may see?"""

from collections.abc import Iterable

from parley.chat.v1 import message_pb2 as chat
from tests.suites.gateway.conftest import World
from tests.suites.gateway.test_chat import conversation, say

BEYOND_ALL = 2**53 - 1  # the greatest whole number of JavaScript


async def begun(world: World) -> dict[str, str]:
    session = await world.session()
    await say(world, session, "1", "key")
    return session


async def go_on(world: World, seqs: Iterable[int], *, role: chat.Role = chat.ROLE_AGENT) -> None:
    for seq in seqs:
        assert (await world.peer.say(conversation(world), role, str(seq))).seq == seq


async def read(world: World, session: dict[str, str], **place: int) -> tuple[list[int], bool]:
    answer = await world.client.get("/v1/chat/messages", params=place, headers=session)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert [str(each["seq"]) for each in page["messages"]] == [each["text"] for each in page["messages"]]
    return [each["seq"] for each in page["messages"]], page["more"]


async def test_a_conversation_is_read_back_from_its_end_to_its_beginning(world: World) -> None:
    session = await begun(world)
    await go_on(world, range(2, 121))
    assert await read(world, session, before_seq=BEYOND_ALL) == ([*range(71, 121)], True)
    assert await read(world, session, before_seq=71) == ([*range(21, 71)], True)
    assert await read(world, session, before_seq=21) == ([*range(1, 21)], False)
    assert await read(world, session, before_seq=1) == ([], False)
    assert await read(world, session, before_seq=71, after_seq=60) == ([*range(61, 71)], False)


async def test_a_place_that_is_none_is_refused(world: World) -> None:
    session = await begun(world)
    for wrong in ("-1", "x", str(2**62)):
        answer = await world.client.get("/v1/chat/messages", params={"before_seq": wrong}, headers=session)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_FIELD")


async def test_pages_of_which_nothing_may_be_seen_are_passed_over_in_both_directions(world: World) -> None:
    session = await begun(world)
    await go_on(world, range(2, 452), role=chat.ROLE_SYSTEM)
    await go_on(world, [452])
    assert await read(world, session, after_seq=1) == ([452], False)
    assert await read(world, session, before_seq=452) == ([1], False)
