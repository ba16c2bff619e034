"""What is a transaction to the rules? Work that is durable when it returns, or has not happened at all."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeVar

from storage_service.domain.accepting import AcceptRows
from storage_service.domain.changes import Changes
from storage_service.domain.media_work import FetchingRows
from storage_service.domain.sweeping import SweepRows

Kind = Literal["accept", "lease_turns", "turns", "lease_deliveries", "deliveries", "media", "sweep"]
Result = TypeVar("Result")

# Told of everything that is durable now, on the loop.
Committed = Callable[[Changes], None]


@dataclass(frozen=True, slots=True)
class Due:
    """When the next turn and the next delivery may be leased."""

    turn_at: datetime | None
    delivery_at: datetime | None


@dataclass(frozen=True, slots=True)
class Depths:
    """How much is open, counted no further than asked, and since when."""

    turns: int
    deliveries: int
    oldest_turn_at: datetime | None
    oldest_delivery_at: datetime | None


class HotRows(AcceptRows, SweepRows, FetchingRows, Protocol):
    """Everything that hot work reads and writes within one transaction."""

    async def next_due(self) -> Due: ...
    async def depths(self, most: int) -> Depths: ...


class Database(Protocol):
    """Runs work in transactions, one after the other for each kind. The work may run twice, and must not mind."""

    async def run(self, kind: Kind, work: Callable[[HotRows], Awaitable[Result]]) -> Result: ...
    async def beat(self) -> None: ...
    def now(self) -> datetime: ...
    async def open(self) -> None: ...
    async def close(self) -> None: ...
