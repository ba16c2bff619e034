"""Which turns still run, in which chats? What a signal is told of, read when it is told."""

from collections.abc import Mapping, Sequence

import orjson
from sqlmodel import col

from parley.storage.v1.signal_requests_pb2 import Signal
from storage_service.backends.rows import Rows
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Conversation, Message, Turn
from storage_service.domain.presence import Begun
from storage_service.domain.rows import Key


class Running:
    """Reads of running turns."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def signals(self, begun: Sequence[Begun]) -> Mapping[Key, Signal]:
        """Those that run and are the agent's, in chats where nothing waits to be sent."""
        found: dict[Key, Signal] = {}
        for tenant_id in sorted({each.tenant_id for each in begun}):
            async with self._sessions.read(tenant_id) as rows:
                theirs = [each for each in begun if each.tenant_id == tenant_id]
                found |= {(tenant_id, each.turn_id): each for each in await _signals(rows, theirs)}
        return found


async def _signals(rows: Rows, begun: Sequence[Begun]) -> list[Signal]:
    by_turn = {each.turn_id: each.message_id for each in begun}
    running = rows.select(Turn).where(col(Turn.id).in_(by_turn), col(Turn.state) == "running")
    turns = await rows.all(running)
    ours = rows.select(Conversation).where(col(Conversation.id).in_([each.conversation_id for each in turns]))
    free = ours.where(col(Conversation.owner) == "agent", col(Conversation.open_deliveries) == 0)
    lanes = {lane.id: lane for lane in await rows.all(free)}
    newest = [by_turn[each.id] for each in turns if each.conversation_id in lanes]
    messages = {each.id: each for each in await rows.all(rows.select(Message).where(col(Message.id).in_(newest)))}
    return [
        _signal(turn, lanes[turn.conversation_id], message=messages[by_turn[turn.id]])
        for turn in turns
        if turn.conversation_id in lanes and by_turn[turn.id] in messages
    ]


def _signal(turn: Turn, lane: Conversation, *, message: Message) -> Signal:
    return Signal(
        tenant_id=turn.tenant_id,
        turn_id=turn.id,
        conversation_id=lane.id,
        account_id=lane.account_id,
        chat_id=lane.chat_id,
        provider_message_id=message.provider_message_id or "",
        metadata=orjson.loads(message.message_metadata) if message.message_metadata else {},
        correlation_id=turn.correlation_id,
    )
