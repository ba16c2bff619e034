"""A provider gives a chat another id. Whose conversation is it then? Its own still, with all that was said and agreed.

Where somebody was faster and wrote under the new id before we heard of it, there are two: the new one goes on, and is
whosever the old one is, so that nobody is spoken over who has it, and nobody written to who wants no messages.
"""

import json
from collections.abc import Sequence

from sqlmodel import col

from kit.moments import moment
from parley.chat.v1.message_pb2 import ChannelMessage
from storage_service.backends.ownership import change
from storage_service.backends.rows import Rows, Who
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Conversation, Message
from storage_service.domain.events import Events
from storage_service.domain.late import External
from storage_service.domain.moved_chats import known_by
from storage_service.domain.seats import Chat

ACTOR = "provider"


class MovedChats:
    """Chats that have another id than before."""

    def __init__(self, sessions: Sessions, *, events: Events) -> None:
        self._sessions = sessions
        self._events = events

    async def follow(self, old: Chat, message: ChannelMessage) -> None:
        """Keeps the message that says so, too: nobody finds the old chat gone, and not where it went. Said again, it
        changes nothing. Who writes under the new id at this moment makes it run again, and find both."""
        tenant_id, account_id, old_id = old
        ended: list[str] = []

        async def work(rows: Rows) -> str:
            ended.clear()
            ours = rows.select(Conversation).where(col(Conversation.account_id) == account_id)
            both = ours.where(col(Conversation.chat_id).in_([old_id, message.chat_id]))
            there = {each.chat_id: each for each in await rows.all(both.order_by(col(Conversation.id)), lock=True)}
            before, lane = there.get(old_id), there.get(message.chat_id)
            # Asked under the locks: the other of the two messages may have been faster.
            if before is None or await _is_known(rows, old):
                return ""
            if lane is None:
                lane, before.chat_id = before, message.chat_id
                await rows.note("conversation.move", "conversation", row_id=lane.id)
            else:
                ended.extend(await _inherit(rows, lane, before=before))
            await _keep(rows, lane, message=message, known_as=known_by(old))
            return lane.id

        moved = await self._sessions.write(Who(tenant_id, ACTOR), work)
        self._tell(moved, ended)

    def _tell(self, conversation_id: str, ended: Sequence[str]) -> None:
        if conversation_id:
            self._events.changed([conversation_id], ended=ended)


async def _is_known(rows: Rows, old: Chat) -> bool:
    _, account_id, chat_id, message_id = known_by(old)
    said = rows.select(Message).where(col(Message.account_id) == account_id, col(Message.chat_id) == chat_id)
    return await rows.first(said.where(col(Message.provider_message_id) == message_id)) is not None


async def _inherit(rows: Rows, lane: Conversation, *, before: Conversation) -> list[str]:
    """Names the turns that it ended."""
    lane.opted_out_at = lane.opted_out_at or before.opted_out_at
    if lane.owner != "agent" or before.owner == "agent":
        return []
    return await change(rows, lane, owner=before.owner)


async def _keep(rows: Rows, lane: Conversation, *, message: ChannelMessage, known_as: External) -> None:
    at = rows.now
    said = Message(
        tenant_id=rows.tenant_id,
        id=rows.new_id(),
        conversation_id=lane.id,
        seq=lane.next_seq,
        role="contact",
        message_metadata=json.dumps(dict(message.metadata)) if message.metadata else None,
        account_id=lane.account_id,
        chat_id=known_as[2],
        sender_id=message.sender_id,
        provider_message_id=known_as[3],
        provider_at=moment(message.provider_at) if message.HasField("provider_at") else at,
        received_at=moment(message.received_at) if message.HasField("received_at") else at,
        created_at=at,
        correlation_id=message.correlation_id,
    )
    lane.next_seq, lane.updated_at = lane.next_seq + 1, at
    await rows.add(said)
