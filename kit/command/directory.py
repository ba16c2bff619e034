"""Which channel accounts does storage have, and how are they changed? What the command needs of DirectoryService."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import grpc

from kit.command import reaching
from kit.command.screen import Mistake
from kit.command.tenants import DEFAULT_TENANT, storage_of
from kit.errors import NotFound, ParleyError, SecretUnreadable, from_rpc
from kit.ids import new_id
from kit.moments import stamp
from parley.storage.v1 import directory_service_pb2 as pb
from parley.storage.v1.account_health_pb2 import AccountReport, ReportAccountsRequest
from parley.storage.v1.directory_pb2 import AccountState, Agent, ChannelAccount
from parley.storage.v1.directory_service_pb2_grpc import DirectoryServiceStub
from parley.storage.v1.listener_service_pb2 import Listener, ListListenersRequest
from parley.storage.v1.listener_service_pb2_grpc import ListenerServiceStub

if TYPE_CHECKING:
    from parley.storage.v1.directory_service_pb2_grpc import DirectoryServiceAsyncStub
    from parley.storage.v1.listener_service_pb2_grpc import ListenerServiceAsyncStub

MOST = 500


@dataclass(frozen=True, slots=True)
class Directory:
    """Of one tenant."""

    tenant: str
    stub: "DirectoryServiceAsyncStub"
    listening: "ListenerServiceAsyncStub"

    async def accounts(self, channel: str = "") -> list[ChannelAccount]:
        """All, or those of a channel, by age."""
        found: list[ChannelAccount] = []
        token = ""
        while True:
            wanted = pb.ListChannelAccountsRequest(
                tenant_id=self.tenant, channel=channel, page_size=MOST, page_token=token
            )
            page = await self.stub.ListChannelAccounts(wanted, timeout=reaching.CALL_SECONDS)
            found += page.accounts
            token = page.next_page_token
            if not token:
                return found

    async def listeners(self) -> list[Listener]:
        """How it goes with the accounts that are to be listened for."""
        wanted = ListListenersRequest(tenant_id=self.tenant)
        return list((await self.listening.ListListeners(wanted, timeout=reaching.CALL_SECONDS)).listeners)

    async def is_alone(self, account: ChannelAccount) -> bool:
        """Whether the path without a key leads to it, as storage resolves it."""
        disabled = AccountState.ACCOUNT_STATE_DISABLED
        others = [each for each in await self.accounts(account.channel) if each.id != account.id]
        return self.tenant == DEFAULT_TENANT and all(each.state == disabled for each in others)

    async def account(self, account_id: str) -> ChannelAccount:
        """Raises Mistake when there is none."""
        for each in await self.accounts():
            if each.id == account_id:
                return each
        raise Mistake(f"there is no account {account_id!r}", fix="parley channels list shows their ids", code=1)

    async def credentials(self, account: ChannelAccount) -> dict[str, str] | None:
        """None when the account is disabled, or when they cannot be opened any more."""
        wanted = pb.ResolveChannelAccountRequest(channel=account.channel, account_key=account.account_key)
        try:
            found = await self.stub.ResolveChannelAccount(wanted, timeout=reaching.CALL_SECONDS)
        except (ParleyError, grpc.aio.AioRpcError) as error:
            reason = from_rpc(error) if isinstance(error, grpc.aio.AioRpcError) else error
            if isinstance(reason, NotFound | SecretUnreadable):
                return None
            raise
        return dict(found.account.credentials) if found.account.account.id == account.id else None

    async def put(self, account: ChannelAccount, credentials: Mapping[str, str]) -> ChannelAccount:
        """As stored."""
        wanted = pb.PutChannelAccountRequest(
            tenant_id=self.tenant, request_id=new_id(), account=account, credentials=credentials
        )
        return (await self.stub.PutChannelAccount(wanted, timeout=reaching.CALL_SECONDS)).account

    async def set_state(self, account_id: str, state: AccountState, *, reason: str = "") -> ChannelAccount:
        """As stored."""
        wanted = pb.SetAccountStateRequest(
            tenant_id=self.tenant, request_id=new_id(), account_id=account_id, state=state, reason=reason
        )
        return (await self.stub.SetAccountState(wanted, timeout=reaching.CALL_SECONDS)).account

    async def report_expiry(self, account: ChannelAccount, expires_at: datetime) -> None:
        """Notes when its credentials end; 1970 for never."""
        report = AccountReport(tenant_id=self.tenant, account_id=account.id, credentials_expire_at=stamp(expires_at))
        await self.stub.ReportAccounts(ReportAccountsRequest(reports=[report]), timeout=reaching.CALL_SECONDS)

    async def agents(self) -> Sequence[Agent]:
        """By name."""
        found: list[Agent] = []
        wanted = pb.ListAgentsRequest(tenant_id=self.tenant)
        while True:
            page = await self.stub.ListAgents(wanted, timeout=reaching.CALL_SECONDS)
            found += page.agents
            if not page.next_page_token:
                return found
            wanted.page_token = page.next_page_token

    async def agent_id(self, name: str) -> str:
        """Raises Mistake when there is no agent of that name."""
        agents = await self.agents()
        for each in agents:
            if each.name == name:
                return each.id
        known = ", ".join(each.name for each in agents) or "none yet; leave --agent away, and it is made"
        raise Mistake(f"there is no agent {name!r}", fix=f"one of: {known}", code=1)


@asynccontextmanager
async def directory(tenant: str) -> AsyncIterator[Directory]:
    """Of a running mesh."""
    async with storage_of(tenant) as storage:
        yield Directory(tenant, DirectoryServiceStub(storage), ListenerServiceStub(storage))
