"""How is a mesh made ready for the bench? Through its own contract, as an operator would."""

import asyncio

from grpc import aio

from kit.ids import new_id
from parley.storage.v1 import directory_service_pb2, directory_service_pb2_grpc

TENANT = "default"
TIMEOUT_SECONDS = 10.0


async def set_quiet_window(storage: str, token: str, *, channel: str, milliseconds: int) -> None:
    """Gives the default tenant's account of a channel this quiet window, as soon as the gateway has made it."""
    metadata = (("authorization", f"Bearer {token}"),)
    listing = directory_service_pb2.ListChannelAccountsRequest(tenant_id=TENANT, channel=channel)
    async with aio.insecure_channel(storage) as wire, asyncio.timeout(TIMEOUT_SECONDS):
        directory = directory_service_pb2_grpc.DirectoryServiceStub(wire)
        while not (listed := await directory.ListChannelAccounts(listing, metadata=metadata, timeout=5)).accounts:
            await asyncio.sleep(0.1)
        (account,) = listed.accounts
        account.quiet_window_ms = milliseconds
        put = directory_service_pb2.PutChannelAccountRequest(tenant_id=TENANT, request_id=new_id(), account=account)
        await directory.PutChannelAccount(put, metadata=metadata, timeout=5)
