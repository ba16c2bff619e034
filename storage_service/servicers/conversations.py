"""ConversationService's front door: what was said, and who answers."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from kit import deadlines
from kit.access import caller
from kit.moments import seconds
from parley.storage.v1 import conversation_change_pb2 as changes
from parley.storage.v1 import conversation_owner_pb2 as owning
from parley.storage.v1 import conversation_service_pb2 as pb
from parley.storage.v1 import conversation_service_pb2_grpc as grpc_pb
from storage_service.backends.conversations import Conversations
from storage_service.backends.hand_offs import HandOffs
from storage_service.backends.ownership import Ownership
from storage_service.domain.awaiting import Awaiting
from storage_service.domain.contexts import Contexts
from storage_service.domain.watching import Watching

SERVICE = "parley.storage.v1.ConversationService"

# What an answer needs to get back before the caller's deadline.
WAY_BACK_SECONDS = 0.25
HISTORY = 20


@dataclass(frozen=True, slots=True)
class Held:
    """Who knows what of conversations."""

    conversations: Conversations
    ownership: Ownership
    hand_offs: HandOffs
    watching: Watching
    awaiting: Awaiting
    contexts: Contexts


class ConversationServicer(grpc_pb.ConversationServiceServicer):
    """Answers for conversations."""

    def __init__(self, held: Held) -> None:
        self._held = held

    async def GetConversation(self, request: pb.GetConversationRequest, _context: Any) -> pb.GetConversationResponse:
        return await self._held.conversations.get(request)

    async def ListConversations(
        self, request: pb.ListConversationsRequest, _context: Any
    ) -> pb.ListConversationsResponse:
        return await self._held.conversations.list(request)

    async def ListMessages(self, request: pb.ListMessagesRequest, _context: Any) -> pb.ListMessagesResponse:
        return await self._held.conversations.messages(request)

    async def WatchMessages(
        self, request: pb.WatchMessagesRequest, _context: Any
    ) -> AsyncIterator[pb.WatchMessagesResponse]:
        watch = self._held.watching.watch(request.tenant_id, request.conversation_id, after_seq=request.after_seq)
        async with aclosing(watch) as news:
            async for each in news:
                yield each

    async def AwaitTurn(self, request: pb.AwaitTurnRequest, _context: Any) -> pb.AwaitTurnResponse:
        left = deadlines.remaining()
        wait_seconds = seconds(request.wait)
        if left is not None:
            wait_seconds = min(wait_seconds, left - WAY_BACK_SECONDS)
        outcome = await self._held.awaiting.settled(request.tenant_id, request.message_id, wait_seconds=wait_seconds)
        return pb.AwaitTurnResponse(turn=outcome.turn, replies=outcome.replies)

    async def ListTurns(self, request: pb.ListTurnsRequest, _context: Any) -> pb.ListTurnsResponse:
        return await self._held.conversations.turns(request)

    async def SetOwner(self, request: owning.SetOwnerRequest, _context: Any) -> owning.SetOwnerResponse:
        return await self._held.ownership.set_owner(request, caller().name)

    async def GetContext(self, request: pb.GetContextRequest, _context: Any) -> pb.GetContextResponse:
        shown = self._held.contexts.show(request.tenant_id, request.conversation_id, history=request.history or HISTORY)
        return pb.GetContextResponse(turn=await shown)

    async def ListQueue(self, request: changes.ListQueueRequest, _context: Any) -> changes.ListQueueResponse:
        return await self._held.hand_offs.list(request)
