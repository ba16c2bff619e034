"""What happens to conversations' lanes when something else than a message moves: an owner, an account, an erasure?

Whoever changes a lane holds its conversation's row; several are taken in the order of their ids, as everywhere.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import text
from sqlmodel import col
from sqlmodel.sql.expression import SelectOfScalar

from kit.errors import OwnerChanged, StateConflict
from storage_service.backends.rows import Rows
from storage_service.backends.tables import Conversation, Delivery, Message, Turn
from storage_service.backends.tables.work import OPEN_DELIVERY
from storage_service.domain.opting import opts_in, opts_out
from storage_service.domain.rows import ERASED

# The literal lets both databases use the partial index of the lane.
_open = text(OPEN_DELIVERY)
FREED_AT_ONCE = 500


def end_chat(lane: Conversation) -> None:
    """Takes the chat away that it was held in: who writes there begins another conversation."""
    lane.chat_id = _no_chat(lane)


def refuse_erased(lane: Conversation) -> None:
    """Raises StateConflict where nobody is left to be written to. The caller holds its lock."""
    if is_erased(lane):
        raise StateConflict("the contact was erased")


def refuse_changed(lane: Conversation, owner_epoch: int) -> None:
    """Raises OwnerChanged where it is not the owner that the caller saw; 0 is whichever. The caller holds its lock."""
    if owner_epoch and owner_epoch != lane.owner_epoch:
        raise OwnerChanged("The conversation changed its owner meanwhile; nothing was done.")


def is_erased(lane: Conversation) -> bool:
    """Whether its chat was taken away."""
    return lane.chat_id == _no_chat(lane)


async def drop_waiting_turn(rows: Rows, lane: Conversation, *, reason: str) -> list[str]:
    """Ends the turn that no worker holds: the one that waits, and the one that was given back. Names what ended."""
    ended = await _unheld(rows, lane)
    for turn in ended:
        turn.state, turn.reason, turn.ended_at = "suppressed", reason, rows.now
        if lane.running_turn_id == turn.id:
            lane.running_turn_id = None
    lane.waiting_turn_id = lane.waiting_since = lane.waiting_due_at = lane.turn_due_at = None
    lane.waiting_messages, lane.held_until = 0, None
    await rows.flush()
    return [turn.id for turn in ended]


async def hold_a_word(rows: Rows, lane: Conversation) -> bool:
    """Whether a turn that no worker holds says that the contact wants no more messages, or wants them again."""
    return await _is_said_in(rows, lane, turns=await _unheld(rows, lane))


async def end_running_turn(rows: Rows, lane: Conversation, *, reason: str) -> list[str]:
    """The same of the turn that a worker holds, unless it says such a word. What comes next waits for it no more; its
    worker, who hears of it when it has an answer, may then still say what that cost. What the model's server keeps of
    the conversation ends with it: the answer that nobody is told will stand there."""
    running = await rows.first(rows.select(Turn).where(col(Turn.id) == lane.running_turn_id))
    if running is None or running.state != "running" or await _is_said_in(rows, lane, turns=[running]):
        return []
    running.state, running.reason, running.ended_at, running.expires_at = "suppressed", reason, rows.now, None
    lane.running_turn_id, lane.model_conversation = None, ""
    lane.turn_due_at = lane.waiting_due_at and max(lane.waiting_due_at, lane.held_until or lane.waiting_due_at)
    await rows.flush()
    return [running.id]


async def _is_said_in(rows: Rows, lane: Conversation, *, turns: Sequence[Turn]) -> bool:
    if not turns:
        return False
    said = rows.select(Message).where(col(Message.conversation_id) == lane.id)
    theirs = said.where(col(Message.seq) >= min(each.first_seq for each in turns))
    own = theirs.where(col(Message.turn_id).in_([each.id for each in turns]))
    texts = [text for (text,) in await rows.values(own, col(Message.text))]
    return any(map(opts_in if lane.opted_out_at else opts_out, texts))


async def drop_deliveries(rows: Rows, lane: Conversation, *, reason: str, state: str = "failed") -> int:
    """Ends what has not begun to go out, whoever said it. Returns how much that was."""
    return await _drop(rows, lane, theirs=await rows.all(_unsent(rows, lane)), reason=reason, state=state)


async def silence_agent(rows: Rows, lane: Conversation, *, reason: str) -> int:
    """The same of what the agent said, except in a turn that passed the contact on to a human: that stays true."""
    found = await rows.all(_unsent(rows, lane))
    spoken = rows.select(Message).where(col(Message.id).in_([each.message_id for each in found]))
    by_agent = {each.id for each in await rows.all(spoken) if each.role == "agent"}
    told = rows.select(Turn).where(col(Turn.id).in_([each.turn_id for each in found if each.turn_id]))
    passed_on = {each.id for each in await rows.all(told) if each.state == "handed_off"}
    theirs = [each for each in found if each.message_id in by_agent and each.turn_id not in passed_on]
    return await _drop(rows, lane, theirs=theirs, reason=reason)


async def drop_some(rows: Rows, lane: Conversation, *, ids: Collection[str], reason: str) -> int:
    """The same of these deliveries."""
    theirs = [each for each in await rows.all(_unsent(rows, lane)) if each.id in ids]
    return await _drop(rows, lane, theirs=theirs, reason=reason) if theirs else 0


async def free_account(rows: Rows, account_id: str) -> int:
    """Makes due again what waited for a paused account. Returns how many conversations moved."""
    freed = 0
    parked = rows.select(Conversation).where(col(Conversation.account_id) == account_id, text("delivery_parked"))
    page = parked.order_by(col(Conversation.id)).limit(FREED_AT_ONCE)
    while lanes := await rows.all(page, lock=True):
        for lane in lanes:
            lane.delivery_parked = False
            await _set_delivery_due(rows, lane)
        await rows.flush()
        freed += len(lanes)
    return freed


def _no_chat(lane: Conversation) -> str:
    return f"{ERASED}{lane.id}"


async def _unheld(rows: Rows, lane: Conversation) -> Sequence[Turn]:
    theirs = rows.select(Turn).where(col(Turn.conversation_id) == lane.id)
    return await rows.all(theirs.where(col(Turn.state).in_(["waiting", "returned"])))


def _unsent(rows: Rows, lane: Conversation) -> SelectOfScalar[Delivery]:
    return rows.select(Delivery).where(col(Delivery.conversation_id) == lane.id, _open)


async def _drop(
    rows: Rows, lane: Conversation, *, theirs: Sequence[Delivery], reason: str, state: str = "failed"
) -> int:
    """The raised epoch tells a sender that has leased it not to make the call. A call that is being made goes on, and
    the reason that it leaves on its delivery lets no other follow it: no next part and no retry."""
    dropped = [each for each in theirs if not each.begun]
    for delivery in theirs:
        delivery.reason = reason
    for delivery in dropped:
        if lane.sending_delivery_id == delivery.id:
            lane.sending_delivery_id = None
        delivery.state, delivery.updated_at = state, rows.now
        delivery.epoch, delivery.expires_at, delivery.worker_id = delivery.epoch + 1, None, ""
    lane.open_deliveries = max(0, lane.open_deliveries - len(dropped))
    await rows.flush()
    await _set_delivery_due(rows, lane)
    return len(dropped)


async def _set_delivery_due(rows: Rows, lane: Conversation) -> None:
    """The head of the lane is due when it says; nothing is while one is out or the account is paused."""
    if lane.sending_delivery_id or lane.delivery_parked or not lane.open_deliveries:
        lane.delivery_due_at = None
        return
    head = await rows.first(_unsent(rows, lane).order_by(col(Delivery.seq)).limit(1))
    lane.delivery_due_at = head.due_at if head else None
