"""What does the sender answer? It queues messages that no turn made, and says what channels can do."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import grpc

from channels.channel import Channel
from channels.media import Gives
from kit.errors import from_rpc
from kit.moments import span
from parley.sender.v1 import sender_service_pb2 as pb
from parley.sender.v1.sender_service_pb2_grpc import SenderServiceServicer
from parley.storage.v1.outbox_service_pb2 import QueueMessageRequest

if TYPE_CHECKING:
    from parley.storage.v1.outbox_service_pb2_grpc import OutboxServiceAsyncStub

QUEUE_SECONDS = 5.0

Context = grpc.aio.ServicerContext[Any, Any]


class SenderServicer(SenderServiceServicer):
    """sender.v1.SenderService."""

    def __init__(self, outbox: "OutboxServiceAsyncStub", channels: Mapping[str, Channel]) -> None:
        self._outbox = outbox
        self._channels = channels

    async def Send(self, request: pb.SendRequest, _context: Context) -> pb.SendResponse:
        queued = QueueMessageRequest(
            tenant_id=request.tenant_id,
            request_id=request.request_id,
            conversation_id=request.conversation_id,
            text=request.text,
            attachments=request.attachments,
            owner_epoch=request.owner_epoch,
        )
        try:
            answer = await self._outbox.QueueMessage(queued, timeout=QUEUE_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from None
        return pb.SendResponse(message_id=answer.message_id, delivery_id=answer.delivery_id, duplicate=answer.duplicate)

    async def ListChannels(self, _request: pb.ListChannelsRequest, _context: Context) -> pb.ListChannelsResponse:
        return pb.ListChannelsResponse(channels=[_capability(self._channels[name]) for name in sorted(self._channels)])


def _capability(channel: Channel) -> pb.ChannelCapability:
    return pb.ChannelCapability(
        name=channel.name,
        max_text=channel.max_text.size,
        max_text_unit=channel.max_text.unit,
        receipts=channel.capabilities.receipts,
        reconciles=channel.capabilities.reconciles,
        window=None if channel.window is None else span(channel.window),
        templates=channel.capabilities.templates,
        files=isinstance(channel, Gives),
        max_segments=channel.max_text.segments.most if channel.max_text.segments else 0,
    )
