"""How is a mesh made ready for the bench? Through its own contract, as an operator would."""

import asyncio

from grpc import aio

from kit.ids import new_id
from parley.storage.v1 import directory_service_pb2, directory_service_pb2_grpc

TENANT = "default"
TIMEOUT_SECONDS = 10.0


async def hurry(storage: str, token: str, *, channel: str) -> None:
    """Takes the quiet window and the provider's rate from the tenant's account, as soon as the gateway has made it."""
    metadata = (("authorization", f"Bearer {token}"),)
    listing = directory_service_pb2.ListChannelAccountsRequest(tenant_id=TENANT, channel=channel)
    async with aio.insecure_channel(storage) as wire, asyncio.timeout(TIMEOUT_SECONDS):
        directory = directory_service_pb2_grpc.DirectoryServiceStub(wire)
        while not (listed := await directory.ListChannelAccounts(listing, metadata=metadata, timeout=5)).accounts:
            await asyncio.sleep(0.1)
        (account,) = listed.accounts
        account.quiet_window_ms = 0
        account.options["sends_per_second"] = "0"
        put = directory_service_pb2.PutChannelAccountRequest(tenant_id=TENANT, request_id=new_id(), account=account)
        await directory.PutChannelAccount(put, metadata=metadata, timeout=5)
