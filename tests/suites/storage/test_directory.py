"""Does the directory keep what is configured: once, sealed, by name, and of one tenant?"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from kit.errors import AlreadyExists, CredentialMissing, InvalidField, NotFound, ScopeMissing
from kit.moments import stamp, utc_now
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_requests_pb2 as requests
from parley.storage.v1 import directory_service_pb2 as pb
from storage_service.backends import seeding
from storage_service.backends.tables import Audit, ChannelAccount
from tests.postgres import Server as Postgres
from tests.suites.storage.world import DATABASES, World, open_world


@pytest.fixture(params=DATABASES)
async def world(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Postgres) -> AsyncIterator[World]:
    async with open_world(request.param, tmp_path, postgres_server) as opened:
        yield opened


async def test_a_tenant_made_twice_is_a_duplicate_and_under_another_name_is_refused(world: World) -> None:
    make = pb.CreateTenantRequest(tenant_id="acme", request_id="1", name="Acme")
    assert not (await world.mesh.call("CreateTenant", make)).duplicate
    assert (await world.mesh.call("CreateTenant", make)).duplicate
    make.name = "Other"
    assert isinstance(await world.mesh.refusal("CreateTenant", make), AlreadyExists)


async def test_a_tenant_id_is_lower_case_letters_digits_and_dashes(world: World) -> None:
    make = pb.CreateTenantRequest(tenant_id="Acme Inc", request_id="1", name="Acme")
    assert isinstance(await world.mesh.refusal("CreateTenant", make), InvalidField)


async def test_tenants_are_listed_page_by_page_in_the_order_of_their_ids(world: World) -> None:
    for tenant_id in ("c", "a", "b"):
        await world.tenant(tenant_id)
    first = await world.mesh.call("ListTenants", pb.ListTenantsRequest(page_size=2))
    rest = await world.mesh.call("ListTenants", pb.ListTenantsRequest(page_size=2, page_token=first.next_page_token))
    assert [[each.id for each in page.tenants] for page in (first, rest)] == [["a", "b"], ["c"]]
    assert rest.next_page_token == ""


async def test_a_page_token_of_another_list_is_refused(world: World) -> None:
    for tenant_id in ("a", "b"):
        await world.tenant(tenant_id)
    token = (await world.mesh.call("ListTenants", pb.ListTenantsRequest(page_size=1))).next_page_token
    for wrong in (token, token[:-2], "nonsense", "\u00e9", token + "AAAA"):
        request = requests.ListContactsRequest(tenant_id="a", page_token=wrong)
        assert isinstance(await world.mesh.refusal("ListContacts", request), InvalidField), wrong


async def test_a_new_account_gets_a_key_that_nobody_guesses_and_the_default_agent(world: World) -> None:
    await world.tenant("acme")
    account = await world.account("acme")
    assert len(account.account_key) >= 26
    agents = await world.mesh.call("ListAgents", pb.ListAgentsRequest(tenant_id="acme"))
    assert [(each.id, each.name) for each in agents.agents] == [(account.agent_id, "default")]
    assert agents.agents[0].turn_deadline_seconds == 120


async def test_an_account_put_again_keeps_its_key_and_rises_only_when_something_changed(world: World) -> None:
    await world.tenant("acme")
    first = await world.account("acme", name="Support")
    same = await world.account("acme", name="Support", credentials={})
    changed = await world.account("acme", name="Sales", credentials={})
    assert (same.id, same.version, same.account_key) == (first.id, 1, first.account_key)
    assert (changed.id, changed.version, changed.account_key) == (first.id, 2, first.account_key)
    assert (await world.vault.secrets([first.id]))[0].credentials == {"auth_token": "secret of acme"}


async def test_the_quiet_window_of_a_channel_stands_in_the_row(world: World) -> None:
    await world.tenant("acme")
    for channel in ("whatsapp", "webchat", "api"):
        await world.account("acme", channel=channel, address="x")
    async with world.sessions.across_tenants() as session:
        rows = (await session.exec(select(ChannelAccount))).all()
    assert {row.channel: row.default_quiet_ms for row in rows} == {"whatsapp": 1200, "webchat": 0, "api": 0}
    assert {row.quiet_window_ms for row in rows} == {None}


async def test_the_same_request_id_gives_the_first_answer_and_with_other_content_is_refused(world: World) -> None:
    await world.tenant("acme")
    ask = requests.CreatePromptVersionRequest(
        tenant_id="acme", request_id="r", prompt_name="p", text="Be brief.", live=True
    )
    first = await world.mesh.call("CreatePromptVersion", ask)
    again = await world.mesh.call("CreatePromptVersion", ask)
    assert (first.duplicate, again.duplicate) == (False, True)
    assert again.version == first.version
    ask.text = "Be long."
    assert isinstance(await world.mesh.refusal("CreatePromptVersion", ask), AlreadyExists)


async def test_prompt_versions_are_numbered_and_only_the_last_live_one_is_live(world: World) -> None:
    await world.tenant("acme")
    for number, live in enumerate((True, True, False), start=1):
        ask = requests.CreatePromptVersionRequest(
            tenant_id="acme", request_id=str(number), prompt_name="p", text=f"v{number}", live=live
        )
        await world.mesh.call("CreatePromptVersion", ask)
    ask_list = requests.ListPromptVersionsRequest(tenant_id="acme", prompt_name="p")
    versions = (await world.mesh.call("ListPromptVersions", ask_list)).versions
    assert [(each.number, each.text, each.live) for each in versions] == [
        (3, "v3", False),
        (2, "v2", True),
        (1, "v1", False),
    ]


async def test_an_agent_is_made_then_changed_by_its_name(world: World) -> None:
    await world.tenant("acme")
    agent = directory.Agent(name="helper", model="m1", quiet_window_ms=0)
    made = await world.mesh.call("PutAgent", pb.PutAgentRequest(tenant_id="acme", request_id="1", agent=agent))
    agent.model = "m2"
    changed = await world.mesh.call("PutAgent", pb.PutAgentRequest(tenant_id="acme", request_id="2", agent=agent))
    same = await world.mesh.call("PutAgent", pb.PutAgentRequest(tenant_id="acme", request_id="3", agent=agent))
    assert (changed.agent.id, changed.agent.model, changed.duplicate) == (made.agent.id, "m2", False)
    assert same.duplicate
    assert changed.agent.HasField("quiet_window_ms")


async def test_an_account_is_found_by_its_key_with_its_credentials(world: World) -> None:
    await world.tenant("acme")
    account = await world.account("acme")
    ask = pb.ResolveChannelAccountRequest(channel="whatsapp", account_key=account.account_key)
    found = (await world.mesh.call("ResolveChannelAccount", ask)).account
    assert found.account == account
    assert dict(found.credentials) == {"auth_token": "secret of acme"}


async def test_without_a_key_the_first_account_of_the_default_tenant_is_found_and_stays_it(world: World) -> None:
    await world.tenant("acme")
    await world.account("acme")
    await world.tenant("default")
    ask = pb.ResolveChannelAccountRequest(channel="whatsapp")
    assert isinstance(await world.mesh.refusal("ResolveChannelAccount", ask), NotFound)
    first = await world.account("default", address="+2")
    assert (await world.mesh.call("ResolveChannelAccount", ask)).account.account.id == first.id
    second = await world.account("default", address="+1")
    assert (await world.mesh.call("ResolveChannelAccount", ask)).account.account.id == first.id
    ask.account_key = second.account_key
    assert (await world.mesh.call("ResolveChannelAccount", ask)).account.account.id == second.id
    fresh = pb.ResolveChannelAccountRequest(channel="whatsapp", account_key="nobody")
    assert isinstance(await world.mesh.refusal("ResolveChannelAccount", fresh), NotFound)


async def test_a_second_web_chat_takes_nothing_from_the_one_of_the_first_start(world: World) -> None:
    await world.tenant("default")
    second = await world.account("default", channel="webchat", address="shop")
    await world.account("default", channel="webchat", address="web")
    ask = pb.ResolveChannelAccountRequest(channel="webchat")
    first = (await world.mesh.call("ResolveChannelAccount", ask)).account.account
    assert first.address == "web"
    ask.account_key = second.account_key
    assert (await world.mesh.call("ResolveChannelAccount", ask)).account.account.address == "shop"


async def test_a_disabled_account_is_not_found_at_once(world: World) -> None:
    await world.tenant("acme")
    account = await world.account("acme")
    ask = pb.ResolveChannelAccountRequest(channel="whatsapp", account_key=account.account_key)
    await world.mesh.call("ResolveChannelAccount", ask)
    disable = pb.SetAccountStateRequest(
        tenant_id="acme", request_id="1", account_id=account.id, state=directory.ACCOUNT_STATE_DISABLED
    )
    changed = await world.mesh.call("SetAccountState", disable)
    assert changed.account.state == directory.ACCOUNT_STATE_DISABLED
    refusal = await world.mesh.refusal("ResolveChannelAccount", ask)
    assert isinstance(refusal, NotFound)
    assert refusal.metadata["tenant_id"] == "acme"  # whose others the app may have at that URL


async def test_credentials_changed_by_another_process_are_used_within_a_second(world: World) -> None:
    await world.tenant("acme")
    account = await world.account("acme")
    clock = [0.0]
    world.vault._monotonic = lambda: clock[0]
    await world.vault.secrets([account.id])
    async with open_world(world.url, Path(world.url), Postgres("")) as other:
        await other.account("acme", credentials={"auth_token": "new"})
    clock[0] = 0.9
    assert (await world.vault.secrets([account.id]))[0].credentials["auth_token"] == "secret of acme"
    clock[0] = 1.1
    assert (await world.vault.secrets([account.id]))[0].credentials["auth_token"] == "new"


async def test_an_api_key_is_shown_once_and_verified_until_it_is_revoked(world: World) -> None:
    await world.tenant("acme")
    ask = requests.CreateApiKeyRequest(tenant_id="acme", request_id="1", name="site", scopes=["agent.use"])
    made = await world.mesh.call("CreateApiKey", ask)
    assert made.secret.startswith(made.key.prefix)
    assert isinstance(await world.mesh.refusal("CreateApiKey", ask), AlreadyExists)
    verify = requests.VerifyApiKeyRequest(secret=made.secret)
    assert (await world.mesh.call("VerifyApiKey", verify)).key == made.key
    revoke = requests.RevokeApiKeyRequest(tenant_id="acme", request_id="2", key_id=made.key.id)
    assert not (await world.mesh.call("RevokeApiKey", revoke)).duplicate
    assert isinstance(await world.mesh.refusal("VerifyApiKey", verify), CredentialMissing)
    revoke.request_id = "3"
    assert (await world.mesh.call("RevokeApiKey", revoke)).duplicate


async def test_an_api_key_that_expired_or_was_never_issued_is_refused_alike(world: World) -> None:
    await world.tenant("acme")
    past = requests.CreateApiKeyRequest(
        tenant_id="acme", request_id="1", name="x", scopes=["privacy"], expires_at=stamp(utc_now())
    )
    assert isinstance(await world.mesh.refusal("CreateApiKey", past), InvalidField)
    nobody = requests.VerifyApiKeyRequest(secret="parley_" + "A" * 43)
    assert isinstance(await world.mesh.refusal("VerifyApiKey", nobody), CredentialMissing)


async def test_an_api_key_cannot_hold_what_only_the_mesh_may_do_nor_give_more_than_it_holds(world: World) -> None:
    await world.tenant("acme")
    for scope in ("directory.secrets", "turns.work", "everything"):
        ask = requests.CreateApiKeyRequest(tenant_id="acme", request_id=scope, name="x", scopes=[scope])
        assert isinstance(await world.mesh.refusal("CreateApiKey", ask), InvalidField)
    limited = await world.key_client("acme", "directory.admin")
    ask = requests.CreateApiKeyRequest(tenant_id="acme", request_id="1", name="x", scopes=["privacy"])
    assert isinstance(await limited.refusal("CreateApiKey", ask), ScopeMissing)


async def test_every_change_stands_in_the_audit_with_who_made_it_and_no_secret(world: World) -> None:
    await world.tenant("acme")
    client = await world.key_client("acme")
    account = directory.ChannelAccount(channel="sms", address="+1")
    put = pb.PutChannelAccountRequest(
        tenant_id="acme", request_id="1", account=account, credentials={"auth_token": "canary-secret"}
    )
    await client.call("PutChannelAccount", put)
    async with world.sessions.across_tenants() as session:
        lines = (await session.exec(select(Audit))).all()
    assert {line.action for line in lines} >= {"tenant.create", "api_key.create", "agent.create", "account.create"}
    made = next(line for line in lines if line.action == "account.create")
    assert made.actor.startswith("key:")
    assert not any("canary" in line.model_dump_json() for line in lines)


async def test_a_ciphertext_of_another_row_or_tenant_does_not_open(world: World) -> None:
    for tenant_id in ("a", "b"):
        await world.tenant(tenant_id)
    mine, other = await world.account("a"), await world.account("a", address="+1", credentials={"t": "x"})
    foreign = await world.account("b", credentials={"t": "y"})

    async def swap(target: str, source: str) -> None:
        async def work(session: AsyncSession) -> None:
            rows = {row.id: row for row in (await session.exec(select(ChannelAccount))).all()}
            rows[target].credentials = rows[source].credentials

        await world.sessions.write_across_tenants(work)

    await swap(mine.id, other.id)
    await swap(other.id, foreign.id)
    world.vault.forget(mine.id)
    world.vault.forget(other.id)
    assert await world.vault.secrets([mine.id, other.id]) == []
    assert len(await world.vault.secrets([foreign.id])) == 1


async def test_rotation_seals_every_account_again_while_the_old_key_is_still_there(
    world: World, tmp_path: Path, postgres_server: Postgres
) -> None:
    await world.tenant("acme")
    accounts = [await world.account("acme", address=f"+{n}") for n in range(5)]
    both = "k2:" + "B" * 43 + "=," + "k1:" + "A" * 43 + "="
    async with open_world(world.url, tmp_path, postgres_server, keys=both) as rotating:
        assert await rotating.vault.rotate() == 5
        assert await rotating.vault.rotate() == 0
    async with open_world(world.url, tmp_path, postgres_server, keys=both.split(",", maxsplit=1)[0]) as rotated:
        opened = await rotated.vault.secrets([account.id for account in accounts])
        assert [each.credentials["auth_token"] for each in opened] == ["secret of acme"] * 5


async def test_the_default_tenant_can_talk_before_anybody_configured_anything(world: World) -> None:
    await seeding.ensure_default(world.sessions, world.accounts)
    await seeding.ensure_default(world.sessions, world.accounts)
    listed = await world.mesh.call("ListChannelAccounts", pb.ListChannelAccountsRequest(tenant_id="default"))
    assert [(each.channel, each.address) for each in listed.accounts] == [("webchat", "web"), ("api", "api")]
    ask = requests.ListPromptVersionsRequest(tenant_id="default", prompt_name="default")
    versions = (await world.mesh.call("ListPromptVersions", ask)).versions
    assert [(each.number, each.live) for each in versions] == [(1, True)]
    agents = (await world.mesh.call("ListAgents", pb.ListAgentsRequest(tenant_id="default"))).agents
    assert [(each.name, each.prompt_id) for each in agents] == [("default", versions[0].prompt_id)]
