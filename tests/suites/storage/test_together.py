"""Do the directory, ownership and privacy keep their word while messages are accepted, answered and sent?"""

import asyncio

import pytest
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import text

from kit.errors import OwnerChanged, StateConflict, from_item
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import delivery_requests_pb2 as attempts
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_requests_pb2 as requests
from parley.storage.v1 import directory_service_pb2 as directory_service
from parley.storage.v1 import outbox_service_pb2 as outbox
from parley.storage.v1 import privacy_service_pb2 as privacy
from parley.storage.v1.conversation_change_pb2 import ConversationChange
from parley.storage.v1.turn_requests_pb2 import Usage
from tests.suites.storage.hot import ACCOUNT, TENANT, Store, a_message
from tests.suites.storage.people import a_wish, erased, only_contact, operator_says, owned_by
from tests.suites.storage.world import World

SPENT = Usage(model="m", input_tokens=7, output_tokens=3)


async def test_after_a_take_over_the_models_text_is_refused_and_no_more_is_asked(store: Store, world: World) -> None:
    said = await store.hear("help")
    (turn,) = await store.lease()
    await owned_by(world, said.conversation_id, chat.OWNER_HUMAN)
    later = await store.hear("anybody there?")
    assert isinstance((await store.commit(turn, "I am a model")).error, OwnerChanged)
    assert (later.turn_id, await store.lease(), await store.lease_deliveries()) == ("", [], [])
    assert await store.turn_states() == [("suppressed", "owner_changed")]
    await owned_by(world, said.conversation_id, chat.OWNER_AGENT, "2")
    await store.hear("and now?")
    (answered,) = await store.lease()
    assert [each.text for each in answered.messages] == ["and now?"]


async def test_a_turn_that_was_leased_before_a_take_over_and_back_is_refused(store: Store, world: World) -> None:
    said = await store.hear("help")
    (turn,) = await store.lease()
    await owned_by(world, said.conversation_id, chat.OWNER_HUMAN)
    await owned_by(world, said.conversation_id, chat.OWNER_AGENT, "2")
    assert isinstance((await store.commit(turn, "too late")).error, OwnerChanged)
    assert await store.lease_deliveries() == []


async def test_what_is_said_after_a_take_over_and_back_does_not_wait_for_the_old_answer(
    store: Store, world: World
) -> None:
    said = await store.hear("help")
    (old,) = await store.lease()
    await owned_by(world, said.conversation_id, chat.OWNER_HUMAN)
    await owned_by(world, said.conversation_id, chat.OWNER_AGENT, "2")
    await store.hear("and now?")
    (new,) = await store.lease(worker="w2")
    assert [each.text for each in new.messages] == ["and now?"]
    for _ in range(2):
        assert isinstance((await store.extend(old)).error, OwnerChanged)
        assert isinstance((await store.commit(old, "too late", usage=SPENT)).error, OwnerChanged)
    assert (await store.commit(new, "Now it is I.", worker="w2")).error is None
    assert await store.turn_states() == [("suppressed", "owner_changed"), ("replied", "")]
    assert [each.text for each in await store.lease_deliveries()] == ["Now it is I."]
    assert await store.fetch("SELECT model, input_tokens FROM turns ORDER BY created_at") == [("m", 7), ("", 0)]
    assert await store.fetch("SELECT tokens FROM token_days") == [(10,)]


async def test_a_reply_that_a_sender_holds_is_not_sent_after_a_take_over(store: Store, world: World) -> None:
    said = await store.hear("help")
    (turn,) = await store.lease()
    await store.commit(turn, "one", "two")
    (held,) = await store.lease_deliveries()
    await owned_by(world, said.conversation_id, chat.OWNER_HUMAN)
    begun: attempts.AttemptResult = await store.record(held, "BEGUN")
    assert isinstance(from_item(begun.error), OwnerChanged)
    assert await store.delivery_states() == ["failed", "failed"]
    await operator_says(store, world, said.conversation_id, "Hello, I am a person.")
    assert [each.text for each in await store.lease_deliveries()] == ["Hello, I am a person."]


@pytest.mark.parametrize("owner", [chat.OWNER_HUMAN, chat.OWNER_NONE])
async def test_of_what_waits_when_a_human_takes_from_the_queue_only_the_word_that_passed_the_contact_on_is_sent(
    store: Store, world: World, owner: chat.Owner
) -> None:
    said = await store.hear("help")
    (turn,) = await store.lease()
    await store.commit(turn, "I am a model")
    await store.hear("a person, please")
    (turn,) = await store.lease()
    await store.commit(turn, "I pass you on.", state="HANDED_OFF")
    await owned_by(world, said.conversation_id, owner)
    store.clock.now = world.sessions.now()
    assert [each.text for each in await store.lease_deliveries()] == ["I pass you on."]
    assert await store.fetch("SELECT open_deliveries FROM conversations") == [(1,)]
    assert (await reasons(store))[0] == ("failed", "owner_changed")


async def test_what_an_agent_said_is_sent_when_its_conversation_comes_back_from_the_queue(
    store: Store, world: World
) -> None:
    said = await store.hear("help")
    (turn,) = await store.lease()
    await store.commit(turn, "I am a model", state="HANDED_OFF")
    await owned_by(world, said.conversation_id, chat.OWNER_AGENT)
    store.clock.now = world.sessions.now()
    assert [each.text for each in await store.lease_deliveries()] == ["I am a model"]


async def test_a_human_who_takes_over_lets_the_word_to_who_opted_out_go_out(store: Store, world: World) -> None:
    said = await store.hear("STOP")
    (turn,) = await store.lease()
    await store.commit(turn, "No more messages.", change=ConversationChange(opted_out=True))
    await owned_by(world, said.conversation_id, chat.OWNER_HUMAN)
    store.clock.now = world.sessions.now()
    assert [each.text for each in await store.lease_deliveries()] == ["No more messages."]


async def being_sent(store: Store, *replies: str, parts: int = 1) -> attempts.LeasedDelivery:
    """The first of the model's replies, while its first call is made."""
    await store.hear("help")
    (turn,) = await store.lease()
    await store.commit(turn, *replies)
    (held,) = await store.lease_deliveries()
    assert not (await store.record(held, "BEGUN", parts=parts)).HasField("error")
    return held


async def reasons(store: Store) -> list[tuple[str, str]]:
    return [tuple(row) for row in await store.fetch("SELECT state, reason FROM deliveries ORDER BY seq")]


@pytest.mark.parametrize("outcome", ["RETRY", "UNAUTHORIZED"])
async def test_a_reply_whose_call_failed_is_not_tried_again_after_a_take_over(
    store: Store, world: World, outcome: str
) -> None:
    held = await being_sent(store, "one", "two")
    await owned_by(world, held.conversation_id, chat.OWNER_HUMAN)
    await owned_by(world, held.conversation_id, chat.OWNER_AGENT, "2")
    ended: attempts.AttemptResult = await store.record(held, outcome, retry_after_seconds=1)
    assert ended.state == chat.DELIVERY_STATE_FAILED
    await store.execute("UPDATE channel_accounts SET state = 'active'")
    await store.sweep("freed_lanes")
    store.clock.now = world.sessions.now()
    assert (await store.lease_deliveries(), await reasons(store)) == ([], [("failed", "owner_changed")] * 2)


async def test_the_next_part_of_a_reply_does_not_begin_after_a_take_over(store: Store, world: World) -> None:
    held = await being_sent(store, "a long reply", parts=2)
    await owned_by(world, held.conversation_id, chat.OWNER_HUMAN)
    for _ in range(2):
        sent = await store.record(held, "SENT", parts=2, provider_message_id="p-0", begin_next=True)
        assert isinstance(from_item(sent.error), OwnerChanged), "also when the first answer was lost"
    begun: attempts.AttemptResult = await store.record(held, "BEGUN", part=1, parts=2)
    assert isinstance(from_item(begun.error), OwnerChanged)
    assert await reasons(store) == [("failed", "owner_changed")]
    assert [tuple(row) for row in await store.fetch("SELECT part, outcome FROM attempts")] == [(0, "sent")]


async def test_a_call_that_is_made_during_a_take_over_ends_as_it_ends(store: Store, world: World) -> None:
    held = await being_sent(store, "one")
    await owned_by(world, held.conversation_id, chat.OWNER_HUMAN)
    await store.record(held, "SENT", provider_message_id="p-1")
    assert await reasons(store) == [("sent", "")]


async def test_a_doubtful_send_is_not_repeated_after_a_take_over(store: Store, world: World) -> None:
    await store.execute("UPDATE channel_accounts SET unknown_policy = 'resend'")
    held = await being_sent(store, "one")
    await owned_by(world, held.conversation_id, chat.OWNER_HUMAN)
    store.clock.pass_seconds(31)
    await store.sweep("expired_deliveries")
    assert (await store.lease_deliveries(), await reasons(store)) == ([], [("unknown", "lease_expired")])


async def test_what_an_operator_said_is_tried_again_after_the_agent_has_it_back(store: Store, world: World) -> None:
    said = await store.hear("help")
    await owned_by(world, said.conversation_id, chat.OWNER_HUMAN)
    await operator_says(store, world, said.conversation_id, "I am a person.")
    (held,) = await store.lease_deliveries()
    await store.record(held, "BEGUN")
    await owned_by(world, said.conversation_id, chat.OWNER_AGENT, "2")
    await store.record(held, "RETRY")
    assert [each.text for each in await store.lease_deliveries()] == ["I am a person."]


async def test_a_hand_off_is_said_although_the_agent_is_silent_from_then_on(store: Store, world: World) -> None:
    said = await store.hear("help")
    (turn,) = await store.lease()
    await store.commit(turn, "A person will be with you.", state="HANDED_OFF")
    await owned_by(world, said.conversation_id, chat.OWNER_HUMAN)
    assert [each.text for each in await store.lease_deliveries()] == ["A person will be with you."]


async def test_what_waited_for_a_paused_account_goes_when_it_is_active_again(store: Store, world: World) -> None:
    await store.hear("hi")
    (turn,) = await store.lease()
    await store.commit(turn, "hello")
    (held,) = await store.lease_deliveries()
    await store.record(held, "BEGUN")
    await store.record(held, "UNAUTHORIZED")
    assert await store.lease_deliveries() == []
    ask = directory_service.SetAccountStateRequest(
        tenant_id=TENANT, request_id="1", account_id=ACCOUNT, state=directory.ACCOUNT_STATE_ACTIVE
    )
    await world.mesh.call("SetAccountState", ask)
    assert [each.text for each in await store.lease_deliveries()] == ["hello"]


async def test_an_old_webhook_of_an_erased_person_is_acknowledged_and_ignored(store: Store, world: World) -> None:
    old = a_message("secret of old")
    await store.accept(old)
    await erased(world, await only_contact(world))
    (again,) = (await store.accept(old)).messages
    assert (again.duplicate, again.message_id, again.turn_id) == (True, "", "")
    assert await store.fetch("SELECT id FROM messages WHERE text <> ''") == []
    assert await store.lease() == []
    fresh = await store.hear("I am new here")
    (turn,) = await store.lease()
    assert ([each.text for each in turn.history], turn.conversation_id) == ([], fresh.conversation_id)


async def test_an_answer_that_was_under_way_to_an_erased_person_is_dropped(store: Store, world: World) -> None:
    await store.hear("canary question")
    (turn,) = await store.lease()
    await erased(world, await only_contact(world))
    assert isinstance((await store.commit(turn, "canary answer")).error, OwnerChanged)
    assert await store.fetch("SELECT id FROM messages WHERE text <> ''") == []


async def test_a_message_accepted_while_its_sender_is_erased_is_not_left_behind(store: Store, world: World) -> None:
    for number in range(5):
        await store.hear("hello", chat_id=f"chat-{number}")
    listed = await world.mesh.call("ListContacts", requests.ListContactsRequest(tenant_id=TENANT))
    erasing = [erased(world, contact.id) for contact in listed.contacts]
    hearing = [store.hear("again", chat_id=f"chat-{number % 5}") for number in range(50)]
    await asyncio.gather(*erasing, *hearing)
    left = await store.fetch(
        "SELECT c.id, m.text FROM messages m JOIN conversations c ON c.id = m.conversation_id "
        "WHERE c.chat_id LIKE 'erased:%' AND (m.text <> '' OR m.provider_message_id IS NOT NULL)"
    )
    assert left == []
    unanswered = await store.fetch("SELECT id FROM messages WHERE text <> '' AND turn_id IS NULL")
    assert unanswered == []


async def test_a_new_chat_of_a_person_who_is_being_erased_is_a_new_persons(store: Store, world: World) -> None:
    await store.hear("hello", sender_id="ada")
    old = await only_contact(world)
    async with store.engine.begin() as erasing:
        await erasing.execute(text("UPDATE contacts SET name = '', erased_at = created_at"))
        hearing = asyncio.ensure_future(store.hear("in a group", chat_id="group", sender_id="ada"))
        await asyncio.sleep(0.2)
        await erasing.execute(text("DELETE FROM identities"))
    await hearing
    (row,) = await store.fetch("SELECT contact_id FROM conversations WHERE chat_id = 'group'")
    assert row[0] != old


@pytest.mark.parametrize("emptied_by", ["an erasure", "a retention"])
async def test_a_delivery_whose_text_is_gone_is_not_queued_again(store: Store, world: World, emptied_by: str) -> None:
    held = await being_sent(store, "canary answer")
    await store.record(held, "REJECTED")
    if emptied_by == "an erasure":
        await erased(world, await only_contact(world))
    else:
        ask = privacy.ApplyRetentionRequest(tenant_id=TENANT, messages=Duration(seconds=60))
        assert (await world.mesh.call("ApplyRetention", ask)).messages == 2
    again = outbox.RetryDeliveryRequest(tenant_id=TENANT, request_id="1", delivery_id=held.delivery_id)
    with pytest.raises(StateConflict):
        await a_wish(store, world).retry_delivery(again, "operator")
    assert (await store.delivery_states(), await store.lease_deliveries()) == (["failed"], [])


async def test_who_wrote_as_the_business_stands_in_the_audit_once(store: Store, world: World) -> None:
    said = await store.hear("help")
    for _ in range(2):
        await operator_says(store, world, said.conversation_id, "Hello, I am a person.")
    lines = await store.fetch("SELECT actor, resource_id, detail FROM audit WHERE action = 'message.queue'")
    ((message_id,),) = await store.fetch("SELECT id FROM messages WHERE role = 'operator'")
    assert [(actor, row_id) for actor, row_id, _ in lines] == [("operator", message_id)]
    assert "person" not in str(lines)
