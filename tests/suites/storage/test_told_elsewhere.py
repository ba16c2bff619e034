"""Does whoever watches at one replica hear at once what a person, or a provider, changed at another?"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from kit.ids import new_id
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_owner_pb2 as owning
from parley.storage.v1 import privacy_service_pb2 as privacy
from storage_service.backends.erasure import Erasure
from storage_service.backends.hot import open_hot
from storage_service.backends.moved_chats import MovedChats
from storage_service.backends.ownership import Ownership
from storage_service.backends.repeats import Repeats
from storage_service.domain.events import Events
from storage_service.domain.moved_chats import moves
from storage_service.domain.tombstones import Tombstones
from storage_service.domain.wakeups import Wakeups
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.conftest import ON_POSTGRES
from tests.suites.storage.hot import TENANT, Store, a_submission
from tests.suites.storage.people import only_contact
from tests.suites.storage.test_moved_chats import GROUP, TO, it_moved
from tests.suites.storage.world import World

pytestmark = ON_POSTGRES

Change = Callable[[Store, World, Events], Awaitable[None]]
SOMETHING = "a conversation of which both have heard"


@asynccontextmanager
async def two_replicas(url: str) -> AsyncIterator[tuple[Events, Wakeups]]:
    """What happens at the one, and the bells of the other, which hears it."""
    here, bells = Events(Wakeups()), Wakeups()
    hots = [open_hot(url, replica_id=new_id(), events=each) for each in (here, Events(bells))]
    for hot in hots:
        await hot.database.open()
    crying = [asyncio.create_task(hot.crier.run()) for hot in hots if hot.crier]
    with bells.conversation(SOMETHING) as bell:
        async with asyncio.timeout(PATIENCE_SECONDS):
            heard = 0  # The first time it may be that it has just begun to listen, and takes everything for news.
            while heard < 2:
                for hot in hots:
                    await hot.database.beat()
                here.changed([SOMETHING], ended=())
                heard += await bell.wait(0.2)
    yield here, bells
    for task in crying:
        task.cancel()
    await asyncio.gather(*crying, return_exceptions=True)
    for hot in hots:
        await hot.database.close()


async def take_over(store: Store, world: World, events: Events) -> None:
    (conversation_id,) = [row[0] for row in await store.fetch("SELECT id FROM conversations")]
    ask = owning.SetOwnerRequest(
        tenant_id=TENANT, request_id="1", conversation_id=conversation_id, owner=chat.OWNER_HUMAN
    )
    await Ownership(world.sessions, Repeats(world.sessions, world.keyring), events=events).set_owner(ask, "somebody")


async def erase(_store: Store, world: World, events: Events) -> None:
    contact_id = await only_contact(world)
    ask = privacy.EraseContactRequest(tenant_id=TENANT, request_id="1", contact_id=contact_id)
    repeats, tombstones = Repeats(world.sessions, world.keyring), Tombstones(world.keyring)
    await Erasure(world.sessions, repeats, tombstones=tombstones, events=events).erase(ask, "somebody")


async def move(_store: Store, world: World, events: Events) -> None:
    for before, message in moves([a_submission(it_moved(TO))]):
        await MovedChats(world.sessions, events=events).follow(before, message)


@pytest.mark.parametrize("change", [take_over, erase, move])
async def test_who_watches_elsewhere_hears_of_it(store: Store, world: World, change: Change) -> None:
    said = await store.hear("hello", GROUP, sender_id="ann")
    async with two_replicas(store.url) as (here, bells):
        with bells.conversation(said.conversation_id) as bell, bells.turn_end() as ended:
            ended.listen_to_all()
            await change(store, world, here)
            assert await bell.wait(PATIENCE_SECONDS)
            ended.listen_to(said.turn_id)
            assert ended.rung == (change is not move), "nor does who awaits the turn wait for its slow look"
