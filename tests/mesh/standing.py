"""How does a conversation stand when nothing more can come of it? By what storage tells anybody, never its tables."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import grpc

from kit.ids import new_id
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_owner_pb2 as owning
from parley.storage.v1 import conversation_service_pb2 as conversations
from parley.storage.v1 import directory_service_pb2 as directory
from parley.storage.v1 import outbox_service_pb2 as outbox
from parley.storage.v1.conversation_pb2 import Conversation
from parley.storage.v1.directory_pb2 import Agent, Delivery
from parley.storage.v1.manners_pb2 import Manners
from tests.mesh.rig import TENANT, Storage
from tests.stalls import PATIENCE_SECONDS

OPEN_TURNS = {chat.TURN_STATE_WAITING, chat.TURN_STATE_RUNNING}
OPEN_DELIVERIES = {chat.DELIVERY_STATE_QUEUED, chat.DELIVERY_STATE_SENDING}
STATES = [word for word, state in chat.TurnState.items() if state]
CALL_SECONDS = LONGEST_SECONDS = PATIENCE_SECONDS


@dataclass(frozen=True, slots=True)
class Standing:
    """One conversation, all its turns and all its deliveries."""

    conversation: Conversation
    turns: Sequence[conversations.Turn]
    deliveries: Sequence[Delivery]

    @property
    def busy(self) -> bool:
        """Whether anything may still go out by itself."""
        open_turns = any(turn.state in OPEN_TURNS for turn in self.turns)
        return open_turns or any(delivery.state in OPEN_DELIVERIES for delivery in self.deliveries)

    @property
    def ends(self) -> list[tuple[str, str]]:
        """How its turns ended and why, oldest first."""
        by_age = sorted(self.turns, key=lambda turn: turn.id)
        return [(chat.TurnState.Name(turn.state).removeprefix("TURN_STATE_").lower(), turn.reason) for turn in by_age]


async def standing(storage: Storage, conversation_id: str) -> Standing:
    """As it is now."""
    meta = storage.metadata
    one = conversations.GetConversationRequest(tenant_id=TENANT, conversation_id=conversation_id)
    theirs = conversations.ListTurnsRequest(
        tenant_id=TENANT, conversation_id=conversation_id, states=STATES, page_size=100
    )
    sent = outbox.ListDeliveriesRequest(tenant_id=TENANT, conversation_id=conversation_id, page_size=100)
    # Turns before deliveries: the end of a turn and its delivery are one transaction.
    turns = await storage.conversations.ListTurns(theirs, metadata=meta, timeout=CALL_SECONDS)
    deliveries = await storage.outbox.ListDeliveries(sent, metadata=meta, timeout=CALL_SECONDS)
    found = await storage.conversations.GetConversation(one, metadata=meta, timeout=CALL_SECONDS)
    return Standing(found.conversation, list(turns.turns), list(deliveries.deliveries))


async def once(storage: Storage, conversation_id: str, condition: Callable[[Standing], object]) -> Standing:
    """Waits until it stands so, and looks once more: what was read before the sign may be older than it."""
    async with asyncio.timeout(LONGEST_SECONDS):
        while not condition(await standing(storage, conversation_id)):
            await asyncio.sleep(0.05)
    return await standing(storage, conversation_id)


async def settled(storage: Storage, conversation_id: str) -> Standing:
    """Waits until nothing of it may go out any more."""
    return await once(storage, conversation_id, lambda found: not found.busy)


async def conversation_of(storage: Storage, who: str, *, channel: str = "whatsapp") -> str:
    """The id of the conversation with this person, who has written to one of the accounts."""
    found: list[str] = []
    for account in [each for each in await storage.accounts() if each.channel == channel]:
        asked = conversations.GetConversationRequest(tenant_id=TENANT, account_id=account.id, chat_id=who)
        try:
            got = await storage.conversations.GetConversation(asked, metadata=storage.metadata, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
        else:
            found.append(got.conversation.id)
    (conversation_id,) = found
    return conversation_id


async def give_to(storage: Storage, conversation_id: str, owner: chat.Owner) -> None:
    """Changes who answers, as an operator does."""
    request = owning.SetOwnerRequest(
        tenant_id=TENANT, request_id=new_id(), conversation_id=conversation_id, owner=owner
    )
    await storage.conversations.SetOwner(request, metadata=storage.metadata, timeout=CALL_SECONDS)


@contextlib.asynccontextmanager
async def manners(storage: Storage, wanted: Manners) -> AsyncIterator[None]:
    """For a while the agents behave so; whatever becomes of the test, the next one finds what it expects."""
    asked = directory.ListAgentsRequest(tenant_id=TENANT)
    listed = await storage.directory.ListAgents(asked, metadata=storage.metadata, timeout=CALL_SECONDS)
    for agent in listed.agents:
        await _put(storage, agent, wanted)
    try:
        yield
    finally:
        for agent in listed.agents:
            await _put(storage, agent, agent.manners)


async def _put(storage: Storage, agent: Agent, behaving: Manners) -> None:
    changed = Agent()
    changed.CopyFrom(agent)
    changed.manners.CopyFrom(behaving)
    put = directory.PutAgentRequest(tenant_id=TENANT, request_id=new_id(), agent=changed)
    await storage.directory.PutAgent(put, metadata=storage.metadata, timeout=CALL_SECONDS)
