"""Somebody is erased who wrote in a conversation of others: what becomes of its work, and whose is it if they began it?

The caller holds the lock of each conversation that is named here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields

from sqlmodel import col

from storage_service.backends import lanes
from storage_service.backends.rows import Rows
from storage_service.backends.tables import Conversation, Message, Turn
from storage_service.backends.tables.work import HELD_TURNS
from storage_service.domain import rows as domain
from storage_service.domain.words import OPEN_TURN


async def pass_on(rows: Rows, groups: Mapping[str, str]) -> None:
    """Each group goes on as the conversation of another who wrote there."""
    for conversation_id, contact_id in groups.items():
        theirs = rows.update(Conversation).where(col(Conversation.id) == conversation_id)
        await rows.change(theirs.values(contact_id=contact_id))


async def answer_no_more(rows: Rows, messages: Sequence[Message], *, reason: str) -> list[str]:
    """Takes messages out of the turns that are to answer them. One with nothing left ends; who works on another one
    finds that it was taken back, and it is done again with what is left. Names what ended."""
    asked = {each.turn_id for each in messages if each.turn_id}
    found = rows.select(Turn).where(col(Turn.id).in_(asked))
    ended: list[str] = []
    for turn in await rows.all(found.where(rows.in_states(Turn.state, OPEN_TURN, held=HELD_TURNS))):
        own = rows.select(Message).where(
            col(Message.conversation_id) == turn.conversation_id, col(Message.turn_id) == turn.id
        )
        gone = [each.id for each in messages if each.turn_id == turn.id]
        left = await rows.first(own.where(col(Message.id).not_in(gone)).limit(1))
        await rows.change(rows.update(Message).where(col(Message.id).in_(gone)).values(turn_id=None))
        conversation = await rows.named(Conversation, turn.conversation_id)
        lane = domain.Lane(*(getattr(conversation, field.name) for field in fields(domain.Lane)))
        if left is None:
            turn.state, turn.reason, turn.ended_at, turn.expires_at = "suppressed", reason, rows.now, None
            turn.epoch, turn.worker_id = turn.epoch + 1, ""  # whoever works on it finds it gone
            lane.end_turn(turn.id)
            ended.append(turn.id)
        elif turn.state == "running":
            turn.state, turn.expires_at, turn.due_at, turn.attempts = "returned", None, rows.now, turn.attempts - 1
            lane.return_turn(rows.now)
        rows.differ(conversation, {field.name: getattr(lane, field.name) for field in fields(domain.Lane)})
        await rows.flush()
    return ended


async def answers(rows: Rows, messages: Sequence[Message]) -> Sequence[Message]:
    """What the agent said to them, and to whoever wrote at the same moment."""
    asked = {each.turn_id for each in messages if each.turn_id}
    said = rows.select(Message).where(col(Message.conversation_id).in_({each.conversation_id for each in messages}))
    return await rows.all(said.where(col(Message.role) == "agent", col(Message.turn_id).in_(asked)))


async def send_no_more(rows: Rows, said: Sequence[Message], *, reason: str) -> None:
    """Ends those of them that have not begun to go out."""
    ids = {each.delivery_id for each in said if each.delivery_id}
    for conversation_id in sorted({each.conversation_id for each in said}):
        lane = await rows.named(Conversation, conversation_id)
        await lanes.drop_some(rows, lane, ids=ids, reason=reason)
