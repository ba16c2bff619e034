"""How does new work reach a worker in the transaction that makes it? Leased before it was ever written as waiting.

What is due at once goes to a worker that has room, when nothing older waits for one. That saves the transaction that
would find it again, and every index entry that says no more than that it waits. Where reading is a way to go, what was
said before a turn is read when its worker takes it: a webhook waits for what must be written, and for nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, TurnSetting
from storage_service.domain import holding, leased
from storage_service.domain.asks import MOST_MESSAGES, Ask, Wanted, share
from storage_service.domain.changes import Changes
from storage_service.domain.leased import Answered, Head, Remembered, Said
from storage_service.domain.rows import Delivery, Key, Lane, Turn
from storage_service.domain.turns import Turns


@dataclass(slots=True)
class GivenTurn:
    """A turn on its way to its worker."""

    turn: LeasedTurn
    before: Wanted | None = None  # the history that is still to be read


class HistoryRows(Protocol):
    """What is read for turns that were handed out as they were made."""

    at_hand: bool  # whether it costs no way to the database and back

    async def history(self, wanted: Sequence[Wanted]) -> Mapping[Key, Sequence[Remembered]]: ...


async def turns(
    rows: HistoryRows, asks: Sequence[Ask], *, moves: Turns, settings: Mapping[Key, TurnSetting]
) -> list[list[GivenTurn]]:
    """Leases turns that are about to be written and are due now. What was given to each ask."""
    given: dict[int, list[GivenTurn]] = {id(ask): [] for ask in asks}
    changes = moves.changes
    fresh = [lane for lane in changes.lanes.values() if _may_be_answered(lane, changes, now=moves.now)] if asks else []
    if chosen := share(fresh, asks):
        own = _own(changes)
        for lane, ask in chosen:
            turn = _new(lane, changes)
            moves.hold(lane, turn, worker_id=ask.worker_id, lease=ask.lease)
            handed = leased.turn(lane, turn, setting=settings[lane.key], own=own[turn.id])
            before = Wanted.of(lane, turn.id, first_seq=turn.first_seq, history=ask.history)
            given[id(ask)].append(GivenTurn(handed, before))
    if rows.at_hand:
        await remember(rows, [each for turns in given.values() for each in turns])
    return [given[id(ask)] for ask in asks]


async def remember(rows: HistoryRows, given: Sequence[GivenTurn]) -> None:
    """Reads what was said before them, where that is still to be done."""
    bare = [(each, each.before) for each in given if each.before]
    history = await rows.history([before for _, before in bare]) if bare else {}
    for each, before in bare:
        leased.remember(each.turn, history[before.tenant_id, before.conversation_id])
        each.before = None


def deliveries(
    asks: Sequence[Ask], *, changes: Changes, answered: Mapping[Key, Answered], now: datetime
) -> list[list[LeasedDelivery]]:
    """Leases deliveries that are about to be written and are the first of their lanes. What was given to each ask."""
    given: dict[int, list[LeasedDelivery]] = {id(ask): [] for ask in asks}
    fresh = _first_of_their_lanes(changes) if asks else {}
    if chosen := share([changes.lanes[each] for each in fresh], asks):
        texts = {message.id: message.text for message in changes.messages}
        for lane, ask in chosen:
            delivery, about = fresh[lane.id], answered[lane.key]
            if about.account_state != "active":
                continue
            holding.hold(lane, delivery, worker_id=ask.worker_id, now=now, lease=ask.lease)
            text = texts[delivery.message_id]
            head = Head(delivery, about.account_state, text, about.provider_message_id, about.metadata)
            given[id(ask)].append(leased.delivery(lane, head))
    return [given[id(ask)] for ask in asks]


def _may_be_answered(lane: Lane, changes: Changes, *, now: datetime) -> bool:
    """Its turn is new, due, and small enough to be answered whole; and at the end of the group it is the agent's."""
    turn = changes.new_turns.get(lane.waiting_turn_id or "")
    due = lane.owner == "agent" and lane.turn_due_at is not None and lane.turn_due_at <= now
    return due and turn is not None and lane.running_turn_id is None and turn.messages <= MOST_MESSAGES


def _new(lane: Lane, changes: Changes) -> Turn:
    return changes.new_turns[lane.waiting_turn_id or ""]


def _own(changes: Changes) -> dict[str, list[Said]]:
    own: dict[str, list[Said]] = {}
    for message in changes.messages:
        if message.turn_id in changes.new_turns:
            own.setdefault(message.turn_id or "", []).append(leased.said_now(message))
    return own


def _first_of_their_lanes(changes: Changes) -> dict[str, Delivery]:
    """By conversation: new deliveries before which nothing of their lane is open or being sent."""
    new: dict[str, list[Delivery]] = {}
    for each in changes.new_deliveries:
        new.setdefault(each.conversation_id, []).append(each)
    return {
        conversation_id: each[0]
        for conversation_id, each in new.items()
        if (lane := changes.lanes[conversation_id]).delivery_due_at is not None
        and lane.sending_delivery_id is None
        and lane.open_deliveries == len(each)
    }
