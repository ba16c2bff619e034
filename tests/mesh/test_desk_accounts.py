"""Can a support team's program see which account is paused and why, and pause and resume one, by HTTP alone?"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest

from channels.channel import Webhook
from channels.slack_signature import sign
from kit.ids import new_id
from parley.storage.v1.directory_service_pb2 import CreateTenantRequest
from tests.mesh.conftest import BOTH
from tests.mesh.desk import a_key, a_team
from tests.mesh.rig import SMS, TELEGRAM_SECRET, Mesh, Storage
from tests.mesh.standing import conversation_of, once
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.simulated.slack import SIGNING_SECRET
from tests.simulated.twilio import AUTH_TOKEN
from tests.stalls import PATIENCE_SECONDS
from tests.waiting import until

SCOPES = ("directory.read", "directory.write")
WRONG_TOKEN = "20003"  # of Twilio's codes


@pytest.fixture
async def team(mesh: Mesh, storage: Storage) -> AsyncIterator[httpx.AsyncClient]:
    """Whatever becomes of a test, the account takes part in the next."""
    async with a_team(mesh, await a_key(storage, *SCOPES)) as client:
        yield client
        assert (await set_state(client, (await sms(client))["id"], "active")).status_code == 200


async def sms(team: httpx.AsyncClient, channel: str = "sms") -> dict[str, Any]:
    answer = await team.get("/accounts", params={"channel": channel})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["accounts"]
    (one,) = found
    return one


async def set_state(team: httpx.AsyncClient, account_id: str, state: str, key: str = "") -> httpx.Response:
    headers = {"idempotency-key": key or new_id()}
    return await team.put(f"/accounts/{account_id}/state", json={"state": state}, headers=headers)


async def paused(team: httpx.AsyncClient) -> dict[str, Any]:
    """Waits until the account is, by the mesh itself."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (found := await sms(team))["state"] != "paused":
            await asyncio.sleep(0.05)
    return found


@BOTH
async def test_an_account_is_paused_and_what_waited_goes_out_when_it_is_resumed(
    world: World, mesh: Mesh, storage: Storage, team: httpx.AsyncClient
) -> None:
    who, one = person(), await sms(team)
    assert (one["state"], one["reason"], one["address"]) == ("active", "", SMS)
    key = new_id()
    for _ in "12":
        done = await set_state(team, one["id"], "paused", key)
        assert (done.status_code, done.json()["state"], done.json()["reason"]) == (200, "paused", "operator")
    seen = await sms(team)
    assert (seen["health"]["state"], seen["health"]["reason"]) == ("look", "paused")
    assert seen["changed_at"] > one["changed_at"]
    async with Talk(mesh) as talk:
        await talk.say("sms", "hello", who)
    conversation_id = await conversation_of(storage, who, channel="sms")
    await once(storage, conversation_id, lambda found: found.deliveries)
    assert world.twilio.sends.texts(who) == []
    assert (await set_state(team, one["id"], "active")).json()["state"] == "active"
    await until(lambda: world.twilio.sends.texts(who))
    assert world.twilio.sends.texts(who) == ["re: hello"]


@BOTH
async def test_one_whose_token_was_refused_says_so_and_is_resumed_when_that_is_mended(
    world: World, mesh: Mesh, team: httpx.AsyncClient
) -> None:
    who, before = person(), await sms(team)
    world.twilio.mode = WRONG_TOKEN
    try:
        async with Talk(mesh) as talk:
            await talk.say("sms", "hello", who)
        found = await paused(team)
    finally:
        world.twilio.mode = "ok"
    assert (found["reason"], found["health"]["state"]) == ("unauthorized", "broken")
    assert found["changed_at"] > before["changed_at"]
    assert world.twilio.sends.texts(who) == []
    assert (await set_state(team, found["id"], "active")).status_code == 200
    await until(lambda: world.twilio.sends.texts(who))
    assert (await sms(team))["health"]["state"] == "ok"


@BOTH
async def test_one_whose_app_was_removed_says_so_before_anything_is_sent(
    world: World, mesh: Mesh, team: httpx.AsyncClient
) -> None:
    at, who = datetime.now(UTC) + timedelta(seconds=1), person().lstrip("+")
    removed = {"type": "event_callback", "team_id": "T1", "event": {"type": "app_uninstalled"}}
    body = orjson.dumps(removed | {"event_time": int(at.timestamp())})
    headers = {"content-type": "application/json", **sign(body, secret=SIGNING_SECRET, at=int(at.timestamp()))}
    async with Talk(mesh) as talk:
        assert (await talk.post(Webhook("POST", f"{mesh.base_url}/webhook/slack", headers, body, at))).status == 200
        found = await sms(team, "slack")
        assert (found["state"], found["reason"], found["health"]["state"]) == ("paused", "unauthorized", "broken")
        await talk.say("slack", "hello", f"U{who}")
        assert (await set_state(team, found["id"], "active")).status_code == 200
        await until(lambda: world.slack.sends.to(f"D{who}"))


@BOTH
async def test_no_credential_is_shown_and_a_key_sees_its_own_tenant_and_does_what_its_scopes_say(
    mesh: Mesh, storage: Storage, team: httpx.AsyncClient
) -> None:
    one = await sms(team)
    listing = (await team.get("/accounts", params={"page_size": 200})).text
    keys = [each.account_key for each in await storage.accounts()]
    assert not [each for each in (AUTH_TOKEN, TELEGRAM_SECRET, *keys) if each in listing]
    tenant = CreateTenantRequest(tenant_id=new_id(), request_id=new_id(), name="another")
    await storage.directory.CreateTenant(tenant, metadata=storage.metadata, timeout=PATIENCE_SECONDS)
    async with a_team(mesh, await a_key(storage, *SCOPES, tenant_id=tenant.tenant_id)) as stranger:
        assert (await stranger.get("/accounts")).json()["accounts"] == []
        assert (await set_state(stranger, one["id"], "paused")).status_code == 404
    async with a_team(mesh, await a_key(storage, "directory.read")) as reader:
        assert await sms(reader) == one
        denied = await set_state(reader, one["id"], "paused")
        assert (denied.status_code, "directory.write" in denied.json()["error"]["message"]) == (403, True)
    async with a_team(mesh, await a_key(storage, "conversations.read")) as other:
        denied = await other.get("/accounts")
        assert (denied.status_code, "directory.read" in denied.json()["error"]["message"]) == (403, True)
    async with a_team(mesh, "") as nobody:
        assert (await nobody.get("/accounts")).status_code == 401
    assert await sms(team) == one


@BOTH
@pytest.mark.parametrize("state", ["disabled", "", "robot"])
async def test_what_is_wrong_is_named(team: httpx.AsyncClient, state: str) -> None:
    answer = await set_state(team, (await sms(team))["id"], state)
    assert (answer.status_code, answer.json()["error"]["details"][0]["field"]) == (400, "state")
    assert (await sms(team))["state"] == "active"
