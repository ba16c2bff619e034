"""A webhook's body is kept as it came: does one that names a person who was erased stay, whatever it was about?"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from kit.errors import AlreadyExists, StorageUnavailable
from kit.ids import new_id
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_change_pb2 as changes
from parley.storage.v1 import privacy_service_pb2 as pb
from storage_service.backends import payloads
from storage_service.backends.tables import Identity, RawPayload
from tests.postgres import Server as Postgres
from tests.suites.storage.hot import Store, a_message, a_submission
from tests.suites.storage.said import Chat, a_chat
from tests.suites.storage.world import DATABASES, World, open_world

ALICE, BOB = "+15550000001", "+15550000002"
OF_ALICE = b'{"from":"15550000001","text":"my secret"}'


@pytest.fixture(params=DATABASES)
async def world(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Postgres) -> AsyncIterator[World]:
    async with open_world(request.param, tmp_path, postgres_server) as opened:
        await opened.tenant("acme")
        yield opened


async def kept(one: Chat, payload: bytes, **fields: Any) -> str:
    """A body that nothing was made of."""
    known = {"tenant_id": "acme", "id": new_id(), "account_id": one.account_id, "created_at": one.at}
    row = RawPayload(**{**known, "payload": payload, **fields})
    await one.write(row)
    return row.id


async def bodies(world: World) -> list[bytes]:
    async with world.sessions.read("acme") as rows:
        found = await rows.all(rows.select(RawPayload))
    return sorted(bytes(each.payload) for each in found)


def erasing(one: Chat, request_id: str = "1") -> pb.EraseContactRequest:
    return pb.EraseContactRequest(tenant_id="acme", request_id=request_id, contact_id=one.contact_id)


async def test_of_receipts_alone_nothing_is_kept_but_the_receipts(store: Store) -> None:
    receipt = chat.Receipt(provider_message_id="SM1", state=chat.DELIVERY_STATE_READ)
    await store.submit(a_submission(receipts=[receipt], raw_payload=b"To=%2B15550000001"))
    assert await store.fetch("SELECT payload FROM raw_payloads") == []
    assert await store.fetch("SELECT provider_message_id FROM receipts") == [("SM1",)]
    odd = a_submission(receipts=[receipt], raw_payload=b'{"statuses":[{}],"odd":{}}', unreadable="nobody reads odd")
    await store.submit(odd)
    assert await store.fetch("SELECT unreadable FROM raw_payloads") == [("nobody reads odd",)]
    await store.submit(a_submission(a_message(), receipts=[receipt], raw_payload=b"{}"))
    assert len(await store.fetch("SELECT id FROM raw_payloads")) == 2


async def test_what_nobody_read_of_an_erased_person_goes_however_it_names_them(world: World) -> None:
    alice, bob = await a_chat(world, "acme", chat_id=ALICE), await a_chat(world, "acme", chat_id=BOB)
    await kept(alice, OF_ALICE, unreadable="nobody reads edit")
    await kept(alice, b"To=whatsapp%3A%2B15550000001&MessageStatus=read")
    await kept(bob, b'{"from":"15550000002"}', unreadable="nobody reads edit")
    await world.mesh.call("EraseContact", erasing(alice))
    assert await bodies(world) == [b'{"from":"15550000002"}']


async def test_a_body_that_brought_their_message_again_with_somebody_elses_goes(world: World) -> None:
    alice, bob = await a_chat(world, "acme", chat_id=ALICE), await a_chat(world, "acme", chat_id=BOB)
    await alice.hears("my secret")
    await bob.hears("hello")
    await kept(bob, b'[{"from":"15550000002"},' + OF_ALICE + b"]", conversation_id=bob.conversation_id)
    await world.mesh.call("EraseContact", erasing(alice))
    assert await bodies(world) == [b"raw hello"]


async def test_a_body_that_another_number_of_the_tenants_was_brought_goes_too(world: World) -> None:
    """Meta posts for all numbers of an app at one URL, and each account keeps what was posted."""
    alice = await a_chat(world, "acme", chat_id=ALICE)
    sibling = await world.account("acme", address="+14150000000")
    other = await world.account("acme", channel="telegram", address="bot")
    await kept(alice, OF_ALICE, account_id=sibling.id)
    await kept(alice, b'{"id":15550000001,"update":1}', account_id=other.id)
    await world.mesh.call("EraseContact", erasing(alice))
    assert await bodies(world) == [b'{"id":15550000001,"update":1}'], "a number of another channel is somebody else's"


async def test_another_tenants_bodies_stay(world: World) -> None:
    alice = await a_chat(world, "acme", chat_id=ALICE)
    await world.tenant("other")
    theirs = await a_chat(world, "other", chat_id=ALICE)
    await theirs.hears("hello")
    await world.mesh.call("EraseContact", erasing(alice))
    async with world.sessions.read("other") as rows:
        assert len(await rows.all(rows.select(RawPayload))) == 1


async def test_bodies_are_looked_at_a_few_at_a_time_and_the_database_is_left_to_others_between(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, pauses = await a_chat(world, "acme", chat_id=ALICE), list[float]()
    for number in range(7):
        await kept(alice, OF_ALICE if number % 2 else f"{number}".encode())

    async def rest(seconds: float) -> None:
        pauses.append(seconds)

    at_each_pause(monkeypatch, rest)
    await world.mesh.call("EraseContact", erasing(alice))
    assert await bodies(world) == [b"0", b"2", b"4", b"6"]
    assert len(pauses) >= 3
    assert all(pause > 0 for pause in pauses)


def at_each_pause(monkeypatch: pytest.MonkeyPatch, act: Callable[[float], Awaitable[None]]) -> None:
    """With two bodies at a time."""
    monkeypatch.setattr(payloads, "AT_ONCE", 2)
    monkeypatch.setattr(payloads, "sleep", act)


async def test_a_body_that_comes_while_they_are_looked_at_goes_as_well(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one whose id is older than what was looked at: another replica had made it, and writes it only now."""
    alice, late = await a_chat(world, "acme", chat_id=ALICE), [new_id() for _ in range(9)]
    for number in range(6):
        await kept(alice, f"{number}".encode())

    async def comes(_seconds: float) -> None:
        await kept(alice, OF_ALICE, id=late.pop())
        if len(late) == 8:
            await kept(alice, OF_ALICE)

    at_each_pause(monkeypatch, comes)
    await world.mesh.call("EraseContact", erasing(alice))
    assert await bodies(world) == [f"{number}".encode() for number in range(6)]
    assert 0 < len(late) < 7, "they came at every pause"


async def test_who_gets_another_name_meanwhile_is_erased_when_it_is_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, paused = await a_chat(world, "acme", chat_id=ALICE), list[float]()
    for body in (b'{"from":"US.1349"}', b"1", b"2"):
        await kept(alice, body)
    known = {"channel": "whatsapp", "contact_id": alice.contact_id, "account_id": alice.account_id}
    renamed = Identity(tenant_id="acme", sender_id="US.1349", created_at=alice.at, **known)

    async def becomes(seconds: float) -> None:
        paused.append(seconds)
        if len(paused) == 1:
            await alice.write(renamed)

    at_each_pause(monkeypatch, becomes)
    refusal = await world.mesh.refusal("EraseContact", erasing(alice))
    assert isinstance(refusal, StorageUnavailable)
    assert refusal.retry_after
    receipt = await world.mesh.call("EraseContact", erasing(alice))
    assert (receipt.duplicate, await bodies(world)) == (False, [b"1", b"2"])


async def test_a_request_id_that_erased_somebody_else_takes_nothing_away(world: World) -> None:
    alice, bob = await a_chat(world, "acme", chat_id=ALICE), await a_chat(world, "acme", chat_id=BOB)
    await world.mesh.call("EraseContact", erasing(bob))
    await kept(alice, OF_ALICE)
    assert isinstance(await world.mesh.refusal("EraseContact", erasing(alice)), AlreadyExists)
    assert await bodies(world) == [OF_ALICE]


async def test_an_export_tells_the_bodies_that_name_a_person_and_no_words_of_others(world: World) -> None:
    alice, bob = await a_chat(world, "acme", chat_id=ALICE), await a_chat(world, "acme", chat_id=BOB)
    await alice.hears("hello")
    unread = await kept(alice, OF_ALICE, unreadable="nobody reads edit")
    await kept(bob, b"15550000001 and what Bob said", conversation_id=bob.conversation_id)
    await kept(bob, b'{"from":"15550000002"}', unreadable="nobody reads edit")
    ask = pb.ExportContactRequest(tenant_id="acme", contact_id=alice.contact_id)
    lines = b"".join([each.chunk for each in await world.mesh.call("ExportContact", ask)]).splitlines()
    told = [line for line in map(orjson.loads, lines) if line["kind"] == "RawPayload"]
    assert (len(told), told[-1]["id"], told[-1]["unreadable"]) == (2, unread, "nobody reads edit")


async def test_the_queue_no_longer_quotes_an_erased_person_who_wrote_in_the_group_of_another(world: World) -> None:
    alice, group = await a_chat(world, "acme", chat_id=ALICE), await a_chat(world, "acme", chat_id="group")
    before = await group.handed_off("Bob wants a person")
    message = await group.hears("my secret", sender_id=ALICE)
    quoting = await group.handed_off("They wrote: my secret")
    await group.set(type(quoting), before.id, created_at=message.created_at - timedelta(minutes=1))
    await group.set(type(quoting), quoting.id, created_at=message.created_at + timedelta(minutes=1))
    await world.mesh.call("EraseContact", erasing(alice))
    listed = await world.mesh.call("ListQueue", changes.ListQueueRequest(tenant_id="acme", all=True))
    assert {each.id: each.summary for each in listed.entries} == {before.id: "Bob wants a person", quoting.id: ""}
    assert not any(each.HasField("closed_at") for each in listed.entries), "the others in it still wait"
