"""What is a transaction to the rules? Work that is durable when it returns, or has not happened at all."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeVar

from storage_service.domain.accepting import AcceptRows
from storage_service.domain.changes import Changes
from storage_service.domain.media_work import FetchingRows
from storage_service.domain.sweeping import SweepRows

# "read" is for work that only reads, beside the others.
Kind = Literal["accept", "lease_turns", "turns", "lease_deliveries", "deliveries", "media", "sweep", "read"]
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


@dataclass(frozen=True, slots=True)
class Crowd:
    """An account that has much to send: how much, counted as far as all was, and what its options say."""

    tenant_id: str
    account_id: str
    deliveries: int
    options: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """How many accounts send nothing now, because their provider wants so, or because it fails."""

    throttled: int
    failing: int


class HotRows(AcceptRows, SweepRows, FetchingRows, Protocol):
    """Everything that hot work reads and writes within one transaction."""

    async def next_due(self) -> Due: ...
    async def depths(self, most: int) -> Depths: ...
    async def crowds(self, least: int, most: int) -> Sequence[Crowd]: ...
    async def stopped(self) -> Stopped: ...


class Database(Protocol):
    """Runs work in transactions, one after the other for each kind. The work may run twice, and must not mind."""

    async def run(self, kind: Kind, work: Callable[[HotRows], Awaitable[Result]]) -> Result: ...
    async def beat(self) -> None: ...
    def living_others(self) -> int: ...
    def now(self) -> datetime: ...
    async def open(self, *, rehearse: bool = False) -> None: ...
    async def close(self) -> None: ...
