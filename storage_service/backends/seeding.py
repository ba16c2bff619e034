"""What is there before anybody configured anything? A tenant with an agent, its prompt, and two accounts to talk on."""

from datetime import datetime
from functools import partial

from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_service_pb2 as pb
from storage_service.backends import agents
from storage_service.backends.accounts import Accounts
from storage_service.backends.rows import Who
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import ChannelAccount, Tenant
from storage_service.domain import defaults

ACTOR = "start"


async def ensure_default(sessions: Sessions, accounts: Accounts) -> None:
    """Makes what is missing. What is there already is left as the operator wants it."""
    await sessions.write_across_tenants(partial(_ensure_tenant, now=sessions.now()))
    who = Who(defaults.TENANT, ACTOR)
    await sessions.write(who, agents.default)
    for channel, address in defaults.ACCOUNTS.items():
        if not await _has_account(sessions, channel):
            account = directory.ChannelAccount(channel=channel, address=address, name=channel)
            request_id = sessions.new_id()
            request = pb.PutChannelAccountRequest(tenant_id=defaults.TENANT, request_id=request_id, account=account)
            await accounts.put(request, ACTOR)


async def _ensure_tenant(session: AsyncSession, *, now: datetime) -> None:
    if await session.get(Tenant, defaults.TENANT) is None:
        session.add(Tenant(id=defaults.TENANT, name=defaults.TENANT, created_at=now))


async def _has_account(sessions: Sessions, channel: str) -> bool:
    async with sessions.read(defaults.TENANT) as rows:
        return await rows.first(rows.select(ChannelAccount).where(col(ChannelAccount.channel) == channel)) is not None
