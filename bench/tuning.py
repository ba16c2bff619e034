"""How is a mesh made ready for the bench? Through its own contract, as an operator would."""

from grpc import aio

from kit.ids import new_id
from parley.storage.v1 import directory_service_pb2, directory_service_pb2_grpc

TENANT = "default"
TIMEOUT_SECONDS = 10.0


async def set_quiet_window(storage: str, token: str, *, milliseconds: int) -> None:
    """Gives every channel account of the default tenant this quiet window."""
    metadata = (("authorization", f"Bearer {token}"),)
    async with aio.insecure_channel(storage) as channel:
        directory = directory_service_pb2_grpc.DirectoryServiceStub(channel)
        listing = directory_service_pb2.ListChannelAccountsRequest(tenant_id=TENANT)
        listed = await directory.ListChannelAccounts(listing, metadata=metadata, timeout=TIMEOUT_SECONDS)
        for account in listed.accounts:
            account.quiet_window_ms = milliseconds
            put = directory_service_pb2.PutChannelAccountRequest(tenant_id=TENANT, request_id=new_id(), account=account)
            await directory.PutChannelAccount(put, metadata=metadata, timeout=TIMEOUT_SECONDS)
