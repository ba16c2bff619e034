"""What may an operator send along, and does the sender hear of it? By a URL, or by bytes that the tenant has."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from kit.errors import InvalidField, NotFound, ParleyError
from parley.chat.v1 import message_pb2 as chat
from parley.chat.v1.message_pb2 import Attachment
from parley.storage.v1 import outbox_service_pb2 as outbox
from parley.storage.v1 import privacy_service_pb2 as privacy
from storage_service.backends.repeats import Repeats
from storage_service.backends.wishes import Wishes
from storage_service.domain.events import Events
from tests.suites.storage.hot import TENANT, Store
from tests.suites.storage.test_media import PICTURE, keep, lease
from tests.suites.storage.world import World, open_world

IMAGE = chat.ATTACHMENT_KIND_IMAGE
LINK = Attachment(kind=IMAGE, url="https://x.test/a.png", caption="look")


@pytest.fixture
async def world(store: Store, tmp_path: Any, postgres_server: Any) -> AsyncIterator[World]:
    async with open_world(store.url, tmp_path, postgres_server) as opened:
        yield opened


async def send(
    store: Store, world: World, text: str, *attachments: Attachment, request_id: str = "1"
) -> outbox.QueueMessageResponse:
    conversation_id = (await store.fetch("SELECT id FROM conversations ORDER BY id"))[0][0]
    wishes = Wishes(world.sessions, Repeats(world.sessions, world.keyring), events=Events(store.wakeups))
    ask = outbox.QueueMessageRequest(
        tenant_id=TENANT,
        request_id=request_id,
        conversation_id=conversation_id,
        text=text,
        attachments=attachments,
    )
    sent = await wishes.queue_message(ask, "operator")
    store.clock.now = world.sessions.now()
    return sent


async def test_a_file_by_its_url_is_leased_with_its_message(store: Store, world: World) -> None:
    await store.hear("hello")
    await send(store, world, "here you are", LINK)
    (delivery,) = await store.lease_deliveries()
    assert delivery.text == "here you are"
    assert list(delivery.attachments) == [LINK]


async def test_a_file_goes_without_words_and_nothing_goes_without_either(store: Store, world: World) -> None:
    await store.hear("hello")
    await send(store, world, "", LINK)
    (delivery,) = await store.lease_deliveries()
    assert (delivery.text, len(delivery.attachments)) == ("", 1)
    with pytest.raises(InvalidField):
        await send(store, world, " ", request_id="2")


async def test_stored_bytes_are_sent_under_the_name_that_they_came_with(store: Store, world: World) -> None:
    named = Attachment(kind=IMAGE, url=PICTURE.url, file_name="chair.png")
    await store.hear("look", attachments=[named])
    (fetch,) = await lease(store)
    await keep(store, fetch, b"12345")
    await send(store, world, "", Attachment(kind=IMAGE, media_id=fetch.media_id, caption="yours"))
    (delivery,) = await store.lease_deliveries()
    (file,) = delivery.attachments
    assert (file.media_id, file.file_name, file.media_type) == (fetch.media_id, "chair.png", "image/png")
    assert (file.size_bytes, file.caption, file.media_state) == (5, "yours", chat.MEDIA_STATE_STORED)


@pytest.mark.parametrize(
    ("attachment", "error"),
    [
        (Attachment(kind=IMAGE), InvalidField),
        (Attachment(url="https://x.test"), InvalidField),
        (Attachment(kind=99, url="https://x.test"), InvalidField),  # type: ignore[arg-type]  # as a newer caller would
        (Attachment(kind=chat.ATTACHMENT_KIND_UNSUPPORTED, url="https://x.test"), InvalidField),
        (Attachment(kind=IMAGE, url="http://x.test"), InvalidField),
        (Attachment(kind=IMAGE, url="file:///etc/passwd"), InvalidField),
        (Attachment(kind=IMAGE, url="https://x.test", media_id="m"), InvalidField),
        (Attachment(kind=IMAGE, media_id="01900000-0000-7000-8000-000000000000"), NotFound),
    ],
)
async def test_what_cannot_be_sent_is_refused_and_nothing_is_queued(
    store: Store, world: World, attachment: Attachment, error: type[ParleyError]
) -> None:
    await store.hear("hello")
    with pytest.raises(error):
        await send(store, world, "hi", attachment)
    assert await store.fetch("SELECT id FROM deliveries") == []


async def test_bytes_of_another_tenant_are_not_found(store: Store, world: World) -> None:
    await store.hear("look", attachments=[PICTURE])
    (fetch,) = await lease(store)
    await keep(store, fetch, b"1")
    await store.execute("UPDATE media SET tenant_id = 'other'")
    with pytest.raises(NotFound):
        await send(store, world, "hi", Attachment(kind=IMAGE, media_id=fetch.media_id))


async def test_what_was_sent_along_goes_with_the_person(store: Store, world: World) -> None:
    await store.hear("hello")
    await send(store, world, "", LINK)
    ((contact_id,),) = await store.fetch("SELECT contact_id FROM conversations")
    erase = privacy.EraseContactRequest(tenant_id=TENANT, request_id="e", contact_id=contact_id)
    await world.mesh.call("EraseContact", erase)
    assert await store.fetch("SELECT id FROM messages WHERE attachments IS NOT NULL") == []
    assert await store.lease_deliveries() == []
