"""Instagram shows what we send as an echo before it answers: does the agent go on, and is a lost answer found out?"""

from collections.abc import Iterator

import pytest

from kit.ids import new_id
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_service_pb2 as conversations
from parley.storage.v1 import outbox_service_pb2 as outbox
from parley.storage.v1.conversation_pb2 import Conversation
from tests.mesh.conftest import BOTH
from tests.mesh.rig import TENANT, Mesh, Storage
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.stalls import PATIENCE_SECONDS
from tests.waiting import until

WRITTEN = {
    "We are open **9 to 5**.": "We are open 9 to 5.",
    "# Hours\n* Monday": "Hours\n- Monday",
    "See [our page](https://shop.example/hours).": "See our page (https://shop.example/hours).",
}


@pytest.fixture(autouse=True)
def echoing(mesh: Mesh, world: World) -> Iterator[None]:
    """Only while one of these tests runs: other meshes have the same Meta."""
    world.meta.echo_to = f"{mesh.base_url}/webhook/instagram"
    yield
    world.meta.echo_to, world.meta.mode = "", "ok"


@BOTH
@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("mode", ["ok", "lost"])
async def test_the_agent_goes_on_after_the_echo_of_its_own_words(
    mesh: Mesh, world: World, storage: Storage, written: str, mode: str
) -> None:
    who, world.meta.mode = person().lstrip("+"), mode
    async with Talk(mesh) as talk:
        await talk.say("instagram", f"say {written}", who)
        await until(lambda: world.meta.sends.to(who))
        await storage.rest(60)
        world.meta.mode = "ok"
        conversation = await _conversation(storage, who)
        assert conversation.owner == chat.OWNER_AGENT
        assert await _states(storage, conversation) == [chat.DELIVERY_STATE_SENT]
        await talk.say("instagram", "say and on", who)
        await until(lambda: len(world.meta.sends.to(who)) == 2)
    assert world.meta.sends.texts(who) == [WRITTEN[written], "and on"]


@BOTH
async def test_the_agent_goes_on_after_the_echo_of_a_picture(mesh: Mesh, world: World, storage: Storage) -> None:
    who, picture = person().lstrip("+"), chat.Attachment(kind=chat.ATTACHMENT_KIND_IMAGE)
    picture.url, picture.media_type = "https://shop.example/menu.png", "image/png"
    async with Talk(mesh) as talk:
        await talk.say("instagram", "say well", who)
        await until(lambda: world.meta.sends.to(who))
        conversation = await _conversation(storage, who)
        await storage.outbox.QueueMessage(
            outbox.QueueMessageRequest(
                tenant_id=TENANT,
                request_id=new_id(),
                conversation_id=conversation.id,
                role=chat.ROLE_AGENT,
                attachments=[picture],
            ),
            metadata=storage.metadata,
            timeout=PATIENCE_SECONDS,
        )
        await until(lambda: len(world.meta.sends.to(who)) == 2)
        await storage.rest(60)
        assert (await _conversation(storage, who)).owner == chat.OWNER_AGENT
        await talk.say("instagram", "say and on", who)
        await until(lambda: len(world.meta.sends.to(who)) == 3)
    assert world.meta.sends.texts(who) == ["well", "", "and on"]


async def _conversation(storage: Storage, who: str) -> Conversation:
    asked = conversations.ListConversationsRequest(tenant_id=TENANT, page_size=500)
    listed = await storage.conversations.ListConversations(asked, metadata=storage.metadata, timeout=PATIENCE_SECONDS)
    (found,) = (each for each in listed.conversations if each.chat_id == who)
    return found


async def _states(storage: Storage, conversation: Conversation) -> list[chat.DeliveryState]:
    asked = outbox.ListDeliveriesRequest(tenant_id=TENANT, conversation_id=conversation.id)
    listed = await storage.outbox.ListDeliveries(asked, metadata=storage.metadata, timeout=PATIENCE_SECONDS)
    return [each.state for each in listed.deliveries]
