"""Which deliveries go no further, and what follows when it is the provider who says that somebody wants no messages?"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from kit.errors import LeaseLost, OwnerChanged, ParleyError
from storage_service.domain import changing
from storage_service.domain.changes import Changes
from storage_service.domain.rows import Attempt, Delivery, Key, Lane, Turn
from storage_service.domain.turns import Turns

# Why a delivery that is being sent goes no further: the call that is under way ends, and no other begins.
CALLED_OFF = ("owner_changed", "erased", "opted_out", "restored")
OPEN = ("queued", "sending")


class UnsentRows(Protocol):
    """What is still to be sent in conversations."""

    async def unsent(self, keys: Sequence[Key]) -> Mapping[Key, Sequence[Delivery]]: ...


class TurnRows(Protocol):
    """The turns that run in conversations."""

    async def turns(self, keys: Sequence[Key]) -> Mapping[Key, Turn]: ...


class LeavingRows(UnsentRows, TurnRows, Protocol):
    """Both."""


async def unsent(
    rows: UnsentRows, lanes: set[Key], *, deliveries: Mapping[Key, Delivery]
) -> Mapping[Key, Sequence[Delivery]]:
    """Of these conversations. A delivery that was read already is that same one."""
    found = await rows.unsent(sorted(lanes)) if lanes else {}
    return {lane: [deliveries.get(each.key, each) for each in waiting] for lane, waiting in found.items()}


def went_no_further(delivery: Delivery) -> bool:
    return delivery.state == "failed" and delivery.reason in CALLED_OFF


def lost(delivery: Delivery) -> ParleyError:
    """Why a worker may not go on with what it had leased."""
    return OwnerChanged() if went_no_further(delivery) else LeaseLost()


def opt_out(lane: Lane, delivery: Delivery, *, unsent: Sequence[Delivery], changes: Changes, now: datetime) -> None:
    """The provider refused it because the person opted out there: the same as if they had said so here.

    They are told nothing, since nothing reaches them; what else waits is called off.
    """
    others = [each for each in unsent if each.id != delivery.id and each.state in OPEN]
    due_at = lane.delivery_due_at
    changing.call_off(lane, others, changes=changes, now=now)
    lane.delivery_due_at = due_at if not others else None
    _let_go(lane, changes=changes, now=now)


def opt_out_late(lane: Lane, attempt: Attempt, *, unsent: Sequence[Delivery], changes: Changes, now: datetime) -> None:
    """The provider took the call, and says later that the person had opted out there. Unless they wrote since."""
    wrote_since = lane.last_inbound_at is not None and lane.last_inbound_at > attempt.begun_at
    if lane.opted_out or wrote_since:
        return
    changing.call_off(lane, [each for each in unsent if each.state in OPEN], changes=changes, now=now)
    _let_go(lane, changes=changes, now=now)


async def leave(rows: LeavingRows, lanes: Mapping[Key, Lane], *, moves: Turns) -> None:
    """The provider has told them goodbye itself: what still waits for them is called off, and what runs ends."""
    changes = moves.changes
    found = await rows.unsent(sorted(lanes)) if lanes else {}
    for key, waiting in found.items():
        known = (changes.deliveries.get(each.id, each) for each in waiting)
        changing.call_off(lanes[key], [each for each in known if each.state in OPEN], changes=changes, now=moves.now)
    changes.left |= lanes
    await end_turns(rows, moves)


async def end_turns(rows: TurnRows, moves: Turns) -> None:
    """What runs for people of whom it was learned in this transaction that they left: nobody will be told an answer."""
    lanes = moves.changes.left
    busy = {(lane.tenant_id, lane.running_turn_id): lane for lane in lanes.values() if lane.running_turn_id}
    running = await rows.turns(sorted(busy)) if busy else {}
    for key, turn in running.items():
        if turn.state == "running":
            moves.silence(busy[key], turn)


def _let_go(lane: Lane, *, changes: Changes, now: datetime) -> None:
    changing.set_opting(lane, out=True, changes=changes, now=now)
    changes.left[lane.key] = lane
    changes.touch(lane, now)
