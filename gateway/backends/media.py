"""Where are the bytes of an attachment? MediaService, as whoever asks may read it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc

from gateway.backends.failures import judged, why
from parley.storage.v1 import media_service_pb2 as pb
from parley.storage.v1 import media_service_pb2_grpc as media_grpc

ASK_SECONDS = 5.0
STREAM_SECONDS = 120.0  # for the whole file, at the reader's pace


@dataclass(frozen=True, slots=True)
class Opened:
    """What is known of a file, and its bytes as they are read."""

    media: pb.Media
    content: AsyncIterator[bytes]


class Media:
    """Reads stored files."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = media_grpc.MediaServiceStub(channel)

    async def shared(self, token: str) -> Opened:
        """By a token. Raises NotFound, or why it could not."""
        try:
            asked = pb.ResolveSharedMediaRequest(token=token)
            named = await self._stub.ResolveSharedMedia(asked, timeout=ASK_SECONDS)
        except grpc.aio.AioRpcError as failure:
            raise why(failure) from None
        return await self._open(pb.GetMediaRequest(tenant_id=named.tenant_id, media_id=named.media_id))

    async def of_tenant(self, media_id: str, authorization: str) -> Opened:
        """By the caller's own credential, which storage judges. Raises what it says."""
        return await self._open(pb.GetMediaRequest(media_id=media_id), (("authorization", authorization),))

    async def _open(self, request: pb.GetMediaRequest, shown: tuple[tuple[str, str], ...] = ()) -> Opened:
        responses = self._read(request, shown)
        first = await anext(responses)
        return Opened(first.media, (each.content async for each in responses))

    async def _read(
        self, request: pb.GetMediaRequest, shown: tuple[tuple[str, str], ...]
    ) -> AsyncIterator[pb.GetMediaResponse]:
        """A reader who goes away ends the call."""
        call = self._stub.GetMedia(request, timeout=STREAM_SECONDS, metadata=shown or None)
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as failure:
            raise (judged if shown else why)(failure) from None
        finally:
            call.cancel()
