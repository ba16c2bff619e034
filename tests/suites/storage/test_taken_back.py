"""Somebody takes back what they wrote. Are their words gone everywhere, and does nobody answer them any more?"""

from typing import Any

import pytest

from kit.errors import LeaseLost
from parley.chat.v1.message_pb2 import ATTACHMENT_KIND_IMAGE, OWNER_HUMAN, Attachment, ChannelMessage
from parley.storage.v1 import conversation_service_pb2 as reads
from parley.storage.v1.inbox_service_pb2 import AcceptedMessage
from storage_service.backends.taken_back import TakenBack
from storage_service.domain.events import Events
from storage_service.domain.hearing import take_overs
from storage_service.domain.taken_back import withdrawals
from tests.suites.storage.hot import TENANT, Store, a_message, a_submission
from tests.suites.storage.people import erased, only_contact, operator_says, owned_by
from tests.suites.storage.world import World

ANN, BOB = "+1", "+2"


@pytest.fixture
def world(store: Store, world: World) -> World:
    store.clock.now = world.sessions.now()
    return world


async def says(store: Store, text: str, number: str, sender_id: str = ANN, **more: Any) -> AcceptedMessage:
    webhook = f"webhook-{number}"
    given = {"provider_message_id": number, "correlation_id": webhook, **more}
    message = a_message(text, chat_id="group", sender_id=sender_id, **given)
    body = f'{{"words": "{text}"}}'.encode()
    return (await store.accept(message, raw_payload=body, correlation_id=webhook)).messages[0]


def a_withdrawal(number: str, sender_id: str = ANN, **more: Any) -> ChannelMessage:
    given = {"provider_message_id": f"{number}:deleted", "takes_back": number, "metadata": {"thread": "7"}}
    return a_message("", chat_id="group", sender_id=sender_id, no_turn=True, **given | {"only_if_known": True} | more)


async def takes_back(
    store: Store, world: World, number: str, sender_id: str = ANN, before: tuple[ChannelMessage, ...] = (), **more: Any
) -> AcceptedMessage:
    """As the front door does it."""
    submission = a_submission(*before, a_withdrawal(number, sender_id, **more), raw_payload=b'{"words": "it says"}')
    results = await store.submit(submission)
    back = TakenBack(world.sessions, tombstones=store.acceptance.tombstones, events=Events(world.wakeups))
    for each in withdrawals([submission], results):
        await back.take_back(each)
    store.clock.now = max(store.clock.now, world.sessions.now())
    return results[0].messages[-1]  # type: ignore[union-attr]  # a refusal would fail here as well


async def texts(store: Store) -> list[str]:
    return [text for (text,) in await store.fetch("SELECT text FROM messages ORDER BY seq")]


async def history(world: World, conversation_id: str) -> Any:
    asked = reads.ListMessagesRequest(tenant_id=TENANT, conversation_id=conversation_id)
    return (await world.mesh.call("ListMessages", asked)).messages


async def test_nobody_answers_it_and_nothing_of_it_is_kept(store: Store, world: World) -> None:
    said = await says(store, "secret", "1")
    taken = await takes_back(store, world, "1")
    assert (taken.passed_over, taken.message_id, taken.conversation_id) == (True, "", said.conversation_id)
    assert await store.turn_states() == [("suppressed", "taken_back")]
    assert await store.lease() == []
    assert await store.fetch("SELECT payload FROM raw_payloads") == []
    (shown,) = await history(world, said.conversation_id)
    assert (shown.id, shown.text, shown.turn_id, shown.HasField("taken_back_at")) == (said.message_id, "", "", True)
    assert await store.fetch("SELECT message_metadata FROM messages") == [('{"thread": "7"}',)]


async def test_what_was_said_beside_it_is_answered(store: Store, world: World) -> None:
    await says(store, "secret", "1")
    await says(store, "hello", "2")
    await takes_back(store, world, "1")
    (turn,) = await store.lease()
    assert ([each.text for each in turn.messages], list(turn.history)) == (["hello"], [])
    await store.commit(turn, "Hello")
    assert [each.text for each in await store.lease_deliveries()] == ["Hello"]


async def test_an_answer_that_is_being_made_is_not_given(store: Store, world: World) -> None:
    await says(store, "secret", "1")
    (held,) = await store.lease()
    await says(store, "hello", "2")
    await takes_back(store, world, "1")
    assert isinstance((await store.commit(held, "I heard your secret")).error, LeaseLost)
    (turn,) = await store.lease()
    assert [each.text for each in turn.messages] == ["hello"]
    assert await texts(store) == ["", "hello"]


async def test_an_answer_to_several_is_made_anew_without_it(store: Store, world: World) -> None:
    await says(store, "secret", "1")
    await says(store, "hello", "2")
    (held,) = await store.lease()
    await takes_back(store, world, "1")
    assert isinstance((await store.commit(held, "I heard your secret")).error, LeaseLost)
    (turn,) = await store.lease()
    assert ([each.text for each in turn.messages], turn.attempts) == (["hello"], 0)


async def test_the_model_does_not_read_it_later(store: Store, world: World) -> None:
    said = await says(store, "secret", "1")
    (turn,) = await store.lease()
    await store.commit(turn, "I see")
    await takes_back(store, world, "1")
    assert await store.turn_states() == [("replied", "")]
    await says(store, "and now?", "2")
    (turn,) = await store.lease()
    assert [each.text for each in turn.history] == ["I see"]
    assert [each.text for each in await history(world, said.conversation_id)] == ["", "I see", "and now?"]


async def test_what_became_of_it_by_an_edit_goes_too(store: Store, world: World) -> None:
    await says(store, "secert", "1")
    await says(store, "secret", "1:edited:5")
    await says(store, "hello", "10")
    await takes_back(store, world, "1")
    assert await texts(store) == ["", "", "hello"]


async def test_it_goes_with_its_files(store: Store, world: World) -> None:
    picture = Attachment(kind=ATTACHMENT_KIND_IMAGE, provider_file_id="file-1")
    await says(store, "look", "1", attachments=[picture])
    await takes_back(store, world, "1")
    assert await store.fetch("SELECT attachments FROM messages") == [(None,)]
    assert await store.fetch("SELECT id FROM media") == []


async def test_it_may_come_in_one_go_with_what_it_takes_back(store: Store, world: World) -> None:
    message = a_message("secret", chat_id="group", sender_id=ANN, provider_message_id="1")
    await takes_back(store, world, "1", before=(message,))
    assert (await texts(store), await store.lease()) == ([""], [])


async def test_nobody_takes_back_what_another_wrote(store: Store, world: World) -> None:
    await says(store, "hello", "1")
    await takes_back(store, world, "1", BOB)
    assert await texts(store) == ["hello"]
    assert [each.messages[0].text for each in await store.lease()] == ["hello"]
    assert (await says(store, "hello", "1")).duplicate


async def test_by_another_id_of_theirs_it_is_theirs(store: Store, world: World) -> None:
    await says(store, "secret", "1", sender_also_known_as="ann.1")
    await takes_back(store, world, "1", "ann.1", sender_also_known_as=ANN)
    assert await texts(store) == [""]


async def test_said_again_it_changes_nothing(store: Store, world: World) -> None:
    said = await says(store, "secret", "1")
    await takes_back(store, world, "1")
    (first,) = await history(world, said.conversation_id)
    store.clock.pass_seconds(60)
    await takes_back(store, world, "1")
    assert list(await history(world, said.conversation_id)) == [first]
    assert (await says(store, "secret", "1")).duplicate
    assert await texts(store) == [""]


async def test_said_before_the_message_came_it_keeps_it_out(store: Store, world: World) -> None:
    await says(store, "hello", "1")
    await takes_back(store, world, "2")
    await takes_back(store, world, "2")
    assert (await says(store, "secret", "2")).duplicate
    assert await texts(store) == ["hello"]


@pytest.mark.parametrize("other_id", ["", "ann.1"], ids=["one id", "two ids"])
async def test_where_nothing_was_said_nothing_is_taken_back(store: Store, world: World, other_id: str) -> None:
    taken = await takes_back(store, world, "1", sender_also_known_as=other_id)
    assert (taken.passed_over, taken.conversation_id) == (True, "")
    for table in ("messages", "conversations", "contacts", "raw_payloads", "tombstones"):
        assert await store.fetch(f"SELECT * FROM {table}") == []


async def test_of_who_was_never_heard_it_keeps_the_message_out_as_well(store: Store, world: World) -> None:
    await takes_back(store, world, "1", only_if_known=False)
    await takes_back(store, world, "1", only_if_known=False)
    assert [(await says(store, "secret", each)).duplicate for each in ("1", "1:edited:5")] == [True, True]
    for table in ("messages", "conversations", "contacts", "raw_payloads"):
        assert await store.fetch(f"SELECT * FROM {table}") == []
    assert [(await says(store, "hello", each)).duplicate for each in ("10", "10:edited:5")] == [False, False]
    assert [each.text for turn in await store.lease() for each in turn.messages] == ["hello", "hello"]


async def test_of_a_chat_that_began_meanwhile_it_is_emptied(store: Store, world: World) -> None:
    submission = a_submission(a_withdrawal("1", only_if_known=False))
    results = await store.submit(submission)
    await says(store, "secret", "1")
    back = TakenBack(world.sessions, tombstones=store.acceptance.tombstones, events=Events(world.wakeups))
    for each in withdrawals([submission], results):
        await back.take_back(each)
    assert (await texts(store), await store.turn_states()) == ([""], [("suppressed", "taken_back")])


async def test_an_edit_that_comes_after_the_end_of_its_message_is_kept_out(store: Store, world: World) -> None:
    await says(store, "secert", "1")
    await takes_back(store, world, "1")
    assert (await says(store, "secret", "1:edited:5")).duplicate
    assert await texts(store) == [""]
    await says(store, "hello", "2")
    await takes_back(store, world, "2", BOB)
    assert not (await says(store, "hello!", "2:edited:5")).duplicate


async def test_a_human_who_has_the_conversation_sees_it_gone(store: Store, world: World) -> None:
    said = await says(store, "secret", "1")
    await owned_by(world, said.conversation_id, OWNER_HUMAN)
    await takes_back(store, world, "1")
    assert await texts(store) == [""]
    await operator_says(store, world, said.conversation_id, "How can I help?")
    store.clock.now = world.sessions.now()
    (delivery,) = await store.lease_deliveries()
    assert dict(delivery.reply_metadata) == {"thread": "7"}


async def test_who_was_erased_is_made_known_by_nothing_they_take_back(store: Store, world: World) -> None:
    await says(store, "secret", "1")
    await erased(world, await only_contact(world))
    await takes_back(store, world, "1")
    found = await store.fetch("SELECT name FROM contacts WHERE erased_at IS NULL")
    assert (found, await texts(store)) == ([], [""])


async def test_what_the_business_takes_back_in_its_own_app_takes_no_conversation_over(
    store: Store, world: World
) -> None:
    await says(store, "we call you", "1", from_team=True)
    submission = a_submission(a_withdrawal("1", from_team=True))
    assert list(take_overs([submission], await store.submit(submission))) == []
    await takes_back(store, world, "1", from_team=True)
    assert await texts(store) == [""]
