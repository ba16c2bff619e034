"""Which account does a program speak through, whose is its key, and which agent answers?"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent_service.backends.directory import Accounts, Agents
from agent_service.settings import Settings
from kit import logs
from kit.api_keys import AskedKeys
from kit.calling import Mesh
from kit.errors import CredentialMissing, NotFound
from kit.local import share
from kit.serving import Server
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_requests_pb2 as requests
from parley.storage.v1 import directory_service_pb2 as service
from parley.storage.v1.directory_service_pb2_grpc import (
    add_DirectoryServiceServicer_to_server,
)


class Directory:
    """One account per page, and one key."""

    def __init__(self, *accounts: directory.ChannelAccount) -> None:
        self.accounts = list(accounts)
        self.calls: list[str] = []

    async def ListChannelAccounts(  # noqa: N802 - named by the contract
        self, request: service.ListChannelAccountsRequest, _context: Any
    ) -> service.ListChannelAccountsResponse:
        self.calls.append("list")
        found = [each for each in self.accounts if each.tenant_id == request.tenant_id]
        found = [each for each in found if request.channel in ("", each.channel)]
        start = int(request.page_token or 0)
        token = str(start + 1) if start + 1 < len(found) else ""
        return service.ListChannelAccountsResponse(accounts=found[start : start + 1], next_page_token=token)

    async def PutChannelAccount(  # noqa: N802 - named by the contract
        self, request: service.PutChannelAccountRequest, _context: Any
    ) -> service.PutChannelAccountResponse:
        self.calls.append("put")
        made = an_account(request.tenant_id, "made", request.account.channel, request.account.address)
        self.accounts.append(made)
        return service.PutChannelAccountResponse(account=made)

    async def ListAgents(  # noqa: N802 - named by the contract
        self, request: service.ListAgentsRequest, _context: Any
    ) -> service.ListAgentsResponse:
        found = [directory.Agent(id="a1", name="sales"), directory.Agent(id="a2", name="default")]
        if request.tenant_id != "t1":
            return service.ListAgentsResponse()
        return service.ListAgentsResponse(
            agents=found[bool(request.page_token) :][:1], next_page_token="" if request.page_token else "more"
        )

    async def VerifyApiKey(  # noqa: N802 - named by the contract
        self, request: requests.VerifyApiKeyRequest, _context: Any
    ) -> requests.VerifyApiKeyResponse:
        if request.secret != "pk_right":
            raise CredentialMissing
        return requests.VerifyApiKeyResponse(key=directory.ApiKey(tenant_id="t1", name="crm", scopes=["agent.use"]))

    def __getattr__(self, name: str) -> Callable[[object, object], Awaitable[object]]:
        async def unserved(_request: object, _context: object) -> object:
            raise NotImplementedError(name)

        return unserved


def an_account(tenant_id: str, account_id: str, channel: str, address: str) -> directory.ChannelAccount:
    return directory.ChannelAccount(id=account_id, tenant_id=tenant_id, channel=channel, address=address)


@asynccontextmanager
async def connected(directory_service: Directory, folder: Path) -> AsyncIterator[Any]:
    settings = Settings(data_dir=folder, mesh_drain_delay_seconds=0, log_level="error", storage_address="127.0.0.1:0")
    logs.configure(settings, "agent")
    with share():
        server, mesh = Server("storage", "127.0.0.1:0", settings=settings), Mesh(settings)
        server.add(
            add_DirectoryServiceServicer_to_server, directory_service, service="parley.storage.v1.DirectoryService"
        )
        await server.start()
        await mesh.open()
        try:
            yield mesh.channel("storage")
        finally:
            await mesh.close()
            await server.drain(0)


async def test_the_tenants_own_account_is_made_once_and_then_remembered(tmp_path: Path) -> None:
    known = Directory()
    async with connected(known, tmp_path) as channel:
        accounts = Accounts(channel)
        found = [await accounts.find("t1", "") for _ in range(3)]

    assert {(each.id, each.channel, each.address) for each in found} == {("made", "api", "api")}
    assert known.calls == ["list", "put"]


async def test_an_account_is_found_by_its_id_on_a_later_page(tmp_path: Path) -> None:
    known = Directory(an_account("t1", "a1", "sms", "+1"), an_account("t1", "a2", "webchat", "web"))
    async with connected(known, tmp_path) as channel:
        assert (await Accounts(channel).find("t1", "a2")).channel == "webchat"


async def test_the_tenants_own_account_is_found_on_a_later_page_and_not_written_again(tmp_path: Path) -> None:
    known = Directory(an_account("t1", "a1", "api", "kiosk"), an_account("t1", "a2", "api", "api"))
    async with connected(known, tmp_path) as channel:
        assert (await Accounts(channel).find("t1", "")).id == "a2"
    assert known.calls == ["list", "list"]


async def test_an_account_of_another_tenant_is_not_found(tmp_path: Path) -> None:
    async with connected(Directory(an_account("t2", "a1", "sms", "+1")), tmp_path) as channel:
        with pytest.raises(NotFound):
            await Accounts(channel).find("t1", "a1")


async def test_a_key_names_its_tenant_and_what_it_may_do_and_a_wrong_one_nothing(tmp_path: Path) -> None:
    async with connected(Directory(), tmp_path) as channel:
        caller = await AskedKeys(channel).verify("pk_right")
        with pytest.raises(CredentialMissing) as refused:
            await AskedKeys(channel).verify("pk_wrong")

    assert refused.value.metadata == {}  # it is the key that is wrong, and not the token by which it was asked about
    assert (caller.tenant_id, caller.scopes, caller.name) == ("t1", frozenset({"agent.use"}), "crm")


async def test_an_agent_is_found_by_its_id_and_without_one_it_is_the_default(tmp_path: Path) -> None:
    async with connected(Directory(), tmp_path) as channel:
        agents = Agents(channel)

        assert (await agents.find("t1", "a1")).name == "sales"
        assert (await agents.find("t1", "")).id == "a2"
        assert await agents.find("t2", "") == directory.Agent()
        with pytest.raises(NotFound):
            await agents.find("t2", "a1")
