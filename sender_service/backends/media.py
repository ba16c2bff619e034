"""How does the sender reach stored media? It leases what is to be fetched, stores pieces, and says how it ended."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import grpc

from kit.errors import from_rpc
from kit.moments import span
from parley.storage.v1 import media_service_pb2 as pb
from sender_service.domain.fetching import End

if TYPE_CHECKING:
    from parley.storage.v1.media_service_pb2_grpc import MediaServiceAsyncStub

Response = TypeVar("Response")

CALL_SECONDS = 10.0  # one piece of 256 KiB, committed
READ_SECONDS = 30.0
LEASE_GRACE_SECONDS = 5.0  # beyond the wait that storage was asked for


class Media:
    """Stored media as one worker sees it."""

    def __init__(
        self, stub: "MediaServiceAsyncStub", worker_id: str, *, lease_seconds: float, wait_seconds: float
    ) -> None:
        self._stub = stub
        self._worker_id = worker_id
        self._lease = span(timedelta(seconds=lease_seconds))
        self._wait = span(timedelta(seconds=wait_seconds))
        self._lease_timeout = wait_seconds + LEASE_GRACE_SECONDS

    async def lease(self, most: int) -> pb.LeaseFetchesResponse:
        """At most so many fetches, as soon as there are any; none after a while. Raises ParleyError."""
        request = pb.LeaseFetchesRequest(
            worker_id=self._worker_id, max_fetches=most, wait=self._wait, lease=self._lease
        )
        return await _heard(self._stub.LeaseFetches(request, timeout=self._lease_timeout))

    async def read(self, tenant_id: str, media_id: str) -> bytes:
        """Stored bytes, whole. Raises NotFound, or why it could not."""
        call = self._stub.GetMedia(pb.GetMediaRequest(tenant_id=tenant_id, media_id=media_id), timeout=READ_SECONDS)
        try:
            return b"".join([each.content async for each in call])
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from None

    async def share(self, tenant_id: str, media_id: str) -> str:
        """A token that opens them for an hour. Raises NotFound, or why it could not."""
        request = pb.ShareMediaRequest(tenant_id=tenant_id, media_id=media_id)
        return (await _heard(self._stub.ShareMedia(request, timeout=CALL_SECONDS))).token

    async def append(self, fetch: pb.LeasedFetch, number: int, *, content: bytes) -> None:
        """One piece, durable when this returns."""
        request = pb.AppendMediaRequest(
            worker_id=self._worker_id,
            tenant_id=fetch.tenant_id,
            media_id=fetch.media_id,
            epoch=fetch.epoch,
            number=number,
            content=content,
        )
        await _heard(self._stub.AppendMedia(request, timeout=CALL_SECONDS))

    async def end(self, fetch: pb.LeasedFetch, end: End) -> None:
        """How it ended."""
        request = pb.EndFetchRequest(
            worker_id=self._worker_id,
            tenant_id=fetch.tenant_id,
            media_id=fetch.media_id,
            conversation_id=fetch.conversation_id,
            epoch=fetch.epoch,
            outcome=end.outcome,
            reason=end.reason,
            retry_after=None if end.retry_after is None else span(end.retry_after),
            media_type=end.media_type,
            size_bytes=end.size_bytes,
            pieces=end.pieces,
            sha256=end.sha256,
            excerpt=end.excerpt,
        )
        await _heard(self._stub.EndFetch(request, timeout=CALL_SECONDS))


async def _heard(call: Awaitable[Response]) -> Response:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise from_rpc(error) from None
