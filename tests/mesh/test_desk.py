"""Can a support team's program see who waits, take a conversation over, answer, and give it back, by HTTP alone?"""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from kit.ids import new_id
from parley.chat.v1.message_pb2 import OWNER_QUEUE
from parley.storage.v1.directory_service_pb2 import CreateTenantRequest
from tests.mesh.conftest import BOTH
from tests.mesh.desk import a_key, a_team
from tests.mesh.rig import Mesh, Storage
from tests.mesh.standing import conversation_of, give_to, settled
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.stalls import PATIENCE_SECONDS
from tests.waiting import until


@pytest.fixture
async def team(mesh: Mesh, storage: Storage) -> AsyncIterator[httpx.AsyncClient]:
    async with a_team(mesh, await a_key(storage)) as client:
        yield client


async def change(team: httpx.AsyncClient, path: str, key: str = "", **body: Any) -> httpx.Response:
    method = "PUT" if path.endswith("/owner") else "POST"
    return await team.request(method, path, json=body, headers={"idempotency-key": key or new_id()})


async def asked(storage: Storage, talk: Talk, who: str, text: str = "hello") -> str:
    """They were answered once. Their conversation."""
    await talk.say("whatsapp", text, who)
    conversation_id = await conversation_of(storage, who)
    await settled(storage, conversation_id)
    return conversation_id


@BOTH
async def test_who_waits_is_taken_over_answered_and_given_back(
    world: World, storage: Storage, talk: Talk, team: httpx.AsyncClient
) -> None:
    who = person()
    conversation_id = await asked(storage, talk, who)
    await give_to(storage, conversation_id, OWNER_QUEUE)
    (entry,) = [
        each for each in (await team.get("/queue")).json()["entries"] if each["conversation_id"] == conversation_id
    ]
    assert (entry["reason"], entry["taken_at"], entry["closed_at"]) == ("operator_asked", None, None)
    listed = (await team.get("/conversations", params={"owner": "queue"})).json()["conversations"]
    (seen,) = [each for each in listed if each["id"] == conversation_id]
    assert (seen["owner"], seen["channel"], seen["last_seq"]) == ("queue", "whatsapp", 2)
    one = f"/conversations/{conversation_id}"
    assert (await team.get(one)).json() == seen

    taken = (await change(team, f"{one}/owner", owner="human", owner_epoch=seen["owner_epoch"])).json()
    assert (taken["owner"], taken["owner_epoch"]) == ("human", seen["owner_epoch"] + 1)
    key = new_id()
    said = [
        await change(team, f"{one}/messages", key, text="A person here.", owner_epoch=taken["owner_epoch"])
        for _ in "12"
    ]
    assert [(each.status_code, each.json()["duplicate"]) for each in said] == [(200, False), (200, True)]
    await settled(storage, conversation_id)
    assert world.twilio.sends.texts(f"whatsapp:{who}") == ["re: hello", "A person here."]

    history = (await team.get(f"{one}/messages", params={"after_seq": 1})).json()
    assert [(each["seq"], each["role"], each["text"]) for each in history["messages"]] == [
        (2, "agent", "re: hello"),
        (3, "operator", "A person here."),
    ]
    assert history["more"] is False
    given = (await change(team, f"{one}/owner", owner="agent", owner_epoch=taken["owner_epoch"])).json()
    assert given["owner"] == "agent"
    await talk.say("whatsapp", "and now?", who)
    await until(lambda: len(world.twilio.sends.texts(f"whatsapp:{who}")) == 3)


@BOTH
async def test_of_two_who_take_the_same_one_the_second_is_told_and_so_is_who_writes_too_late(
    storage: Storage, talk: Talk, team: httpx.AsyncClient
) -> None:
    conversation_id = await asked(storage, talk, person())
    one = f"/conversations/{conversation_id}"
    epoch = (await team.get(one)).json()["owner_epoch"]
    assert (await change(team, f"{one}/owner", owner="human", owner_epoch=epoch)).status_code == 200
    late = await change(team, f"{one}/owner", owner="human", owner_epoch=epoch)
    wrote = await change(team, f"{one}/messages", text="hello", owner_epoch=epoch)
    assert [(each.status_code, each.json()["error"]["code"]) for each in (late, wrote)] == [(409, "OWNER_CHANGED")] * 2


@BOTH
async def test_a_key_shows_its_own_tenant_and_does_what_its_scopes_say(
    mesh: Mesh, storage: Storage, talk: Talk, team: httpx.AsyncClient
) -> None:
    conversation_id = await asked(storage, talk, person())
    one = f"/conversations/{conversation_id}"
    tenant = CreateTenantRequest(tenant_id=new_id(), request_id=new_id(), name="another")
    await storage.directory.CreateTenant(tenant, metadata=storage.metadata, timeout=PATIENCE_SECONDS)
    async with a_team(mesh, await a_key(storage, tenant_id=tenant.tenant_id)) as stranger:
        assert (await stranger.get("/conversations")).json()["conversations"] == []
        assert (await stranger.get(one)).status_code == 404
        assert (await change(stranger, f"{one}/messages", text="hello")).status_code == 404
    async with a_team(mesh, await a_key(storage, "conversations.read")) as reader:
        assert (await reader.get(one)).status_code == 200
        refused = [
            await change(reader, f"{one}/owner", owner="human"),
            await change(reader, f"{one}/messages", text="x"),
        ]
        assert [(each.status_code, each.json()["error"]["code"]) for each in refused] == [(403, "SCOPE_MISSING")] * 2
    for key in ("", "parley_nobodys-key"):
        async with a_team(mesh, key) as nobody:
            answers = [
                await nobody.get("/queue"),
                await nobody.get(one),
                await change(nobody, f"{one}/owner", owner="human"),
            ]
            assert [each.status_code for each in answers] == [401] * 3
    assert (await team.get(one)).json()["owner"] == "agent"


@BOTH
@pytest.mark.parametrize(
    ("path", "key", "body", "field"),
    [
        ("messages", "1", {"text": ""}, "text"),
        ("messages", "1", {"text": "  "}, "text"),
        ("messages", "1", {"words": "hello"}, "words"),
        ("messages", "a b", {"text": "hello"}, "Idempotency-Key"),
        ("messages", "k" * 65, {"text": "hello"}, "Idempotency-Key"),
        ("owner", "1", {"owner": "robot"}, "owner"),
        ("owner", "1", {"owner": "human", "owner_epoch": -1}, "owner_epoch"),
    ],
)
async def test_what_is_wrong_is_named(
    storage: Storage, talk: Talk, team: httpx.AsyncClient, path: str, key: str, body: dict[str, Any], field: str
) -> None:
    answer = await change(team, f"/conversations/{new_id()}/{path}", key, **body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_FIELD")
    assert field in [each["field"] for each in answer.json()["error"]["details"]]
    wrong = await team.get("/conversations", params={"owner": "robot"})
    assert (wrong.status_code, wrong.json()["error"]["details"][0]["field"]) == (400, "query.owner")
