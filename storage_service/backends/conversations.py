"""What was said in a conversation, and where do its turns stand?"""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col

from kit.errors import InvalidField, ParleyError
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_service_pb2 as pb
from parley.storage.v1.conversation_pb2 import Conversation as Shown
from storage_service.backends import lanes, mapping
from storage_service.backends.rows import Rows, after, among_few, missing
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Contact, Conversation, Delivery, Message, Turn
from storage_service.backends.tables.work import HELD_TURNS
from storage_service.domain import paging, second_tries, weights, words
from storage_service.domain.awaiting import Asked, Outcome
from storage_service.domain.drafts import NOBODY
from storage_service.domain.watching import News

HISTORY_SIZE = 100
NO_TURN = Outcome(None, ())
# Their places are looked up crosswise, which grows with the square.
TURNS_AT_ONCE = 32


class Conversations:
    """Reads of conversations."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def get(self, request: pb.GetConversationRequest) -> pb.GetConversationResponse:
        async with self._sessions.read(request.tenant_id) as rows:
            statement = rows.select(Conversation)
            if request.conversation_id:
                statement = statement.where(col(Conversation.id) == request.conversation_id)
            elif request.account_id and request.chat_id:
                account, chat_id = col(Conversation.account_id), col(Conversation.chat_id)
                statement = statement.where(account == request.account_id, chat_id == request.chat_id)
            else:
                raise InvalidField([("conversation_id", "is required, or else account_id and chat_id")])
            row = await rows.only(statement, kind="conversation")
            (shown,) = await _named(rows, [row])
        return pb.GetConversationResponse(conversation=shown)

    async def list(self, request: pb.ListConversationsRequest) -> pb.ListConversationsResponse:
        query = (request.tenant_id, "conversations", request.owner, request.account_id)
        most, order = paging.size(request.page_size), (Conversation.updated_at, Conversation.id)
        before = paging.place(request.page_token, [datetime, str], query=query)
        async with self._sessions.read(request.tenant_id) as rows:
            statement = rows.select(Conversation).order_by(*(col(each).desc() for each in order)).limit(most + 1)
            if request.owner:
                statement = statement.where(col(Conversation.owner).in_(owner_words(request.owner)))
            if request.account_id:
                statement = statement.where(col(Conversation.account_id) == request.account_id)
            if before:
                statement = statement.where(after(order, before, descending=True))
            found = await rows.all(statement)
            page, following = paging.cut(found, most, key=lambda row: (row.updated_at, row.id), query=query)
            return pb.ListConversationsResponse(conversations=await _named(rows, page), next_page_token=following)

    async def messages(self, request: pb.ListMessagesRequest) -> pb.ListMessagesResponse:
        most = paging.size(request.page_size, HISTORY_SIZE)
        async with self._sessions.read(request.tenant_id) as rows:
            await rows.named(Conversation, request.conversation_id)
            where, before = request.conversation_id, request.before_seq
            found = await _history(rows, where, after_seq=request.after_seq, before_seq=before, most=most + 1)
            page = _page(found[:most])
            shown = await _shown(rows, page[::-1] if before else page)
        return pb.ListMessagesResponse(messages=shown, more=len(found) > len(page))

    async def turns(self, request: pb.ListTurnsRequest) -> pb.ListTurnsResponse:
        newest = request.newest_first
        query = (request.tenant_id, "turns", *request.states, request.conversation_id, *["newest"] * newest)
        most = paging.size(request.page_size)
        async with self._sessions.read(request.tenant_id) as rows:
            statement = rows.select(Turn).order_by(col(Turn.id).desc() if newest else col(Turn.id)).limit(most + 1)
            wanted = turn_words(request.states) if request.states else words.OPEN_TURN
            statement = statement.where(rows.in_states(Turn.state, wanted, held=HELD_TURNS))
            if request.conversation_id:
                theirs = rows.select(Turn).where(col(Turn.conversation_id) == request.conversation_id)
                statement = statement.where(col(Turn.id).in_(theirs.with_only_columns(col(Turn.id)).correlate(None)))
            if place := paging.place(request.page_token, [str], query=query):
                is_few = request.conversation_id or set(wanted) <= set(words.OPEN_TURN)
                turn_id = among_few(Turn.id) if is_few else col(Turn.id)
                statement = statement.where(turn_id < place[0] if newest else turn_id > place[0])
            found = await rows.all(statement)
        page, following = paging.cut(found, most, key=lambda row: (row.id,), query=query)
        return pb.ListTurnsResponse(turns=map(mapping.turn, page), next_page_token=following)

    async def news(self, tenant_id: str, conversation_id: str, *, after_seq: int) -> News:
        """What a watcher has not seen yet, as domain.watching asks."""
        async with self._sessions.read(tenant_id) as rows:
            lane = await rows.named(Conversation, conversation_id)
            found = await _history(rows, conversation_id, after_seq=after_seq, most=HISTORY_SIZE)
            turn = await _thought_about(rows, lane)
            page = _page(found)
            more = len(found) == HISTORY_SIZE or len(found) > len(page)
            answering, lease = ((turn.id, lane.owner_epoch), turn.epoch) if turn else (NOBODY, 0)
            erased = lanes.is_erased(lane)
            return News(await _shown(rows, page), answering=answering, lease=lease, more=more, erased=erased)

    async def outcomes(self, asked: Sequence[Asked]) -> Sequence[Outcome | ParleyError]:
        """The turns of messages and, of those that have ended, what they said. A turn that was split is another one."""
        found: dict[Asked, Outcome] = {}
        for tenant_id in sorted({tenant_id for tenant_id, _ in asked}):
            async with self._sessions.read(tenant_id) as rows:
                outcomes = await _outcomes(rows, [message_id for each, message_id in asked if each == tenant_id])
            found |= {(tenant_id, message_id): outcome for message_id, outcome in outcomes.items()}
        return [found.get(each) or missing("message") for each in asked]


async def _named(rows: Rows, page: Sequence[Conversation]) -> list[Shown]:
    """With the names of their contacts."""
    theirs = rows.select(Contact).where(col(Contact.id).in_({each.contact_id for each in page}))
    names = {each[0]: each[1] for each in await rows.values(theirs, col(Contact.id), col(Contact.name))} if page else {}
    shown = [mapping.conversation(each) for each in page]
    for each in shown:
        each.contact_name = names.get(each.contact_id, "")
    return shown


def owner_words(owner: int) -> list[str]:
    return [word for word, value in words.OWNER.items() if value == owner]


def turn_words(states: Sequence[int]) -> list[str]:
    return [word for word, value in words.TURN_STATE.items() if value in states]


async def _history(
    rows: Rows, conversation_id: str, *, after_seq: int, most: int, before_seq: int = 0
) -> Sequence[Message]:
    """The first after a place; or, where a place before which they stand is named, the last of them, newest first."""
    seq = col(Message.seq)
    theirs = rows.select(Message).where(col(Message.conversation_id) == conversation_id, seq > after_seq)
    ordered = theirs.where(seq < before_seq).order_by(seq.desc()) if before_seq else theirs.order_by(seq)
    return await rows.all(ordered.limit(most))


def _page(found: Sequence[Message]) -> Sequence[Message]:
    """As many of the first as one answer carries."""
    heavy = (weights.said(each.text, each.attachments) for each in found)
    return found[: weights.fitting(heavy, weights.MOST_LISTED_BYTES)]


async def _outcomes(rows: Rows, message_ids: Sequence[str]) -> dict[str, Outcome]:
    messages = await rows.all(rows.select(Message).where(col(Message.id).in_(message_ids)))
    named = {message.turn_id for message in messages if message.turn_id}
    found = await rows.all(rows.select(Turn).where(col(Turn.id).in_(named))) if named else ()
    failed = await _first_tries(rows, [turn for turn in found if second_tries.says_nothing(turn)])
    turns = {turn.id: turn for turn in found}
    answering = {each.id: _answering(each, turns.get(each.turn_id or ""), failed=failed) for each in messages}
    ended = {turn.id: turn for turn in answering.values() if turn and turn.state not in words.OPEN_TURN}
    said = await _replies(rows, list(ended.values()))
    return {
        message_id: Outcome(mapping.turn(turn), said.get(turn.id, [])) if turn else NO_TURN
        for message_id, turn in answering.items()
    }


async def _first_tries(rows: Rows, again: Sequence[Turn]) -> Sequence[Turn]:
    """What failed before these second tries. Their first message is the same."""
    if not again:
        return ()
    chats, seqs = {turn.conversation_id for turn in again}, {turn.first_seq for turn in again}
    place = (col(Turn.conversation_id).in_(sorted(chats)), col(Turn.first_seq).in_(sorted(seqs)))
    return await rows.all(rows.select(Turn).where(*place, col(Turn.state) == "failed"))


def _answering(message: Message, turn: Turn | None, *, failed: Sequence[Turn]) -> Turn | None:
    """The turn that says something to it: the one that failed, while its second try says nothing."""
    if turn is None or not second_tries.says_nothing(turn):
        return turn
    tried = (
        each
        for each in failed
        if each.conversation_id == message.conversation_id and each.first_seq <= message.seq <= each.last_seq
    )
    return next(tried, turn)


async def _replies(rows: Rows, turns: Sequence[Turn]) -> dict[str, list[chat.Message]]:
    said: dict[str, list[chat.Message]] = {turn.id: [] for turn in turns}
    for start in range(0, len(turns), TURNS_AT_ONCE):
        found = await _said(rows, [turn for turn in turns[start : start + TURNS_AT_ONCE] if turn.replies])
        for each, shown in zip(found, await _shown(rows, found), strict=True):
            said[each.turn_id or ""].append(shown)
    return said


async def _said(rows: Rows, turns: Sequence[Turn]) -> Sequence[Message]:
    """By their places in the conversations, which are indexed. In this form SQLite, which has no statistics, uses the
    whole index; of pairs, of ranges and of a join with the turns it would read the tenant's every message."""
    if not turns:
        return ()
    chats = sorted({turn.conversation_id for turn in turns})
    seqs = sorted({turn.reply_seq + n for turn in turns for n in range(turn.replies)})
    place = (col(Message.conversation_id).in_(chats), col(Message.seq).in_(seqs))
    theirs = col(Message.turn_id).in_([turn.id for turn in turns])
    return await rows.all(rows.select(Message).where(*place, theirs).order_by(col(Message.seq)))


async def _thought_about(rows: Rows, lane: Conversation) -> Turn | None:
    """A turn that was given back still stands as the running one in the lane; nobody thinks about it. And what is
    thought of while the conversation is another's is never said."""
    if lane.running_turn_id is None or lane.owner != "agent":
        return None
    turn = await rows.first(rows.select(Turn).where(col(Turn.id) == lane.running_turn_id))
    return turn if turn is not None and turn.state == "running" else None


async def _shown(rows: Rows, messages: Sequence[Message]) -> list[chat.Message]:
    """The messages with the state of their deliveries, which most do not have."""
    ids = [message.delivery_id for message in messages if message.delivery_id]
    found = await rows.all(rows.select(Delivery).where(col(Delivery.id).in_(ids))) if ids else ()
    states = {delivery.id: delivery.state for delivery in found}
    return [mapping.message(each, delivery_state=states.get(each.delivery_id or "")) for each in messages]
