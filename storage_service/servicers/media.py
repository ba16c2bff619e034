"""MediaService's front door: attachments to fetch out, their bytes in, and out again."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from parley.storage.v1 import media_service_pb2 as pb
from parley.storage.v1 import media_service_pb2_grpc as grpc_pb
from storage_service.backends.media import StoredMedia
from storage_service.domain.accompanied import Secrets, leased
from storage_service.domain.asks import Ask
from storage_service.domain.fetches import Fetches
from storage_service.domain.sharing import LASTS, Shares
from storage_service.servicers.inbox import patience, span

SERVICE = "parley.storage.v1.MediaService"

LEASE_SECONDS = 60
SHARE_SECONDS = LASTS.total_seconds()


class MediaServicer(grpc_pb.MediaServiceServicer):
    """Answers for media. `secrets` opens the credentials of accounts."""

    def __init__(self, fetches: Fetches, stored: StoredMedia, *, shares: Shares, secrets: Secrets) -> None:
        self._shares = shares
        self._fetches = fetches
        self._stored = stored
        self._secrets = secrets

    async def LeaseFetches(self, request: pb.LeaseFetchesRequest, _context: Any) -> pb.LeaseFetchesResponse:
        ask = Ask(request.worker_id, request.max_fetches, span(request.lease, LEASE_SECONDS), 0)
        given = await self._fetches.lease(ask, patience(request.wait))
        fetches, accounts = await leased(self._fetches.waiting, given, worker_id=ask.worker_id, secrets=self._secrets)
        return pb.LeaseFetchesResponse(fetches=fetches, accounts=accounts)

    async def AppendMedia(self, request: pb.AppendMediaRequest, _context: Any) -> pb.AppendMediaResponse:
        if error := await self._fetches.append(request):
            raise error
        return pb.AppendMediaResponse()

    async def EndFetch(self, request: pb.EndFetchRequest, _context: Any) -> pb.EndFetchResponse:
        done = await self._fetches.end(request)
        if done.error:
            raise done.error
        return pb.EndFetchResponse(duplicate=done.duplicate)

    async def GetMedia(self, request: pb.GetMediaRequest, _context: Any) -> AsyncIterator[pb.GetMediaResponse]:
        async with aclosing(self._stored.get(request)) as responses:
            async for response in responses:
                yield response

    async def ShareMedia(self, request: pb.ShareMediaRequest, _context: Any) -> pb.ShareMediaResponse:
        await self._stored.require(request.tenant_id, request.media_id)
        lasts = span(request.lasts, SHARE_SECONDS)
        return pb.ShareMediaResponse(token=self._shares.token(request.tenant_id, request.media_id, lasts=lasts))

    async def ResolveSharedMedia(
        self, request: pb.ResolveSharedMediaRequest, _context: Any
    ) -> pb.ResolveSharedMediaResponse:
        tenant_id, media_id = self._shares.read(request.token)
        return pb.ResolveSharedMediaResponse(tenant_id=tenant_id, media_id=media_id)
