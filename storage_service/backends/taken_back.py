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
from storage_service.domain.rows import ERASED
from storage_service.domain.taken_back import REASON, Withdrawal, senders
from storage_service.domain.tombstones import Tombstones, under

ACTOR = "provider"


class TakenBack:
    """Messages that their senders took back."""

    def __init__(self, sessions: Sessions, *, tombstones: Tombstones, events: Events) -> None:
        self._sessions = sessions
        self._tombstones = tombstones
        self._events = events

    async def take_back(self, withdrawal: Withdrawal) -> None:
        """Said again, it changes nothing. Said before the message itself came in, it keeps that out."""
        message, ended, moved = withdrawal.message, list[str](), list[str]()

        async def work(rows: Rows) -> None:
            ended.clear()
            moved.clear()
            lane = await _lane(rows, withdrawal)
            if lane is not None and lane.chat_id.startswith(ERASED):
                return
            found = await _known_by(rows, lane, message=message) if lane else ()
            named = [each for each in found if each.provider_message_id == message.takes_back]
            if all(_is_theirs(each, message) for each in named):
                gone = [under(message.takes_back), *([] if named else [message.takes_back])]
                await self._keep_out(rows, withdrawal, names=gone)
            own = [each for each in found if _is_theirs(each, message) and each.taken_back_at is None]
            if lane and own:
                moved.append(lane.id)
                ended.extend(await among_others.answer_no_more(rows, own, reason=REASON))
                await _empty(rows, lane, messages=own, instead=dict(message.metadata))

        await self._sessions.write(Who(withdrawal.tenant_id, ACTOR), work)
        if moved:
            self._events.changed(moved, ended=ended)
            metrics.turns.labels(outcome="suppressed", reason=REASON).inc(len(ended))

    async def _keep_out(self, rows: Rows, withdrawal: Withdrawal, *, names: Sequence[str]) -> None:
        chat_id = withdrawal.message.chat_id
        for name in names:
            digest = self._tombstones.to_write(
                rows.tenant_id, withdrawal.account_id, chat_id=chat_id, provider_message_id=name
            )
            if await rows.first(rows.select(Tombstone).where(col(Tombstone.digest) == digest)) is None:
                await rows.add(Tombstone(tenant_id=rows.tenant_id, digest=digest, created_at=rows.now))


async def _lane(rows: Rows, withdrawal: Withdrawal) -> Conversation | None:
    """Where it was said, locked. Of a chat that was unknown it is looked whether the message came meanwhile."""
    conversation_id = withdrawal.conversation_id
    if not conversation_id:
        chat = (withdrawal.account_id, withdrawal.message.chat_id, withdrawal.message.takes_back)
        place = (col(Message.account_id), col(Message.chat_id), col(Message.provider_message_id))
        said = rows.select(Message).where(*(column == value for column, value in zip(place, chat, strict=True)))
        conversation_id = each.conversation_id if (each := await rows.first(said)) else ""
    if not conversation_id:
        return None
    theirs = rows.select(Conversation).where(col(Conversation.id) == conversation_id)
    return await rows.first(theirs, lock=True)


def _is_theirs(said: Message, message: ChannelMessage) -> bool:
    return said.sender_id in senders(message)


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
