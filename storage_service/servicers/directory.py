"""DirectoryService's front door: who takes part."""

from dataclasses import dataclass
from typing import Any

from kit.access import caller
from parley.storage.v1 import account_health_pb2 as health
from parley.storage.v1 import directory_requests_pb2 as requests
from parley.storage.v1 import directory_service_pb2 as pb
from parley.storage.v1 import directory_service_pb2_grpc as grpc_pb
from storage_service.backends.account_health import AccountHealth
from storage_service.backends.accounts import Accounts
from storage_service.backends.agents import Agents
from storage_service.backends.api_keys import ApiKeys
from storage_service.backends.contacts import Contacts
from storage_service.backends.prompts import Prompts
from storage_service.backends.tenants import Tenants
from storage_service.backends.vault import Vault

SERVICE = "parley.storage.v1.DirectoryService"


@dataclass(frozen=True, slots=True)
class Directory:
    """Everything that is configured rather than said."""

    tenants: Tenants
    accounts: Accounts
    vault: Vault
    agents: Agents
    prompts: Prompts
    contacts: Contacts
    api_keys: ApiKeys
    health: AccountHealth


class DirectoryServicer(grpc_pb.DirectoryServiceServicer):
    """Answers for the directory. The guard has checked scope, tenant and limits before."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def CreateTenant(self, request: pb.CreateTenantRequest, _context: Any) -> pb.CreateTenantResponse:
        return await self._directory.tenants.create(request, caller().name)

    async def ListTenants(self, request: pb.ListTenantsRequest, _context: Any) -> pb.ListTenantsResponse:
        return await self._directory.tenants.list(request)

    async def PutChannelAccount(
        self, request: pb.PutChannelAccountRequest, _context: Any
    ) -> pb.PutChannelAccountResponse:
        return await self._directory.accounts.put(request, caller().name)

    async def ListChannelAccounts(
        self, request: pb.ListChannelAccountsRequest, _context: Any
    ) -> pb.ListChannelAccountsResponse:
        return await self._directory.accounts.list(request)

    async def ResolveChannelAccount(
        self, request: pb.ResolveChannelAccountRequest, _context: Any
    ) -> pb.ResolveChannelAccountResponse:
        return await self._directory.vault.resolve(request)

    async def SetAccountState(self, request: pb.SetAccountStateRequest, _context: Any) -> pb.SetAccountStateResponse:
        return await self._directory.accounts.set_state(request, caller().name)

    async def ReportAccounts(
        self, request: health.ReportAccountsRequest, _context: Any
    ) -> health.ReportAccountsResponse:
        return await self._directory.health.report(request, caller().name)

    async def PutAgent(self, request: pb.PutAgentRequest, _context: Any) -> pb.PutAgentResponse:
        return await self._directory.agents.put(request, caller().name)

    async def ListAgents(self, request: pb.ListAgentsRequest, _context: Any) -> pb.ListAgentsResponse:
        return await self._directory.agents.list(request)

    async def CreatePromptVersion(
        self, request: requests.CreatePromptVersionRequest, _context: Any
    ) -> requests.CreatePromptVersionResponse:
        return await self._directory.prompts.create_version(request, caller().name)

    async def ListPromptVersions(
        self, request: requests.ListPromptVersionsRequest, _context: Any
    ) -> requests.ListPromptVersionsResponse:
        return await self._directory.prompts.list_versions(request)

    async def SetLivePromptVersion(
        self, request: requests.SetLivePromptVersionRequest, _context: Any
    ) -> requests.SetLivePromptVersionResponse:
        return await self._directory.prompts.set_live(request, caller().name)

    async def ListContacts(self, request: requests.ListContactsRequest, _context: Any) -> requests.ListContactsResponse:
        return await self._directory.contacts.list(request)

    async def CreateApiKey(self, request: requests.CreateApiKeyRequest, _context: Any) -> requests.CreateApiKeyResponse:
        return await self._directory.api_keys.create(request, caller())

    async def ListApiKeys(self, request: requests.ListApiKeysRequest, _context: Any) -> requests.ListApiKeysResponse:
        return await self._directory.api_keys.list(request)

    async def RevokeApiKey(self, request: requests.RevokeApiKeyRequest, _context: Any) -> requests.RevokeApiKeyResponse:
        return await self._directory.api_keys.revoke(request, caller().name)

    async def VerifyApiKey(self, request: requests.VerifyApiKeyRequest, _context: Any) -> requests.VerifyApiKeyResponse:
        return requests.VerifyApiKeyResponse(key=await self._directory.api_keys.verify(request.secret))
