"""What do people do meanwhile: who has a conversation, who says something in it, who is erased?"""

from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_owner_pb2 as owning
from parley.storage.v1 import conversation_pb2
from parley.storage.v1 import directory_requests_pb2 as requests
from parley.storage.v1 import outbox_service_pb2 as outbox
from parley.storage.v1 import privacy_service_pb2 as privacy
from storage_service.backends.repeats import Repeats
from storage_service.backends.wishes import Wishes
from storage_service.domain.events import Events
from tests.suites.storage.hot import TENANT, Store
from tests.suites.storage.world import World


async def owned_by(
    world: World, conversation_id: str, owner: chat.Owner, request_id: str = "1"
) -> conversation_pb2.Conversation:
    ask = owning.SetOwnerRequest(tenant_id=TENANT, request_id=request_id, conversation_id=conversation_id, owner=owner)
    response: owning.SetOwnerResponse = await world.mesh.call("SetOwner", ask)
    return response.conversation


async def only_contact(world: World) -> str:
    listed = await world.mesh.call("ListContacts", requests.ListContactsRequest(tenant_id=TENANT))
    (contact,) = listed.contacts
    return str(contact.id)


async def erased(world: World, contact_id: str) -> None:
    ask = privacy.EraseContactRequest(tenant_id=TENANT, request_id=contact_id, contact_id=contact_id)
    await world.mesh.call("EraseContact", ask)


def a_wish(store: Store, world: World) -> Wishes:
    return Wishes(world.sessions, Repeats(world.sessions, world.keyring), events=Events(store.wakeups))


async def operator_says(store: Store, world: World, conversation_id: str, said: str) -> None:
    ask = outbox.QueueMessageRequest(tenant_id=TENANT, request_id="1", conversation_id=conversation_id, text=said)
    await a_wish(store, world).queue_message(ask, "operator")
    store.clock.now = world.sessions.now()
