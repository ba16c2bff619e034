"""What does a person see, and who is asked for, when WhatsApp takes no free text any more?"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

from sqlalchemy import update
from sqlmodel import col

from kit.ids import new_id
from kit.moments import utc_now
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_change_pb2 as changes
from parley.storage.v1 import directory_service_pb2 as directory
from parley.storage.v1 import outbox_service_pb2 as outbox
from storage_service.backends.engines import open_engine
from storage_service.backends.tables import Conversation
from tests.mesh.conftest import BOTH
from tests.mesh.rig import TENANT, Mesh, Storage
from tests.mesh.standing import CALL_SECONDS, conversation_of, once, settled
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.waiting import until

TEMPLATE = "HX" + "a" * 32
TEMPLATED = {"outside_window": "template", "template": TEMPLATE, "template_variable": "1"}


async def answered(storage: Storage, talk: Talk, who: str) -> str:
    """The id of the conversation with somebody who wrote and has heard the agent."""
    await talk.say("whatsapp", f"I am {who}", who)
    conversation = await conversation_of(storage, who)
    await once(storage, conversation, lambda found: found.ends and not found.busy)
    return conversation


async def passes_a_day(mesh: Mesh, conversation: str) -> None:
    """Without waiting for it: since they last wrote."""
    engine = open_engine(mesh.plan.database_url)
    aged = update(Conversation).where(col(Conversation.id) == conversation)
    async with engine.begin() as connection:
        await connection.execute(aged.values(last_inbound_at=utc_now() - timedelta(hours=24, seconds=1)))
    await engine.dispose()


async def says(storage: Storage, conversation: str, text: str) -> None:
    request = outbox.QueueMessageRequest(
        tenant_id=TENANT, request_id=new_id(), conversation_id=conversation, text=text, role=chat.ROLE_AGENT
    )
    await storage.outbox.QueueMessage(request, metadata=storage.metadata, timeout=CALL_SECONDS)


async def summaries(
    storage: Storage, conversation: str, why: changes.HandOffReason = changes.HAND_OFF_REASON_WINDOW_CLOSED
) -> list[str]:
    """What waits for a human for the window's sake, or another one's."""
    ask = changes.ListQueueRequest(tenant_id=TENANT, page_size=500)
    listed = await storage.conversations.ListQueue(ask, metadata=storage.metadata, timeout=CALL_SECONDS)
    mine = [each for each in listed.entries if each.conversation_id == conversation]
    return [each.summary for each in mine if each.reason == why]


@contextlib.asynccontextmanager
async def options(storage: Storage, wanted: Mapping[str, str]) -> AsyncIterator[None]:
    """For a while the WhatsApp account says so."""
    await _put(storage, wanted)
    try:
        yield
    finally:
        await _put(storage, {})


async def _put(storage: Storage, wanted: Mapping[str, str]) -> None:
    (account,) = [each for each in await storage.accounts() if each.channel == "whatsapp"]
    account.options.clear()
    account.options.update(wanted)
    put = directory.PutChannelAccountRequest(tenant_id=TENANT, request_id=new_id(), account=account)
    await storage.directory.PutChannelAccount(put, metadata=storage.metadata, timeout=CALL_SECONDS)


@BOTH
async def test_after_a_day_of_silence_a_text_waits_for_a_human_and_the_person_hears_nothing(
    mesh: Mesh, world: World
) -> None:
    who = person()
    async with mesh.storage() as storage, Talk(mesh) as talk:
        conversation = await answered(storage, talk, who)
        await passes_a_day(mesh, conversation)
        await says(storage, conversation, "Your parcel is here.")
        found = await settled(storage, conversation)
        (summary,) = await summaries(storage, conversation)
    assert world.twilio.sends.texts(f"whatsapp:{who}") == [f"re: I am {who}"]
    assert (found.conversation.owner, summary.endswith("Your parcel is here.")) == (chat.OWNER_QUEUE, True)
    assert [each.reason for each in found.deliveries if each.state == chat.DELIVERY_STATE_FAILED] == ["window_closed"]


@BOTH
async def test_an_account_with_a_template_says_it_by_that_once_until_they_write_again(mesh: Mesh, world: World) -> None:
    who = person()
    async with mesh.storage() as storage, Talk(mesh) as talk, options(storage, TEMPLATED):
        conversation = await answered(storage, talk, who)
        await passes_a_day(mesh, conversation)
        await says(storage, conversation, "Your parcel is here.")
        found = await settled(storage, conversation)
        assert (found.conversation.owner, await summaries(storage, conversation)) == (chat.OWNER_AGENT, [])
        await says(storage, conversation, "It is still here.")
        found = await settled(storage, conversation)
        (summary,) = await summaries(storage, conversation)
    sent = [(send.template, send.text) for send in world.twilio.sends.to(f"whatsapp:{who}")]
    assert sent == [("", f"re: I am {who}"), (TEMPLATE, "Your parcel is here.")]
    assert (found.conversation.owner, summary.endswith("It is still here.")) == (chat.OWNER_QUEUE, True)


@BOTH
async def test_an_account_with_another_one_says_it_from_there_to_whom_has_written_there(
    mesh: Mesh, world: World
) -> None:
    who, stranger = person(), person()
    async with mesh.storage() as storage, Talk(mesh) as talk:
        (sms,) = [each.id for each in await storage.accounts() if each.channel == "sms"]
        async with options(storage, {"outside_window": "other_account", "other_account": sms}):
            await talk.say("sms", f"I am {who}, too", who)
            chats = [await answered(storage, talk, each) for each in (who, stranger)]
            for conversation in chats:
                await passes_a_day(mesh, conversation)
                await says(storage, conversation, "Your parcel is here.")
            known, unknown = [await settled(storage, each) for each in chats]
            await until(lambda: len(world.twilio.sends.texts(who)) == 2)
    assert world.twilio.sends.texts(who) == [f"re: I am {who}, too", "Your parcel is here."]
    assert world.twilio.sends.texts(f"whatsapp:{who}") == [f"re: I am {who}"]
    assert [each.reason for each in known.deliveries if each.reason] == ["said_elsewhere"]
    assert (known.conversation.owner, unknown.conversation.owner) == (chat.OWNER_AGENT, chat.OWNER_QUEUE)
    assert world.twilio.sends.texts(stranger) == []


@BOTH
async def test_a_reply_that_did_not_arrive_becomes_a_humans_where_the_account_wants_that(
    mesh: Mesh, world: World
) -> None:
    who, statuses = person(), world.twilio.statuses
    async with mesh.storage() as storage, Talk(mesh) as talk, options(storage, {"undelivered": "human"}):
        world.twilio.statuses = ("sent", "failed:30003")
        try:
            await talk.say("whatsapp", f"I am {who}", who)
            conversation = await conversation_of(storage, who)
            found = await once(storage, conversation, lambda found: found.conversation.owner == chat.OWNER_QUEUE)
        finally:
            world.twilio.statuses = statuses
        told = await summaries(storage, conversation, changes.HAND_OFF_REASON_NOT_DELIVERED)
    assert told == ["A reply did not reach them (receipt 30003)."]
    assert [(each.state, each.reason) for each in found.deliveries] == [(chat.DELIVERY_STATE_FAILED, "receipt")]


@BOTH
async def test_a_reply_that_is_refused_in_a_callback_is_said_by_the_template_once(mesh: Mesh, world: World) -> None:
    who, statuses = person(), world.twilio.statuses
    async with mesh.storage() as storage, Talk(mesh) as talk, options(storage, TEMPLATED):
        world.twilio.statuses = ("sent", "failed:63016", "failed:63016")
        try:
            await talk.say("whatsapp", f"I am {who}", who)
            conversation = await conversation_of(storage, who)
            found = await once(
                storage,
                conversation,
                lambda found: any(each.state == chat.DELIVERY_STATE_DELIVERED for each in found.deliveries),
            )
        finally:
            world.twilio.statuses = statuses
    sent = [(send.template, send.text) for send in world.twilio.sends.to(f"whatsapp:{who}")]
    assert sent == [("", f"re: I am {who}"), (TEMPLATE, f"re: I am {who}")]
    assert (len(found.deliveries), found.conversation.owner) == (1, chat.OWNER_AGENT)
