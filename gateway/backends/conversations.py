"""What was said in a chat, and what is said next? ConversationService, as far as a web chat may see it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import grpc

from gateway.backends.failures import why
from gateway.domain.sessions import Place
from kit import errors
from parley.storage.v1 import conversation_pb2, conversation_service_pb2, conversation_service_pb2_grpc

Conversation = conversation_pb2.Conversation
ListMessagesResponse = conversation_service_pb2.ListMessagesResponse
WatchMessagesResponse = conversation_service_pb2.WatchMessagesResponse
# So many messages are a page of what was said since, and of what was said before, which a person reads.
CATCHING_UP, LOOKING_BACK = 200, 50


class Conversations:
    """Reads the conversation of one chat."""

    def __init__(self, channel: grpc.aio.Channel, *, timeout: timedelta) -> None:
        self._stub = conversation_service_pb2_grpc.ConversationServiceStub(channel)
        self._timeout = timeout.total_seconds()

    async def find(self, place: Place) -> Conversation:
        """The chat's conversation; one without an id while nothing was said in it."""
        request = conversation_service_pb2.GetConversationRequest(
            tenant_id=place.tenant_id, account_id=place.account_id, chat_id=place.chat_id
        )
        try:
            response = await self._stub.GetConversation(request, timeout=self._timeout)
        except grpc.aio.AioRpcError as failure:
            error = why(failure)
            if isinstance(error, errors.NotFound):
                return Conversation()
            raise error from None
        return response.conversation

    async def history(
        self, tenant_id: str, conversation_id: str, *, after_seq: int, before_seq: int = 0
    ) -> ListMessagesResponse:
        """A page of messages, oldest first: the first after a place or, before one, the last."""
        request = conversation_service_pb2.ListMessagesRequest(
            tenant_id=tenant_id,
            conversation_id=conversation_id,
            after_seq=after_seq,
            before_seq=before_seq,
            page_size=LOOKING_BACK if before_seq else CATCHING_UP,
        )
        try:
            return await self._stub.ListMessages(request, timeout=self._timeout)
        except grpc.aio.AioRpcError as failure:
            raise why(failure) from None

    async def watch(
        self, tenant_id: str, conversation_id: str, *, after_seq: int, most_seconds: float
    ) -> AsyncIterator[WatchMessagesResponse]:
        """Messages after the sequence number and those that follow, until `most_seconds` have passed."""
        request = conversation_service_pb2.WatchMessagesRequest(
            tenant_id=tenant_id, conversation_id=conversation_id, after_seq=after_seq
        )
        call = self._stub.WatchMessages(request, timeout=most_seconds)
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as failure:
            if failure.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:  # the time that we set ourselves
                raise why(failure) from None
        finally:
            call.cancel()
