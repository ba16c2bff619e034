"""Can a support team's program see what waits to be answered, and what was not and why, by HTTP alone?"""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from kit.ids import new_id
from parley.chat.v1.message_pb2 import OWNER_HUMAN
from parley.storage.v1.directory_service_pb2 import CreateTenantRequest
from tests.mesh.conftest import BOTH
from tests.mesh.desk import a_key, a_team
from tests.mesh.rig import Mesh, Storage
from tests.mesh.standing import conversation_of, give_to, once, settled
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.stalls import PATIENCE_SECONDS


@pytest.fixture
async def storage(mesh: Mesh) -> AsyncIterator[Storage]:
    async with mesh.storage() as caller, caller.quiet_window(0):
        yield caller


@pytest.fixture
async def team(mesh: Mesh, storage: Storage) -> AsyncIterator[httpx.AsyncClient]:
    async with a_team(mesh, await a_key(storage, "conversations.read")) as client:
        yield client


async def thinking(world: World, storage: Storage, talk: Talk, who: str) -> str:
    """The model has been asked, and says nothing before somebody lets it. The conversation."""
    world.run(world.ollama.switch("held"))
    await talk.say("whatsapp", f"{who} asks", who)
    conversation_id = await conversation_of(storage, who)
    await once(storage, conversation_id, lambda found: [each for each in found.turns if each.attempts])
    return conversation_id


async def unanswered(world: World, storage: Storage, talk: Talk, who: str) -> str:
    """The model answered nothing, and the person was told so. The conversation."""
    world.run(world.ollama.switch("empty"))
    try:
        await talk.say("whatsapp", "hello", who)
        conversation_id = await conversation_of(storage, who)
        await settled(storage, conversation_id)
    finally:
        world.run(world.ollama.switch("ok"))
    return conversation_id


async def listed(team: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    answer = await team.get("/turns", params=query)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["turns"]
    return rows


@BOTH
async def test_what_waits_is_listed_and_so_is_what_a_human_cut_short(
    world: World, storage: Storage, talk: Talk, team: httpx.AsyncClient
) -> None:
    try:
        conversation_id = await thinking(world, storage, talk, person())
        (one,) = await listed(team, conversation_id=conversation_id)
        assert (one["state"], one["messages"], one["ended_at"]) == ("running", 1, None)
        assert one["id"] in [each["id"] for each in await listed(team)]
        await give_to(storage, conversation_id, OWNER_HUMAN)
    finally:
        world.run(world.ollama.switch("ok"))
    await settled(storage, conversation_id)
    assert await listed(team, conversation_id=conversation_id) == []
    (ended,) = await listed(team, conversation_id=conversation_id, state="suppressed")
    assert (ended["id"], ended["state"], ended["reason"]) == (one["id"], "suppressed", "owner_changed")
    assert ended["ended_at"] is not None


@BOTH
async def test_the_newest_that_failed_comes_first_where_that_is_asked_for(
    world: World, storage: Storage, talk: Talk, team: httpx.AsyncClient
) -> None:
    older, newer = [await unanswered(world, storage, talk, person()) for _ in "12"]
    found = await listed(team, state="failed", newest_first="true", page_size="2")
    assert [each["conversation_id"] for each in found] == [newer, older]
    assert {(each["state"], bool(each["reason"])) for each in found} == {("failed", True)}
    seen: list[str] = []
    token = ""
    while token or not seen:
        query = {"state": "failed", "page_size": "1", "page_token": token}
        page = (await team.get("/turns", params=query)).json()
        seen += [each["conversation_id"] for each in page["turns"]]
        token = page["next_page_token"]
    assert seen[-2:] == [older, newer]


@BOTH
async def test_a_key_sees_its_own_tenant_and_needs_the_scope_and_what_is_wrong_is_named(
    mesh: Mesh, storage: Storage, team: httpx.AsyncClient
) -> None:
    tenant = CreateTenantRequest(tenant_id=new_id(), request_id=new_id(), name="another")
    await storage.directory.CreateTenant(tenant, metadata=storage.metadata, timeout=PATIENCE_SECONDS)
    async with a_team(mesh, await a_key(storage, "conversations.read", tenant_id=tenant.tenant_id)) as stranger:
        for state in ("replied", "failed", "suppressed"):
            assert await listed(stranger, state=state) == []
    async with a_team(mesh, await a_key(storage, "directory.read")) as other:
        denied = await other.get("/turns")
        assert (denied.status_code, "conversations.read" in denied.json()["error"]["message"]) == (403, True)
    async with a_team(mesh, "") as nobody:
        assert (await nobody.get("/turns")).status_code == 401
    for wrong in ({"state": "lost"}, {"page_size": "0"}, {"page_token": "x"}):
        answer = await team.get("/turns", params=wrong)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_FIELD")
