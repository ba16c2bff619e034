"""Which turns still run, in which chats? What a signal is told of, read when it is told."""

from collections.abc import Mapping, Sequence

import orjson
from sqlmodel import col

from parley.storage.v1.signal_requests_pb2 import Signal
from storage_service.backends.rows import Rows
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Conversation, Message, Turn
from storage_service.domain.drafts import Shown
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
            ids = [each.turn_id for each in begun if each.tenant_id == tenant_id]
            async with self._sessions.read(tenant_id) as rows:
                running = rows.select(Turn).where(col(Turn.id).in_(ids), col(Turn.state) == "running")
                signals = [each.signal for each in await shown(rows, await rows.all(running))]
            found |= {(tenant_id, each.turn_id): each for each in signals}
        return found


async def shown(rows: Rows, turns: Sequence[Turn], *, only_free: bool = True) -> list[Shown]:
    """What is said of turns, without its kind; `only_free` of those that are the agent's, and whose reply is next."""
    lanes = rows.select(Conversation).where(col(Conversation.id).in_([each.conversation_id for each in turns]))
    if only_free:
        lanes = lanes.where(col(Conversation.owner) == "agent", col(Conversation.open_deliveries) == 0)
    found = {lane.id: lane for lane in await rows.all(lanes)}
    told = [each for each in turns if each.conversation_id in found]
    newest = await _newest(rows, told)
    return [_shown(turn, found[turn.conversation_id], message=newest.get(turn.id)) for turn in told]


async def said(rows: Rows, turns: Sequence[Turn]) -> Sequence[Message]:
    """The replies of turns, by their places in the conversations, which are indexed."""
    seqs = sorted({turn.reply_seq + n for turn in turns for n in range(turn.replies)})
    return await _at(rows, turns, seqs=seqs) if turns else ()


async def _newest(rows: Rows, turns: Sequence[Turn]) -> dict[str, Message]:
    """The last message that each answers."""
    last = {turn.id: turn.last_seq for turn in turns}
    found = await _at(rows, turns, seqs=sorted(set(last.values()))) if turns else ()
    return {each.turn_id or "": each for each in found if last.get(each.turn_id or "") == each.seq}


async def _at(rows: Rows, turns: Sequence[Turn], *, seqs: Sequence[int]) -> Sequence[Message]:
    chats = sorted({turn.conversation_id for turn in turns})
    place = (col(Message.conversation_id).in_(chats), col(Message.seq).in_(seqs))
    theirs = col(Message.turn_id).in_([turn.id for turn in turns])
    return await rows.all(rows.select(Message).where(*place, theirs))


def _shown(turn: Turn, lane: Conversation, *, message: Message | None) -> Shown:
    metadata = message.message_metadata if message else None
    signal = Signal(
        tenant_id=turn.tenant_id,
        turn_id=turn.id,
        conversation_id=lane.id,
        account_id=lane.account_id,
        chat_id=lane.chat_id,
        provider_message_id=(message.provider_message_id or "") if message else "",
        metadata=orjson.loads(metadata) if metadata else {},
        correlation_id=turn.correlation_id,
        owner_epoch=lane.owner_epoch,
    )
    return Shown(lane.channel, signal)
