"""What does a stored conversation look like to a turn? ConversationService, as far as previews need it."""

import grpc

from kit.errors import from_rpc
from parley.storage.v1.conversation_service_pb2 import GetContextRequest
from parley.storage.v1.conversation_service_pb2_grpc import ConversationServiceStub
from parley.storage.v1.turn_requests_pb2 import LeasedTurn

CALL_SECONDS = 5.0


class Contexts:
    """The contexts of conversations, with as much history as turns are leased with."""

    def __init__(self, channel: grpc.aio.Channel, *, history: int) -> None:
        self._stub = ConversationServiceStub(channel)
        self._history = history

    async def show(self, tenant_id: str, conversation_id: str) -> LeasedTurn:
        request = GetContextRequest(tenant_id=tenant_id, conversation_id=conversation_id, history=self._history)
        try:
            return (await self._stub.GetContext(request, timeout=CALL_SECONDS)).turn
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from None
