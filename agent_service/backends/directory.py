"""Which channel account does a program speak through, and which agent answers?"""

from collections.abc import AsyncIterator

import grpc

from kit.errors import NotFound, from_rpc
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_service_pb2 as service
from parley.storage.v1.directory_service_pb2_grpc import DirectoryServiceStub

API_CHANNEL = API_ADDRESS = "api"
DEFAULT_AGENT = "default"
CALL_SECONDS = 5.0
MOST_REMEMBERED = 10_000
PAGE = 500


class Accounts:
    """The accounts of tenants, each asked for once."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = DirectoryServiceStub(channel)
        self._known: dict[tuple[str, str], directory.ChannelAccount] = {}

    async def find(self, tenant_id: str, account_id: str) -> directory.ChannelAccount:
        """The account with this id, or the tenant's own `api` account, made on first use, when there is no id."""
        key = (tenant_id, account_id)
        if key not in self._known:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            try:
                self._known[key] = await (self._named(*key) if account_id else self._api(tenant_id))
            except grpc.aio.AioRpcError as error:
                raise from_rpc(error) from None
        return self._known[key]

    async def _named(self, tenant_id: str, account_id: str) -> directory.ChannelAccount:
        async for account in self._listed(tenant_id):
            if account.id == account_id:
                return account
        raise NotFound("This tenant has no such account.", metadata={"resource": "channel_account"})

    async def _api(self, tenant_id: str) -> directory.ChannelAccount:
        async for account in self._listed(tenant_id, API_CHANNEL):
            if account.address == API_ADDRESS:
                return account
        wanted = directory.ChannelAccount(
            channel=API_CHANNEL, address=API_ADDRESS, name="API", state=directory.ACCOUNT_STATE_ACTIVE
        )
        # The same request id from every replica: storage makes one account, whoever comes first.
        put = service.PutChannelAccountRequest(tenant_id=tenant_id, request_id="agent-api-account", account=wanted)
        made = await self._stub.PutChannelAccount(put, timeout=CALL_SECONDS)
        return made.account

    async def _listed(self, tenant_id: str, channel: str = "") -> AsyncIterator[directory.ChannelAccount]:
        """All, page by page, as far as they are looked at."""
        listing = service.ListChannelAccountsRequest(tenant_id=tenant_id, channel=channel, page_size=PAGE)
        while True:
            page = await self._stub.ListChannelAccounts(listing, timeout=CALL_SECONDS)
            for account in page.accounts:
                yield account
            if not page.next_page_token:
                return
            listing.page_token = page.next_page_token


class Agents:
    """The agents of tenants, asked for anew each time: they change, and are seldom asked for."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = DirectoryServiceStub(channel)

    async def find(self, tenant_id: str, agent_id: str) -> directory.Agent:
        """The agent with this id, or the tenant's agent "default" when there is no id."""
        try:
            async for agent in self._listed(tenant_id):
                if agent.id == agent_id or (not agent_id and agent.name == DEFAULT_AGENT):
                    return agent
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from None
        if agent_id:
            raise NotFound("This tenant has no such agent.", metadata={"resource": "agent"})
        return directory.Agent()

    async def _listed(self, tenant_id: str) -> AsyncIterator[directory.Agent]:
        """All, page by page, as far as they are looked at."""
        listing = service.ListAgentsRequest(tenant_id=tenant_id)
        while True:
            page = await self._stub.ListAgents(listing, timeout=CALL_SECONDS)
            for agent in page.agents:
                yield agent
            if not page.next_page_token:
                return
            listing.page_token = page.next_page_token
