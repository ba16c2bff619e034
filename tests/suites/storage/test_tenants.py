"""Does a tenant see only itself? Every rpc of the three services, with tenant B's key on what is tenant A's."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from kit.errors import NotFound, ParleyError, ScopeMissing, TenantMismatch
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_change_pb2 as changes
from parley.storage.v1 import conversation_service_pb2 as conversations
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_requests_pb2 as requests
from parley.storage.v1 import directory_service_pb2 as pb
from parley.storage.v1 import listener_service_pb2 as listeners
from parley.storage.v1 import privacy_service_pb2 as privacy
from tests.postgres import Server as Postgres
from tests.suites.storage.said import a_chat
from tests.suites.storage.world import DATABASES, World, open_world

SERVICES = (pb.DESCRIPTOR, conversations.DESCRIPTOR, privacy.DESCRIPTOR, listeners.DESCRIPTOR)
METHODS = {
    method.name: method for file in SERVICES for service in file.services_by_name.values() for method in service.methods
}
CANARY = "canary-of-a"
NOBODY = "01900000-0000-7000-8000-000000000000"

# Only the mesh itself may call these: they are not about one tenant.
MESH_ONLY = {"ListTenants", "ReportAccounts", "ResolveChannelAccount", "VerifyApiKey", "LeaseListeners"}
# They name nothing of another tenant, or make something of one's own; the answer shows nothing foreign.
OWN = {
    *("CreateTenant", "ListChannelAccounts", "ListAgents", "CreatePromptVersion", "ListContacts", "CreateApiKey"),
    *("ListApiKeys", "ListConversations", "ListTurns", "ListQueue", "ApplyRetention", "ListListeners"),
}
# They name something that is another tenant's.
FOREIGN = {
    *("PutChannelAccount", "SetAccountState", "PutAgent", "ListPromptVersions", "RevokeApiKey"),
    "SetLivePromptVersion",
    *("GetConversation", "GetContext", "ListMessages", "WatchMessages", "AwaitTurn", "SetOwner", "ExportContact"),
    "EraseContact",
}


class Stage:
    """Tenant A with something of everything, and a key of tenant B that may do all that a key can."""

    def __init__(self, world: World, ids: dict[str, Any], client: Any) -> None:
        self.world, self.ids, self.client = world, ids, client

    def request(self, name: str, tenant_id: str) -> Any:
        """A request as B would forge it: complete, valid, with A's ids wherever one fits."""
        request = _filled(GetMessageClass(METHODS[name].input_type)(), self.ids)
        if "tenant_id" in METHODS[name].input_type.fields_by_name:
            request.tenant_id = tenant_id
        return request


@pytest.fixture(params=DATABASES)
async def stage(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Postgres) -> AsyncIterator[Stage]:
    async with open_world(request.param, tmp_path, postgres_server) as world:
        await world.tenant("a")
        await world.tenant("b")
        yield Stage(world, await _everything(world), await world.key_client("b"))


async def _everything(world: World) -> dict[str, Any]:
    one = await a_chat(world, "a", name=CANARY, chat_id=CANARY)
    message = await one.hears(CANARY)
    await one.waits(message)
    await one.handed_off(CANARY)
    prompt = requests.CreatePromptVersionRequest(
        tenant_id="a", request_id="p", prompt_name="prompt of a", text=CANARY, live=True
    )
    version = (await world.mesh.call("CreatePromptVersion", prompt)).version
    agent = directory.Agent(name=f"{CANARY}-agent", prompt_id=version.prompt_id)
    made = await world.mesh.call("PutAgent", pb.PutAgentRequest(tenant_id="a", request_id="a", agent=agent))
    key = requests.CreateApiKeyRequest(tenant_id="a", request_id="k", name=CANARY, scopes=["privacy"])
    issued = (await world.mesh.call("CreateApiKey", key)).key
    return {
        "request_id": "forged",
        "name": "b",
        "channel": "whatsapp",
        "conversation_id": one.conversation_id,
        "account_id": one.account_id,
        "chat_id": one.chat_id,
        "message_id": message.id,
        "contact_id": one.contact_id,
        "prompt_name": prompt.prompt_name,
        "number": version.number,
        "text": "x",
        "key_id": issued.id,
        "scopes": ["privacy"],
        "secret": "parley_x",
        "owner": chat.OWNER_HUMAN,
        "state": directory.ACCOUNT_STATE_DISABLED,
        "account": directory.ChannelAccount(
            id=one.account_id, tenant_id="a", channel="whatsapp", address="+14155238886", agent_id=made.agent.id
        ),
        "agent": directory.Agent(id=made.agent.id, tenant_id="a", name="x", prompt_id=version.prompt_id),
    }


def _filled(request: Any, ids: dict[str, Any]) -> Any:
    for field in request.DESCRIPTOR.fields:
        value = ids.get(field.name)
        if value is None or (field.name == "owner" and request.DESCRIPTOR.name != "SetOwnerRequest"):
            continue
        if isinstance(value, Message):
            getattr(request, field.name).CopyFrom(value)
        elif isinstance(value, list):
            getattr(request, field.name).extend(value)
        else:
            setattr(request, field.name, value)
    return request


def test_every_rpc_stands_in_the_table() -> None:
    assert sorted(METHODS) == sorted([*MESH_ONLY, *OWN, *FOREIGN])


async def test_a_key_of_another_tenant_is_refused_by_every_rpc(stage: Stage) -> None:
    before = await _snapshot(stage)
    for name in METHODS:
        error = await stage.client.refusal(name, stage.request(name, "a"))
        assert isinstance(error, TenantMismatch | ScopeMissing), (name, error)
        assert CANARY not in str(error), name
    assert await _snapshot(stage) == before


async def test_what_is_another_tenants_is_not_found_and_sounds_like_what_is_nowhere(stage: Stage) -> None:
    before = await _snapshot(stage)
    for name in sorted(FOREIGN):
        error = await stage.client.refusal(name, stage.request(name, "b"))
        assert isinstance(error, NotFound), (name, error)
        assert _told(error) == _told(await stage.client.refusal(name, _of_nothing(stage.request(name, "b")))), name
    assert await _snapshot(stage) == before


async def test_an_answer_shows_nothing_of_another_tenant(stage: Stage) -> None:
    before = await _snapshot(stage)
    for name in sorted(OWN):
        request = stage.request(name, "b")
        shown = (await stage.client.call(name, request)).SerializeToString()
        foreign = {CANARY, *(value for field, value in stage.ids.items() if field.endswith("_id"))} - {"forged"}
        assert not [value for value in foreign if value.encode() in shown], name
    assert await _snapshot(stage) == before


async def test_an_empty_tenant_is_the_callers_own(stage: Stage) -> None:
    for name in sorted(FOREIGN):
        assert isinstance(await stage.client.refusal(name, stage.request(name, "")), NotFound), name
    for name in sorted(OWN):
        await stage.client.call(name, stage.request(name, ""))


async def test_a_key_without_the_scope_is_refused(stage: Stage) -> None:
    powerless = await stage.world.key_client("b", "agent.use")
    for name in METHODS:
        error = await powerless.refusal(name, stage.request(name, "b"))
        assert isinstance(error, ScopeMissing | TenantMismatch), name


def _of_nothing(request: Any) -> Any:
    """The same request, for ids that nobody has."""
    for field in request.DESCRIPTOR.fields:
        if field.name.endswith("_id") and field.name not in {"tenant_id", "request_id"}:
            setattr(request, field.name, NOBODY if getattr(request, field.name) else "")
        elif field.name in {"account", "agent"}:
            _of_nothing(getattr(request, field.name))
    if request.DESCRIPTOR.name in {"ListPromptVersionsRequest", "SetLivePromptVersionRequest"}:
        request.prompt_name = "nobody"
    return request


def _told(error: ParleyError) -> tuple[object, ...]:
    return (type(error), error.message, error.metadata)


async def _snapshot(stage: Stage) -> list[bytes]:
    """What tenant A can see of itself."""
    asks: list[tuple[str, Any]] = [
        ("ListChannelAccounts", pb.ListChannelAccountsRequest(tenant_id="a")),
        ("ListAgents", pb.ListAgentsRequest(tenant_id="a")),
        ("ListContacts", requests.ListContactsRequest(tenant_id="a")),
        ("ListApiKeys", requests.ListApiKeysRequest(tenant_id="a")),
        ("ListConversations", conversations.ListConversationsRequest(tenant_id="a")),
        ("ListTurns", conversations.ListTurnsRequest(tenant_id="a")),
        ("ListQueue", changes.ListQueueRequest(tenant_id="a", all=True)),
    ]
    return [(await stage.world.mesh.call(name, ask)).SerializeToString(deterministic=True) for name, ask in asks]
