"""How does a test get an account that is listened for? Beside those of the shared mesh, and gone after it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from kit.ids import new_id
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_service_pb2 as pb
from parley.storage.v1 import listener_service_pb2 as listeners
from tests.mesh.rig import TENANT, Storage
from tests.stalls import PATIENCE_SECONDS


@contextlib.asynccontextmanager
async def account(
    storage: Storage, channel: str, credentials: Mapping[str, str], *, options: Mapping[str, str] | None = None
) -> AsyncIterator[directory.ChannelAccount]:
    """While the test runs; then its provider calls again, if anybody does."""
    wanted = directory.ChannelAccount(
        channel=channel,
        address=f"listened-{new_id()}",
        quiet_window_ms=0,
        options={"listen": "true", **(options or {})},
    )
    put = pb.PutChannelAccountRequest(
        tenant_id=TENANT, request_id=new_id(), account=wanted, credentials=dict(credentials)
    )
    made = (await storage.directory.PutChannelAccount(put, metadata=storage.metadata, timeout=PATIENCE_SECONDS)).account
    try:
        yield made
    finally:
        ending = pb.SetAccountStateRequest(
            tenant_id=TENANT,
            request_id=new_id(),
            account_id=made.id,
            state=directory.ACCOUNT_STATE_DISABLED,
        )
        await storage.directory.SetAccountState(ending, metadata=storage.metadata, timeout=PATIENCE_SECONDS)
        await held_by(storage, made.id, nobody=True)


async def held_by(storage: Storage, account_id: str, *, other_than: str = "", nobody: bool = False) -> str:
    """Waits until another process than that one listens, or nobody does. Which it is."""
    asked = listeners.ListListenersRequest(tenant_id=TENANT)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            told = await storage.listeners.ListListeners(asked, metadata=storage.metadata, timeout=PATIENCE_SECONDS)
            (listener,) = [each for each in told.listeners if each.account_id == account_id]
            listens = listener.state == listeners.LISTENER_STATE_LISTENING
            if nobody and not listener.worker_id:
                return ""
            if not nobody and listens and listener.worker_id != other_than:
                return listener.worker_id
            await asyncio.sleep(0.1)
