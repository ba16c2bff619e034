"""Who reads the bytes of an attachment, and where do they go when the person goes? On both databases."""

import base64
import hashlib
import json
import os
import re
import string
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from sqlmodel import col

from kit.errors import InvalidField, LeaseLost, MediaExpired, NotFound, ScopeMissing
from kit.ids import new_id
from kit.moments import utc_now
from parley.storage.v1 import media_service_pb2 as pb
from parley.storage.v1 import privacy_service_pb2 as privacy
from storage_service.backends.rows import Rows, Who
from storage_service.backends.tables import Media, MediaPiece, Message
from storage_service.domain.sealing import Keyring
from storage_service.domain.sharing import Shares
from tests.postgres import Server as Postgres
from tests.suites.storage.said import Chat, a_chat
from tests.suites.storage.world import DATABASES, World, open_world

PIECES = (b"canary " + b"1" * 200_000, b"canary 2")


@pytest.fixture(params=DATABASES)
async def world(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Postgres) -> AsyncIterator[World]:
    async with open_world(request.param, tmp_path, postgres_server) as opened:
        await opened.tenant("acme")
        yield opened


async def stored(one: Chat, message: Message, *, state: str = "stored", reason: str = "") -> Media:
    """An attachment of the message whose bytes are here."""
    now = utc_now()
    media = Media(
        tenant_id=message.tenant_id,
        id=new_id(),
        conversation_id=message.conversation_id,
        message_id=message.id,
        account_id=message.account_id,
        attachment=json.dumps({"kind": 1, "url": "https://canary", "file_name": "../../canary.png"}),
        state=state,
        reason=reason,
        media_type="image/png",
        size_bytes=sum(map(len, PIECES)),
        pieces=len(PIECES),
        sha256=hashlib.sha256(b"".join(PIECES)).digest(),
        worker_id="f1",
        epoch=1,
        lease_seconds=60,
        due_at=now + timedelta(hours=1),
        created_at=now,
        ended_at=now if state == "stored" else None,
    )
    pieces = [
        MediaPiece(tenant_id=media.tenant_id, media_id=media.id, number=number, content=content)
        for number, content in enumerate(PIECES)
    ]

    async def write(rows: Rows) -> None:
        await rows.add(media, *pieces)

    await one.world.sessions.write(Who(one.tenant_id, "test"), write)
    return media


def asked(media: Media, tenant_id: str = "acme") -> pb.GetMediaRequest:
    return pb.GetMediaRequest(tenant_id=tenant_id, media_id=media.id)


async def rows_of(world: World) -> tuple[int, int]:
    async with world.sessions.read("acme") as rows:
        return len(await rows.all(rows.select(Media))), len(await rows.all(rows.select(MediaPiece)))


async def test_bytes_are_streamed_after_what_is_known_of_them(world: World) -> None:
    one = await a_chat(world, "acme")
    media = await stored(one, await one.hears("look"))
    known, *pieces = await world.mesh.call("GetMedia", asked(media))
    assert (known.media.media_type, known.media.file_name) == ("image/png", "../../canary.png")
    assert (known.media.size_bytes, known.media.message_id) == (sum(map(len, PIECES)), media.message_id)
    assert tuple(each.content for each in pieces) == PIECES


async def test_bytes_are_the_tenant_s_own_and_want_the_scope(world: World) -> None:
    one = await a_chat(world, "acme")
    media = await stored(one, await one.hears("look"))
    await world.tenant("other")
    stranger = await world.key_client("other")
    assert isinstance(await stranger.refusal("GetMedia", asked(media, "other")), NotFound)
    clerk = await world.key_client("acme", "privacy")
    assert isinstance(await clerk.refusal("GetMedia", asked(media)), ScopeMissing)
    own = await world.key_client("acme", "conversations.read")
    assert len(await own.call("GetMedia", asked(media, ""))) == 1 + len(PIECES)


async def test_what_is_not_here_yet_is_not_found(world: World) -> None:
    one = await a_chat(world, "acme")
    media = await stored(one, await one.hears("look"), state="fetching")
    assert isinstance(await world.mesh.refusal("GetMedia", asked(media)), NotFound)


async def test_what_was_kept_for_its_time_is_not_unknown_but_gone(world: World) -> None:
    one = await a_chat(world, "acme")
    media = await stored(one, await one.hears("look"), state="unavailable", reason="expired")
    gone = await world.mesh.refusal("GetMedia", asked(media))
    assert (type(gone), gone.http_status) == (MediaExpired, 410)
    share = pb.ShareMediaRequest(tenant_id="acme", media_id=media.id)
    assert isinstance(await world.mesh.refusal("ShareMedia", share), MediaExpired)


async def test_who_reads_while_the_bytes_are_removed_hears_that_they_are_not_all(world: World) -> None:
    one = await a_chat(world, "acme")
    media = await stored(one, await one.hears("look"))

    async def trim(rows: Rows) -> None:
        await rows.change(rows.delete(MediaPiece).where(col(MediaPiece.number) == 1))

    await world.sessions.write(Who("acme", "test"), trim)
    assert isinstance(await world.mesh.refusal("GetMedia", asked(media)), MediaExpired)


@pytest.mark.parametrize("state", ["stored", "fetching"])
async def test_the_files_of_an_erased_person_are_gone_and_nobody_brings_them_back(world: World, state: str) -> None:
    one = await a_chat(world, "acme", chat_id="+1")
    group = await a_chat(world, "acme", chat_id="group")
    media = await stored(one, await one.hears("look"), state=state)
    await stored(group, await group.hears("look", sender_id="+1"), state=state)
    others = await stored(group, await group.hears("and here", sender_id="+3"))
    erase = privacy.EraseContactRequest(tenant_id="acme", request_id="1", contact_id=one.contact_id)
    await world.mesh.call("EraseContact", erase)
    assert await rows_of(world) == (1, len(PIECES))
    assert len(await world.mesh.call("GetMedia", asked(others))) == 1 + len(PIECES)
    named: dict[str, Any] = {"worker_id": "f1", "tenant_id": "acme", "media_id": media.id, "epoch": 1}
    late = pb.AppendMediaRequest(**named, number=2, content=b"canary 3")
    assert isinstance(await world.mesh.refusal("AppendMedia", late), LeaseLost)
    end = pb.EndFetchRequest(**named, conversation_id=media.conversation_id, outcome=pb.FETCH_OUTCOME_STORED, pieces=3)
    assert isinstance(await world.mesh.refusal("EndFetch", end), LeaseLost)
    assert await rows_of(world) == (1, len(PIECES))


async def test_an_export_takes_the_files_along(world: World) -> None:
    one = await a_chat(world, "acme")
    await stored(one, await one.hears("look"))
    ask = privacy.ExportContactRequest(tenant_id="acme", contact_id=one.contact_id)
    chunks = [each.chunk for each in await world.mesh.call("ExportContact", ask)]
    lines = [json.loads(line) for line in b"".join(chunks).splitlines()]
    pieces = [base64.b64decode(line["content"]) for line in lines if line["kind"] == "MediaPiece"]
    assert [line["kind"] for line in lines].count("Media") == 1
    assert tuple(pieces) == PIECES


async def test_with_old_texts_go_their_files(world: World) -> None:
    one = await a_chat(world, "acme")
    await stored(one, await one.hears("old", created_at=one.at - timedelta(days=40)))
    await stored(one, await one.hears("new"))
    ask = privacy.ApplyRetentionRequest(tenant_id="acme", messages=Duration(seconds=30 * 86400))
    await world.mesh.call("ApplyRetention", ask)
    assert await rows_of(world) == (1, len(PIECES))


async def test_a_piece_is_no_larger_than_the_contract_says(world: World) -> None:
    one = await a_chat(world, "acme")
    media = await stored(one, await one.hears("look"), state="fetching")
    named: dict[str, Any] = {"worker_id": "f1", "tenant_id": "acme", "media_id": media.id, "epoch": 1, "number": 0}
    large = pb.AppendMediaRequest(**named, content=bytes(256 * 1024 + 1))
    assert isinstance(await world.mesh.refusal("AppendMedia", large), InvalidField)
    await world.mesh.call("AppendMedia", pb.AppendMediaRequest(**named, content=bytes(256 * 1024)))


async def test_a_token_opens_one_file_for_a_while_and_tells_nothing_of_it(world: World) -> None:
    one = await a_chat(world, "acme")
    media = await stored(one, await one.hears("look"))
    share = pb.ShareMediaRequest(tenant_id="acme", media_id=media.id)
    token = (await world.mesh.call("ShareMedia", share)).token
    assert re.fullmatch(r"[A-Za-z0-9_.-]{50,400}", token)
    assert media.id not in token
    named = await world.mesh.call("ResolveSharedMedia", pb.ResolveSharedMediaRequest(token=token))
    assert (named.tenant_id, named.media_id) == ("acme", media.id)


async def test_only_what_is_stored_is_shared_and_by_the_mesh_alone(world: World) -> None:
    one = await a_chat(world, "acme")
    media = await stored(one, await one.hears("look"), state="fetching")
    share = pb.ShareMediaRequest(tenant_id="acme", media_id=media.id)
    assert isinstance(await world.mesh.refusal("ShareMedia", share), NotFound)
    clerk = await world.key_client("acme")
    assert isinstance(await clerk.refusal("ShareMedia", share), ScopeMissing)


def test_a_token_ends_and_one_that_was_changed_opens_nothing() -> None:
    now = [utc_now()]
    shares = Shares(Keyring({"k": b"k" * 32}, random_bytes=os.urandom), lambda: now[0])
    token = shares.token("acme", "m1", lasts=timedelta(minutes=1))
    assert shares.read(token) == ("acme", "m1")
    others = Shares(Keyring({"k": b"x" * 32}, random_bytes=os.urandom), lambda: now[0])
    changed = [token[:-1] + last for last in string.ascii_letters + string.digits + "-_" if last != token[-1]]
    wrong = [(each, shares) for each in (*changed, "", ".", "a.b", "\u00fc.x", "." + token)]
    for each, reader in [(token, others), *wrong]:
        with pytest.raises(NotFound):
            reader.read(each)
    now[0] += timedelta(minutes=1, seconds=1)
    with pytest.raises(NotFound):
        shares.read(token)
