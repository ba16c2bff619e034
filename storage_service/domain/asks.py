"""Who asks for work, how much of it, and how is it shared?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from storage_service.domain.rows import Lane

Result = TypeVar("Result")
Given = TypeVar("Given")

# More messages than this in one go are the next turn's.
MOST_MESSAGES = 50


@dataclass(frozen=True, slots=True)
class Ask:
    """A worker's wish for work."""

    worker_id: str
    most: int
    lease: timedelta
    history: int


@dataclass(frozen=True, slots=True)
class Handed(Generic[Result, Given]):
    """The results of a transaction, and what it leased on its way: a list for each ask."""

    results: list[Result]
    given: list[list[Given]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose messages to read: those of the turn from its first one on, and the last few before, as far as they are
    context."""

    tenant_id: str
    conversation_id: str
    turn_id: str
    first_seq: int
    last_reply_seq: int
    history: int
    context_seq: int = 0

    @classmethod
    def of(cls, lane: Lane, turn_id: str, *, first_seq: int, history: int) -> "Wanted":
        """For a turn of the lane, as its first message and the wish of its worker have it."""
        return cls(lane.tenant_id, lane.id, turn_id, first_seq, lane.last_reply_seq, history, lane.context_seq)


def share(lanes: Sequence[Lane], asks: Sequence[Ask]) -> list[tuple[Lane, Ask]]:
    """One lane to each ask in turn, until each has its fill: two hungry workers get half each."""
    room = {id(ask): ask.most for ask in asks}
    chosen: list[tuple[Lane, Ask]] = []
    waiting = list(reversed(lanes))
    while waiting and any(room.values()):
        for ask in asks:
            if waiting and room[id(ask)]:
                room[id(ask)] -= 1
                chosen.append((waiting.pop(), ask))
    return chosen
