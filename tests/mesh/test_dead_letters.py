"""Can a support team's program see what did not arrive and why, and send it again, once, by HTTP alone?"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from kit.ids import new_id
from parley.chat.v1.message_pb2 import DELIVERY_STATE_FAILED, DELIVERY_STATE_UNKNOWN
from parley.storage.v1.directory_service_pb2 import CreateTenantRequest
from tests.mesh.conftest import BOTH
from tests.mesh.desk import a_key, a_team
from tests.mesh.rig import Mesh, Storage
from tests.mesh.standing import conversation_of, settled
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.stalls import PATIENCE_SECONDS

INVALID_NUMBER = "21211"  # of Twilio's codes


@pytest.fixture
async def team(mesh: Mesh, storage: Storage) -> AsyncIterator[httpx.AsyncClient]:
    async with a_team(mesh, await a_key(storage, "conversations.read", "outbox.write")) as client:
        yield client


async def lost(world: World, storage: Storage, talk: Talk, who: str) -> str:
    """Telegram took the answer, and its own answer was lost. The conversation."""
    world.telegram.mode = "lost"
    try:
        await talk.say("telegram", "hello", who)
        conversation_id = await conversation_of(storage, who, channel="telegram")
        found = await settled(storage, conversation_id)
    finally:
        world.telegram.mode = "ok"
    assert [each.state for each in found.deliveries] == [DELIVERY_STATE_UNKNOWN]
    return conversation_id


async def refused(world: World, storage: Storage, talk: Talk, who: str) -> str:
    """Twilio will never take the answer. The conversation."""
    world.twilio.mode = INVALID_NUMBER
    try:
        await talk.say("whatsapp", "hello", who)
        conversation_id = await conversation_of(storage, who)
        found = await settled(storage, conversation_id)
    finally:
        world.twilio.mode = "ok"
    assert [each.state for each in found.deliveries] == [DELIVERY_STATE_FAILED]
    return conversation_id


async def listed(team: httpx.AsyncClient, conversation_id: str, **query: Any) -> list[dict[str, Any]]:
    answer = await team.get("/deliveries", params={"conversation_id": conversation_id, **query})
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["deliveries"]
    return rows


async def again(team: httpx.AsyncClient, delivery_id: str, key: str = "", **body: Any) -> httpx.Response:
    headers = {"idempotency-key": key or new_id()}
    return await team.post(f"/deliveries/{delivery_id}/retry", headers=headers, json=body or None)


@BOTH
async def test_what_nobody_knows_of_and_what_was_refused_are_listed_with_their_reasons_and_sent_again(
    world: World, storage: Storage, talk: Talk, team: httpx.AsyncClient
) -> None:
    number, chat = person(), person().lstrip("+")
    failed, unknown = await refused(world, storage, talk, number), await lost(world, storage, talk, chat)
    (one,) = await listed(team, failed, state="failed")
    assert (one["state"], one["provider_code"], one["attempts"]) == ("failed", INVALID_NUMBER, 1)
    assert one["conversation_id"] == failed
    assert one["reason"]
    (other,) = await listed(team, unknown)
    assert (other["state"], other["attempts"], other["parts_sent"]) == ("unknown", 1, 0)
    assert await listed(team, unknown, state="failed") == []

    for each in (one, other):
        done = await again(team, each["id"])
        assert (done.status_code, done.json()["duplicate"], done.json()["delivery"]["state"]) == (200, False, "queued")
    await settled(storage, failed)
    await settled(storage, unknown)
    assert world.twilio.sends.texts(f"whatsapp:{number}") == ["re: hello"]
    assert world.telegram.sends.texts(chat) == ["re: hello", "re: hello"]
    assert {each["state"] for each in await listed(team, failed)} <= {"sent", "delivered"}


@BOTH
async def test_of_two_who_send_it_again_at_once_and_of_one_who_asks_twice_it_is_sent_once(
    world: World, storage: Storage, talk: Talk, team: httpx.AsyncClient
) -> None:
    chat, keys = person().lstrip("+"), (new_id(), new_id())
    conversation_id = await lost(world, storage, talk, chat)
    (one,) = await listed(team, conversation_id)
    both = await asyncio.gather(*(again(team, one["id"], key) for key in keys))
    assert sorted(each.status_code for each in both) == [200, 409]
    (refusal,) = [each.json()["error"] for each in both if each.status_code == 409]
    assert refusal["code"] == "STATE_CONFLICT"
    (key,) = [key for key, each in zip(keys, both, strict=True) if each.status_code == 200]
    await settled(storage, conversation_id)
    repeated = await again(team, one["id"], key)
    assert (repeated.status_code, repeated.json()["duplicate"]) == (200, True)
    await settled(storage, conversation_id)
    assert len(world.telegram.sends.texts(chat)) == 2


@BOTH
async def test_who_asks_for_what_they_saw_sends_nothing_after_somebody_else_did_though_it_is_unknown_again(
    world: World, storage: Storage, talk: Talk, team: httpx.AsyncClient
) -> None:
    chat = person().lstrip("+")
    conversation_id = await lost(world, storage, talk, chat)
    (one,) = await listed(team, conversation_id)
    world.telegram.mode = "lost"
    try:
        assert (await again(team, one["id"], attempts_seen=one["attempts"])).status_code == 200
        await settled(storage, conversation_id)
        late = await again(team, one["id"], attempts_seen=one["attempts"])
        assert (late.status_code, late.json()["error"]["code"]) == (409, "STATE_CONFLICT")
        await settled(storage, conversation_id)
    finally:
        world.telegram.mode = "ok"
    assert len(world.telegram.sends.texts(chat)) == 2
    (now,) = await listed(team, conversation_id)
    assert (now["state"], now["attempts"]) == ("unknown", 2)
    for wrong in ({"attempts_seen": -1}, {"attempts_seen": "x"}, {"attempts": 2}):
        refusal = await again(team, one["id"], **wrong)
        assert (refusal.status_code, refusal.json()["error"]["code"]) == (400, "INVALID_FIELD")
    assert (await again(team, one["id"], attempts_seen=2)).status_code == 200
    await settled(storage, conversation_id)
    assert len(world.telegram.sends.texts(chat)) == 3


@BOTH
async def test_a_key_sees_its_own_tenant_and_sends_again_with_the_scope_for_it(
    mesh: Mesh, world: World, storage: Storage, talk: Talk, team: httpx.AsyncClient
) -> None:
    conversation_id = await lost(world, storage, talk, person().lstrip("+"))
    (one,) = await listed(team, conversation_id)
    tenant = CreateTenantRequest(tenant_id=new_id(), request_id=new_id(), name="another")
    await storage.directory.CreateTenant(tenant, metadata=storage.metadata, timeout=PATIENCE_SECONDS)
    scopes = ("conversations.read", "outbox.write")
    async with a_team(mesh, await a_key(storage, *scopes, tenant_id=tenant.tenant_id)) as stranger:
        assert (await stranger.get("/deliveries")).json() == {"deliveries": [], "next_page_token": ""}
        assert (await again(stranger, one["id"])).status_code == 404
    async with a_team(mesh, await a_key(storage, "conversations.read")) as reader:
        assert await listed(reader, conversation_id) == [one]
        denied = await again(reader, one["id"])
        assert (denied.status_code, denied.json()["error"]["code"]) == (403, "SCOPE_MISSING")
        assert "outbox.write" in denied.json()["error"]["message"]
    async with a_team(mesh, await a_key(storage, "outbox.write")) as writer:
        denied = await writer.get("/deliveries")
        assert (denied.status_code, "conversations.read" in denied.json()["error"]["message"]) == (403, True)
    async with a_team(mesh, "") as nobody:
        assert [(await nobody.get("/deliveries")).status_code, (await again(nobody, one["id"])).status_code] == [
            401
        ] * 2
    assert await listed(team, conversation_id) == [one]


@BOTH
async def test_pages_follow_each_other_and_what_is_wrong_is_named(
    world: World, storage: Storage, talk: Talk, team: httpx.AsyncClient
) -> None:
    for _ in "12":
        await lost(world, storage, talk, person().lstrip("+"))
    found: list[str] = []
    token = ""
    while token or not found:
        query = {"state": "unknown", "page_size": "1", "page_token": token}
        page = (await team.get("/deliveries", params=query)).json()
        found += [each["id"] for each in page["deliveries"]]
        token = page["next_page_token"]
    assert len(found) >= 2
    assert found == sorted(set(found), reverse=True)
    for wrong in ({"state": "lost"}, {"page_size": "0"}, {"page_token": "x"}):
        answer = await team.get("/deliveries", params=wrong)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_FIELD")
    no_key = await team.post(f"/deliveries/{found[0]}/retry")
    assert (no_key.status_code, no_key.json()["error"]["details"][0]["field"]) == (400, "Idempotency-Key")
    nothing = await again(team, new_id())
    assert (nothing.status_code, nothing.json()["error"]["code"]) == (404, "NOT_FOUND")


async def aside(team: httpx.AsyncClient, delivery_id: str, key: str = "", **body: Any) -> httpx.Response:
    headers = {"idempotency-key": key or new_id()}
    return await team.put(f"/deliveries/{delivery_id}/aside", headers=headers, json={"aside": True, **body})


@BOTH
async def test_what_somebody_has_dealt_with_is_put_aside_and_back_and_ends_when_it_is_sent_again(
    world: World, storage: Storage, talk: Talk, team: httpx.AsyncClient
) -> None:
    number, key = person(), new_id()
    conversation_id = await refused(world, storage, talk, number)
    left = {"state": "failed", "not_put_aside": "true"}
    (one,) = await listed(team, conversation_id, **left)
    assert (one["put_aside_at"], one["put_aside_by"]) == (None, "")
    for is_repeated in (False, True):
        done = (await aside(team, one["id"], key, attempts_seen=1)).json()
        assert (done["duplicate"], done["delivery"]["state"]) == (is_repeated, "failed")
        assert done["delivery"]["put_aside_at"]
        assert done["delivery"]["put_aside_by"] == "desk", "as people call the key"
    assert await listed(team, conversation_id, **left) == []
    assert await listed(team, conversation_id, state="failed") == [done["delivery"]]
    assert (await aside(team, one["id"], aside=False)).json()["delivery"] == one
    assert await listed(team, conversation_id, **left) == [one]
    await aside(team, one["id"])
    assert (await again(team, one["id"], attempts_seen=1)).json()["delivery"]["put_aside_at"] is None
    await settled(storage, conversation_id)
    assert world.twilio.sends.texts(f"whatsapp:{number}") == ["re: hello"]
    late = await aside(team, one["id"])
    assert (late.status_code, late.json()["error"]["code"]) == (409, "STATE_CONFLICT")


@BOTH
async def test_what_is_wrong_with_putting_aside_is_named(
    mesh: Mesh, world: World, storage: Storage, talk: Talk, team: httpx.AsyncClient
) -> None:
    conversation_id = await refused(world, storage, talk, person())
    (one,) = await listed(team, conversation_id)
    for wrong in ({"aside": None}, {"attempts_seen": -1}, {"back": True}):
        refusal = await aside(team, one["id"], **wrong)
        assert (refusal.status_code, refusal.json()["error"]["code"]) == (400, "INVALID_FIELD")
    stale = await aside(team, one["id"], attempts_seen=0)
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "STATE_CONFLICT")
    assert (await aside(team, new_id())).status_code == 404
    everywhere = await team.get("/deliveries", params={"not_put_aside": "true"})
    assert (everywhere.status_code, everywhere.json()["error"]["details"][0]["field"]) == (400, "not_put_aside")
    async with a_team(mesh, await a_key(storage, "conversations.read")) as reader:
        assert (await aside(reader, one["id"])).json()["error"]["code"] == "SCOPE_MISSING"
    assert await listed(team, conversation_id) == [one]
