"""Somebody takes back what they wrote. What is left of it? Its place, and when that was; it is answered no more.

What was made of it stays: a reply that was given, a summary that a model wrote.
"""

import json
from collections.abc import Sequence

from sqlalchemy import and_, or_
from sqlmodel import col

from kit import metrics
from parley.chat.v1.message_pb2 import ChannelMessage
from storage_service.backends import among_others, hand_offs, media, payloads
from storage_service.backends.rows import Rows, Who
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Conversation, Message, Tombstone
from storage_service.domain.events import Events
from storage_service.domain.rows import ERASED, Key
from storage_service.domain.taken_back import REASON, senders
from storage_service.domain.tombstones import Tombstones

ACTOR = "provider"


class TakenBack:
    """Messages that their senders took back."""

    def __init__(self, sessions: Sessions, *, tombstones: Tombstones, events: Events) -> None:
        self._sessions = sessions
        self._tombstones = tombstones
        self._events = events

    async def take_back(self, conversation: Key, message: ChannelMessage) -> None:
        """Said again, it changes nothing. Said before the message itself came in, it keeps that out."""
        tenant_id, conversation_id = conversation
        ended: list[str] = []

        async def work(rows: Rows) -> bool:
            ended.clear()
            theirs = rows.select(Conversation).where(col(Conversation.id) == conversation_id)
            lane = await rows.first(theirs, lock=True)
            if lane is None or lane.chat_id.startswith(ERASED):
                return False
            found = await _known_by(rows, lane, message=message)
            if not any(each.provider_message_id == message.takes_back for each in found):
                await self._keep_out(rows, lane, message=message)
            own = [each for each in found if each.sender_id in senders(message) and each.taken_back_at is None]
            if own:
                ended.extend(await among_others.answer_no_more(rows, own, reason=REASON))
                await _empty(rows, lane, messages=own, instead=dict(message.metadata))
            return bool(own)

        if await self._sessions.write(Who(tenant_id, ACTOR), work):
            self._events.changed([conversation_id], ended=ended)
            metrics.turns.labels(outcome="suppressed", reason=REASON).inc(len(ended))

    async def _keep_out(self, rows: Rows, lane: Conversation, *, message: ChannelMessage) -> None:
        digest = self._tombstones.to_write(
            rows.tenant_id, lane.account_id, chat_id=message.chat_id, provider_message_id=message.takes_back
        )
        if await rows.first(rows.select(Tombstone).where(col(Tombstone.digest) == digest)) is None:
            await rows.add(Tombstone(tenant_id=rows.tenant_id, digest=digest, created_at=rows.now))


async def _known_by(rows: Rows, lane: Conversation, *, message: ChannelMessage) -> Sequence[Message]:
    """The message, whoever wrote it, and what stands under its id and a colon: a channel keeps edits so."""
    number, chats = message.takes_back, sorted({message.chat_id, lane.chat_id})
    known_by = col(Message.provider_message_id)
    under = and_(known_by > f"{number}:", known_by < f"{number};")  # the character behind the colon
    said = rows.select(Message).where(col(Message.account_id) == lane.account_id, col(Message.chat_id).in_(chats))
    found = await rows.all(said.where(or_(known_by == number, under)))
    return [each for each in found if each.conversation_id == lane.id]


async def _empty(rows: Rows, lane: Conversation, *, messages: Sequence[Message], instead: dict[str, str]) -> None:
    """What the provider says of the message now stands in the place of what it said: a reply may need where it was."""
    ids = [each.id for each in messages]
    await media.forget_messages(rows, ids)
    await payloads.forget(rows, messages)
    await hand_offs.quote_no_more(rows, {lane.id: min(each.created_at for each in messages)})
    nothing = {"text": "", "attachments": None, "message_metadata": json.dumps(instead) if instead else None}
    await rows.change(rows.update(Message).where(col(Message.id).in_(ids)).values(**nothing, taken_back_at=rows.now))
    lane.model_conversation, lane.updated_at = "", rows.now  # a model server that remembers would say it again
    await rows.flush()
    for each in ids:
        await rows.note("message.take_back", "message", row_id=each)
