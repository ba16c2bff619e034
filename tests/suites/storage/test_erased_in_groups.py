"""Who began a group conversation is erased: does everybody else keep their words, and does the group go on?"""

import pytest

from kit.errors import LeaseLost
from parley.storage.v1 import directory_requests_pb2 as requests
from tests.suites.storage.hot import TENANT, Store, a_message
from tests.suites.storage.people import erased
from tests.suites.storage.world import World

ANN, BOB = "+1", "+2"


@pytest.fixture
def world(store: Store, world: World) -> World:
    store.clock.now = world.sessions.now()
    return world


async def says(store: Store, who: str, text: str) -> str:
    return (await store.hear(text, chat_id="group", sender_id=who)).conversation_id


async def forget(store: Store, world: World, who: str) -> None:
    listed = await world.mesh.call("ListContacts", requests.ListContactsRequest(tenant_id=TENANT))
    (contact,) = [each for each in listed.contacts if who in {known.sender_id for known in each.identities}]
    await erased(world, contact.id)
    store.clock.now = world.sessions.now()


async def answered(store: Store, *replies: str) -> None:
    (turn,) = await store.lease()
    await store.commit(turn, *replies)


async def texts(store: Store) -> list[str]:
    return [text for (text,) in await store.fetch("SELECT text FROM messages ORDER BY seq")]


async def test_who_began_a_group_takes_along_their_own_words_and_what_the_agent_answered(
    store: Store, world: World
) -> None:
    group = await says(store, ANN, "I am Ann")
    await answered(store, "Hello Ann")
    await says(store, BOB, "I am Bob")
    await answered(store, "Hello Bob")
    await forget(store, world, ANN)
    assert await texts(store) == ["", "", "I am Bob", "Hello Bob"]
    assert [each.text for each in await store.lease_deliveries()] == ["Hello Bob"]
    assert await says(store, BOB, "and now?") == group
    (turn,) = await store.lease()
    assert [each.text for each in turn.messages] == ["and now?"]
    assert [each.text for each in turn.history] == ["I am Bob", "Hello Bob"]


async def test_an_answer_that_went_with_them_is_read_by_no_model_where_it_came_last(store: Store, world: World) -> None:
    await says(store, ANN, "I am Ann")
    (running,) = await store.lease()
    await says(store, BOB, "I am Bob")
    await store.commit(running, "Hello Ann")
    await forget(store, world, ANN)
    (turn,) = await store.lease()
    assert ([each.text for each in turn.messages], list(turn.history)) == (["I am Bob"], [])


async def test_what_others_sent_to_the_group_is_kept_as_it_came(store: Store, world: World) -> None:
    for number, who in enumerate((ANN, BOB)):
        message = a_message("hello", chat_id="group", sender_id=who, provider_message_id=f"raw-{number}")
        await store.accept(message, raw_payload=f'{{"chat": "group", "from": "{who}"}}'.encode())
    await forget(store, world, ANN)
    assert await store.fetch("SELECT payload FROM raw_payloads") == [(b'{"chat": "group", "from": "+2"}',)]


async def test_a_group_goes_with_the_last_who_wrote_there(store: Store, world: World) -> None:
    group = await says(store, ANN, "I am Ann")
    await says(store, BOB, "I am Bob")
    await answered(store, "Hello both")
    await forget(store, world, ANN)
    assert await texts(store) == ["", "I am Bob", ""]
    await forget(store, world, BOB)
    assert await texts(store) == ["", "", ""]
    assert await store.fetch("SELECT chat_id FROM conversations") == [(f"erased:{group}",)]


async def test_what_waits_is_answered_to_the_others_alone(store: Store, world: World) -> None:
    await says(store, ANN, "I am Ann")
    await says(store, BOB, "I am Bob")
    await forget(store, world, ANN)
    (turn,) = await store.lease()
    assert [each.text for each in turn.messages] == ["I am Bob"]


async def test_what_runs_is_begun_again_without_them(store: Store, world: World) -> None:
    await says(store, ANN, "I am Ann")
    await says(store, BOB, "I am Bob")
    (held,) = await store.lease()
    await forget(store, world, ANN)
    assert isinstance((await store.commit(held, "Hello Ann and Bob")).error, LeaseLost)
    (turn,) = await store.lease()
    assert [each.text for each in turn.messages] == ["I am Bob"]


@pytest.mark.parametrize("running", [True, False])
async def test_what_they_alone_asked_is_answered_no_more_and_the_next_is(
    store: Store, world: World, running: bool
) -> None:
    await says(store, BOB, "I am Bob")
    await answered(store, "Hello Bob")
    await says(store, ANN, "I am Ann")
    if running:
        await store.lease()
        await says(store, BOB, "and I")
    await forget(store, world, ANN)
    assert (await store.turn_states())[1] == ("suppressed", "erased")
    if not running:
        await says(store, BOB, "and I")
    (turn,) = await store.lease()
    assert [each.text for each in turn.messages] == ["and I"]
