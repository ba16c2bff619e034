"""Is a person who was erased gone, for good, and is what is kept about them told in full?"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import inspect, text
from sqlmodel import col, select

from kit.errors import AlreadyExists, NotFound, StateConflict, from_rpc
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_service_pb2 as conversations
from parley.storage.v1 import directory_requests_pb2 as requests
from parley.storage.v1 import privacy_service_pb2 as pb
from storage_service.backends import retention
from storage_service.backends.tables import Audit, Conversation, Delivery, Message, RawPayload, Tombstone, Turn
from storage_service.domain.tombstones import Tombstones
from tests.postgres import Server as Postgres
from tests.suites.storage.said import Chat, a_chat
from tests.suites.storage.world import DATABASES, World, open_world

CANARY = "canary"
PHONE = "+15559999"


@pytest.fixture(params=DATABASES)
async def world(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Postgres) -> AsyncIterator[World]:
    async with open_world(request.param, tmp_path, postgres_server) as opened:
        await opened.tenant("acme")
        yield opened


async def a_life(world: World, messages: int = 3) -> Chat:
    """A person of whom something stands in every place."""
    known = {"summary": f"{CANARY} summary", "model_conversation": f"{CANARY} conversation"}
    known |= {"language": json.dumps({"code": CANARY}), "model": f"{CANARY} model"}
    one = await a_chat(world, "acme", chat_id=PHONE, name=f"{CANARY} name", **known)
    for number in range(messages):
        await one.hears(
            f"{CANARY} {number}",
            provider_message_id=f"{CANARY}-in-{number}",
            attachments=json.dumps([{"kind": 1, "url": f"https://{CANARY}"}]),
            message_metadata=json.dumps({"ProfileName": CANARY}),
        )
    await one.waits(await one.hears("waiting", provider_message_id=f"{CANARY}-waiting"))
    await one.sent(f"dear {CANARY}", f"{CANARY}-out")
    await one.says(f"not yet sent to {CANARY}")
    await one.handed_off(f"{CANARY} wants a person")
    return one


def erase(one: Chat, request_id: str = "1") -> pb.EraseContactRequest:
    return pb.EraseContactRequest(tenant_id="acme", request_id=request_id, contact_id=one.contact_id)


async def _rows_with(world: World, word: str) -> list[str]:
    """Every row of every table that holds the word."""
    async with world.sessions.across_tenants() as session:
        connection = await session.connection()
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        rows: list[Any] = []
        for name in names:
            rows += (await connection.execute(text(f'SELECT * FROM "{name}"'))).all()
    shown = [str(tuple(bytes(v) if isinstance(v, memoryview) else v for v in row)) for row in rows]
    return [row for row in shown if word in row]


async def test_nothing_that_names_an_erased_person_stands_in_any_table(world: World) -> None:
    one = await a_life(world)
    assert len(await _rows_with(world, CANARY)) >= 10
    receipt = await world.mesh.call("EraseContact", erase(one))
    assert (receipt.messages, receipt.duplicate) == (6, False)
    assert await _rows_with(world, CANARY) == []
    assert await _rows_with(world, PHONE) == []


async def test_nothing_of_an_erased_person_stands_in_the_file_of_sqlite(
    tmp_path: Path, postgres_server: Postgres
) -> None:
    async with open_world("sqlite", tmp_path, postgres_server) as world:
        await world.tenant("acme")
        one = await a_life(world, messages=50)
        await world.mesh.call("EraseContact", erase(one))
        files = list(tmp_path.glob("parley.db*"))
        assert [file.name for file in files if CANARY.encode() in file.read_bytes()] == []


async def test_who_watches_is_told_that_nothing_follows_once_the_person_is_erased(world: World) -> None:
    one = await a_life(world)
    ask = conversations.WatchMessagesRequest(tenant_id="acme", conversation_id=one.conversation_id)
    watching = aiter(world.mesh.stream("WatchMessages", ask))
    assert (await anext(watching)).messages
    await world.mesh.call("EraseContact", erase(one))

    async def rest() -> list[Any]:
        return [message async for each in watching for message in each.messages]

    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await rest()
    assert str(from_rpc(ended.value)) == "the contact was erased"
    assert isinstance(await world.mesh.refusal("WatchMessages", ask), StateConflict)


async def test_states_and_counts_of_an_erased_person_stay(world: World) -> None:
    one = await a_life(world)
    await world.mesh.call("EraseContact", erase(one))
    ask = conversations.ListMessagesRequest(tenant_id="acme", conversation_id=one.conversation_id)
    history = (await world.mesh.call("ListMessages", ask)).messages
    assert [each.seq for each in history] == [1, 2, 3, 4, 5, 6]
    assert {each.text for each in history} == {""}
    assert history[4].delivery_state == chat.DELIVERY_STATE_DELIVERED


async def test_what_was_under_way_for_an_erased_person_ends(world: World) -> None:
    one = await a_life(world)
    await world.mesh.call("EraseContact", erase(one))
    lane = await one.row()
    assert (lane.owner, lane.owner_epoch, lane.turn_due_at, lane.delivery_due_at) == ("none", 2, None, None)
    assert lane.open_deliveries == 0
    async with world.sessions.read("acme") as rows:
        assert [each.state for each in await rows.all(rows.select(Turn))] == ["suppressed"]
        assert sorted(each.state for each in await rows.all(rows.select(Delivery))) == ["delivered", "failed"]


async def test_an_old_webhook_of_an_erased_person_is_known_by_its_hash_alone(world: World) -> None:
    one = await a_life(world)
    await world.mesh.call("EraseContact", erase(one))
    stones = Tombstones(world.keyring)
    async with world.sessions.read("acme") as rows:
        kept = {stone.digest for stone in await rows.all(rows.select(Tombstone))}
    name = {"chat_id": PHONE, "provider_message_id": f"{CANARY}-in-0"}
    assert kept & set(stones.to_find("acme", one.account_id, **name))
    assert not kept & set(stones.to_find("other", one.account_id, **name))
    assert len(kept) == 4


async def test_a_person_who_writes_again_after_an_erasure_is_a_new_contact(world: World) -> None:
    one = await a_life(world)
    await world.mesh.call("EraseContact", erase(one))
    two = await a_chat(world, "acme", chat_id=PHONE)
    assert two.conversation_id != one.conversation_id
    listed = await world.mesh.call("ListContacts", requests.ListContactsRequest(tenant_id="acme"))
    assert [each.id for each in listed.contacts] == [two.contact_id]


async def test_erasing_twice_is_a_duplicate_with_the_first_receipt(world: World) -> None:
    one = await a_life(world)
    first = await world.mesh.call("EraseContact", erase(one))
    repeated = await world.mesh.call("EraseContact", erase(one))
    other = await world.mesh.call("EraseContact", erase(one, "2"))
    assert (repeated.messages, repeated.duplicate) == (first.messages, True)
    assert (other.erased_at, other.duplicate) == (first.erased_at, True)
    two = await a_chat(world, "acme", chat_id="+2")
    assert isinstance(await world.mesh.refusal("EraseContact", erase(two)), AlreadyExists)


async def test_a_person_is_also_erased_from_what_they_wrote_in_a_group_of_others(world: World) -> None:
    one = await a_life(world)
    group = await a_chat(world, "acme", chat_id="group")
    theirs = await group.hears(f"{CANARY} in the group", sender_id=PHONE, provider_message_id=f"{CANARY}-group")
    others = await group.hears("somebody else", sender_id="+3")
    await world.mesh.call("EraseContact", erase(one))
    assert (await group.get(Message, theirs.id)).text == ""
    assert (await group.get(Message, others.id)).text == "somebody else"
    assert (await group.row()).owner == "agent"
    assert await _rows_with(world, CANARY) == []


async def test_and_from_a_chat_of_their_own_name_that_went_to_another_contact(world: World) -> None:
    one, two = await a_life(world), await a_chat(world, "acme", chat_id="+2", name="Bob")
    await one.lane(contact_id=two.contact_id)
    await one.says("dear Bob")
    await world.mesh.call("EraseContact", erase(one))
    texts = [each.text for each in await messages_of(world, one)]
    assert not [text for text in texts if text.startswith((f"{CANARY} ", "waiting"))]
    assert "dear Bob" in texts, "what was said to Bob is Bob's"


async def messages_of(world: World, one: Chat) -> list[Message]:
    async with world.sessions.read("acme") as rows:
        theirs = rows.select(Message).where(col(Message.conversation_id) == one.conversation_id)
        return list(await rows.all(theirs))


async def test_the_neighbour_of_an_erased_person_loses_nothing(world: World) -> None:
    one, two = await a_life(world), await a_chat(world, "acme", chat_id="+2", name="Bob")
    await two.hears("still here")
    await world.mesh.call("EraseContact", erase(one))
    async with world.sessions.read("acme") as rows:
        payloads = [each.payload for each in await rows.all(rows.select(RawPayload))]
    ask = conversations.ListMessagesRequest(tenant_id="acme", conversation_id=two.conversation_id)
    assert [each.text for each in (await world.mesh.call("ListMessages", ask)).messages] == ["still here"]
    assert payloads == [b"raw still here"]


async def test_an_export_tells_everything_as_json_lines_in_chunks_of_64_kib(world: World) -> None:
    one = await a_life(world)
    long = await one.hears("x" * 65_000)
    ask = pb.ExportContactRequest(tenant_id="acme", contact_id=one.contact_id)
    chunks = [each.chunk for each in await world.mesh.call("ExportContact", ask)]
    assert max(map(len, chunks)) <= 64 * 1024
    assert len(chunks) > 1
    lines = [json.loads(line) for line in b"".join(chunks).splitlines()]
    counts = {kind: sum(line["kind"] == kind for line in lines) for kind in {line["kind"] for line in lines}}
    assert counts == {
        **{"Contact": 1, "Identity": 1, "Conversation": 1, "Turn": 1, "Attempt": 1, "Receipt": 1},
        **{"Message": 7, "Delivery": 2, "RawPayload": 5, "QueueEntry": 1},
    }
    assert any(line.get("id") == long.id and len(line["text"]) == 65_000 for line in lines)
    assert any(line.get("model_conversation") == f"{CANARY} conversation" for line in lines)


async def exported(world: World, contact_id: str) -> list[dict[str, Any]]:
    ask = pb.ExportContactRequest(tenant_id="acme", contact_id=contact_id)
    chunks = [each.chunk for each in await world.mesh.call("ExportContact", ask)]
    return [json.loads(line) for line in b"".join(chunks).splitlines()]


async def test_an_export_tells_nothing_of_others_in_a_group_whoever_began_it(world: World) -> None:
    one, two = [await a_chat(world, "acme", chat_id=number) for number in ("+1", "+2")]
    group = await a_chat(world, "acme", chat_id="group", summary="what Bob said")
    await group.lane(contact_id=one.contact_id)
    await one.hears("alone")
    for sender_id, said in (("+1", "mine"), ("+2", "Bob's"), ("+1", "mine, too")):
        await group.hears(said, sender_id=sender_id)
    await group.sent("Bob asked for Bob's", "out")
    lines = await exported(world, one.contact_id)
    assert sorted(line["text"] for line in lines if line["kind"] == "Message") == ["alone", "mine", "mine, too"]
    assert "Bob" not in str(lines)
    assert [line["chat_id"] for line in lines if line["kind"] == "Conversation"] == ["+1"]
    assert len([line for line in lines if line["kind"] == "RawPayload"]) == 1
    texts = [line["text"] for line in await exported(world, two.contact_id) if line["kind"] == "Message"]
    assert texts == ["Bob's"]


async def test_a_group_in_which_nobody_else_wrote_is_exported_whole(world: World) -> None:
    one = await a_chat(world, "acme", chat_id="+1")
    group = await a_chat(world, "acme", chat_id="group")
    await group.lane(contact_id=one.contact_id)
    await group.hears("mine", sender_id="+1")
    await group.sent("an answer", "out")
    texts = [line["text"] for line in await exported(world, one.contact_id) if line["kind"] == "Message"]
    assert texts == ["mine", "an answer"]


async def test_an_export_is_noted_and_of_nobody_is_not_found(world: World) -> None:
    one = await a_life(world)
    nobody = pb.ExportContactRequest(tenant_id="acme", contact_id="x")
    assert isinstance(await world.mesh.refusal("ExportContact", nobody), NotFound)
    await world.mesh.call("ExportContact", pb.ExportContactRequest(tenant_id="acme", contact_id=one.contact_id))
    async with world.sessions.across_tenants() as session:
        actions = [line.action for line in (await session.exec(select(Audit))).all()]
    assert actions.count("contact.export") == 1


async def test_retention_removes_what_is_older_and_keeps_what_is_being_answered_or_sent(world: World) -> None:
    one = await a_chat(world, "acme", summary="of old")
    long_ago = one.at - timedelta(days=40)
    old = await one.hears("old", created_at=long_ago)
    answering = await one.hears("old but open", created_at=long_ago)
    await one.waits(answering)
    new = await one.hears("new")
    ask = pb.ApplyRetentionRequest(
        tenant_id="acme", raw_payloads=Duration(seconds=86400), messages=Duration(seconds=30 * 86400)
    )
    done = await world.mesh.call("ApplyRetention", ask)
    assert (done.raw_payloads, done.messages) == (2, 1)
    texts = [(await one.get(Message, each.id)).text for each in (old, answering, new)]
    assert texts == ["", "old but open", "new"]
    again = await world.mesh.call("ApplyRetention", ask)
    assert (again.raw_payloads, again.messages) == (0, 0)


async def test_with_the_texts_of_a_conversation_that_rests_goes_what_sums_them_up(world: World) -> None:
    one = await a_chat(world, "acme", chat_id="+1", summary="of old", model_conversation="conv_1")
    two = await a_chat(world, "acme", chat_id="+2", model_conversation="conv_2")
    three = await a_chat(world, "acme", chat_id="+3", summary="of today", model_conversation="conv_3")
    for each in (one, two):
        await each.lane(updated_at=each.at - timedelta(days=40))
    ask = pb.ApplyRetentionRequest(tenant_id="acme", messages=Duration(seconds=30 * 86400))
    await world.mesh.call("ApplyRetention", ask)
    lanes = [await each.row() for each in (one, two, three)]
    assert [(lane.summary, lane.model_conversation) for lane in lanes] == [("", ""), ("", ""), ("of today", "conv_3")]


async def test_retention_without_ages_keeps_everything(world: World) -> None:
    one = await a_life(world)
    done = await world.mesh.call("ApplyRetention", pb.ApplyRetentionRequest(tenant_id="acme"))
    assert (done.raw_payloads, done.messages) == (0, 0)
    assert (await one.get(Conversation, one.conversation_id)).summary == f"{CANARY} summary"


async def test_retention_leaves_the_database_to_others_after_each_bite(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, pauses = await a_chat(world, "acme"), list[float]()
    for number in range(5):
        await one.hears(f"old {number}", created_at=one.at - timedelta(days=40))

    async def rest(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(retention, "AT_ONCE", 2)
    monkeypatch.setattr(retention, "sleep", rest)
    ask = pb.ApplyRetentionRequest(tenant_id="acme", messages=Duration(seconds=86400))
    assert (await world.mesh.call("ApplyRetention", ask)).messages == 5
    assert len(pauses) == 3
    assert all(pause > 0 for pause in pauses)


async def test_retention_whose_caller_is_gone_half_way_stands_in_the_audit_as_far_as_it_went(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, bites = await a_chat(world, "acme"), list[float]()
    for number in range(5):
        await one.hears(f"old {number}", created_at=one.at - timedelta(days=40))
    ask = pb.ApplyRetentionRequest(tenant_id="acme", messages=Duration(seconds=86400))
    call = world.mesh.stream("ApplyRetention", ask, timeout_seconds=60)

    async def rest(seconds: float) -> None:
        bites.append(seconds)
        if len(bites) == 2:
            call.cancel()
            await asyncio.Event().wait()

    monkeypatch.setattr(retention, "AT_ONCE", 2)
    monkeypatch.setattr(retention, "sleep", rest)
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await _retention_in_the_audit(world) == [4]
    assert (await world.mesh.call("ApplyRetention", ask)).messages == 1
    assert (await world.mesh.call("ApplyRetention", ask)).messages == 0
    assert await _retention_in_the_audit(world) == [4, 1]


async def _retention_in_the_audit(world: World) -> list[int]:
    async with world.sessions.read("acme") as rows:
        lines = await rows.all(rows.select(Audit).where(col(Audit.action) == "retention.apply").order_by(col(Audit.id)))
    return [json.loads(line.detail)["messages"] for line in lines]
