"""Who waits for a human, what was said, what did not arrive and why, and what does a human say? Storage, as whoever
asks may use it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import grpc

from gateway.backends.failures import judged
from parley.storage.v1 import conversation_change_pb2 as change
from parley.storage.v1 import conversation_owner_pb2 as owning
from parley.storage.v1 import conversation_service_pb2 as reads
from parley.storage.v1 import conversation_service_pb2_grpc as conversations_grpc
from parley.storage.v1 import directory_service_pb2 as directory
from parley.storage.v1 import directory_service_pb2_grpc as directory_grpc
from parley.storage.v1 import outbox_service_pb2 as outbox
from parley.storage.v1 import outbox_service_pb2_grpc as outbox_grpc

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Desk:
    """Passes on what a support team's program asks, with its own credential. Raises what storage says of it."""

    def __init__(self, channel: grpc.aio.Channel, *, timeout: timedelta) -> None:
        self._conversations = conversations_grpc.ConversationServiceStub(channel)
        self._outbox = outbox_grpc.OutboxServiceStub(channel)
        self._directory = directory_grpc.DirectoryServiceStub(channel)
        self._timeout = timeout.total_seconds()

    async def queue(self, asked: change.ListQueueRequest, authorization: str) -> change.ListQueueResponse:
        return await self._ask(self._conversations.ListQueue, asked, authorization=authorization)

    async def list(self, asked: reads.ListConversationsRequest, authorization: str) -> reads.ListConversationsResponse:
        return await self._ask(self._conversations.ListConversations, asked, authorization=authorization)

    async def get(self, asked: reads.GetConversationRequest, authorization: str) -> reads.GetConversationResponse:
        return await self._ask(self._conversations.GetConversation, asked, authorization=authorization)

    async def messages(self, asked: reads.ListMessagesRequest, authorization: str) -> reads.ListMessagesResponse:
        return await self._ask(self._conversations.ListMessages, asked, authorization=authorization)

    async def give(self, asked: owning.SetOwnerRequest, authorization: str) -> owning.SetOwnerResponse:
        return await self._ask(self._conversations.SetOwner, asked, authorization=authorization)

    async def say(self, asked: outbox.QueueMessageRequest, authorization: str) -> outbox.QueueMessageResponse:
        return await self._ask(self._outbox.QueueMessage, asked, authorization=authorization)

    async def deliveries(
        self, asked: outbox.ListDeliveriesRequest, authorization: str
    ) -> outbox.ListDeliveriesResponse:
        return await self._ask(self._outbox.ListDeliveries, asked, authorization=authorization)

    async def retry(self, asked: outbox.RetryDeliveryRequest, authorization: str) -> outbox.RetryDeliveryResponse:
        return await self._ask(self._outbox.RetryDelivery, asked, authorization=authorization)

    async def put_aside(
        self, asked: outbox.PutDeliveryAsideRequest, authorization: str
    ) -> outbox.PutDeliveryAsideResponse:
        return await self._ask(self._outbox.PutDeliveryAside, asked, authorization=authorization)

    async def turns(self, asked: reads.ListTurnsRequest, authorization: str) -> reads.ListTurnsResponse:
        return await self._ask(self._conversations.ListTurns, asked, authorization=authorization)

    async def accounts(
        self, asked: directory.ListChannelAccountsRequest, authorization: str
    ) -> directory.ListChannelAccountsResponse:
        return await self._ask(self._directory.ListChannelAccounts, asked, authorization=authorization)

    async def set_account_state(
        self, asked: directory.SetAccountStateRequest, authorization: str
    ) -> directory.SetAccountStateResponse:
        return await self._ask(self._directory.SetAccountState, asked, authorization=authorization)

    async def _ask(self, rpc: Callable[..., Awaitable[Answer]], asked: Asked, *, authorization: str) -> Answer:
        try:
            return await rpc(asked, timeout=self._timeout, metadata=(("authorization", authorization),))
        except grpc.aio.AioRpcError as failure:
            raise judged(failure) from None
