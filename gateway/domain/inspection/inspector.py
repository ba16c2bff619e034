"""Which webhooks came in lately? Kept in memory, in this process: so many, so large, and no older than an hour.

What was believed and what was not have a shelf each, so that strangers who knock cannot push a provider's webhook out.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from gateway.domain.inspection.arrivals import Arrival

MOST_KEPT = 500  # on each of the two shelves
MOST_BYTES = 8 * 1024 * 1024
OLDEST_SECONDS = 3600.0


class Inspector:
    """Remembers arrivals, and wakes who waits for the next one."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        """`clock` counts seconds."""
        self._clock = clock
        self._shelves = {True: _Shelf(), False: _Shelf()}
        self._number = 0
        self._changed = asyncio.Event()

    @property
    def last(self) -> int:
        """The number of the newest one; 0 when nothing came."""
        return self._number

    def keep(self, arrival: Arrival) -> Arrival:
        """Remembers it, and gives it its number."""
        self._number += 1
        arrival = replace(arrival, number=self._number)
        self._shelves[arrival.is_believed].put(arrival, self._clock())
        self._changed.set()
        self._changed = asyncio.Event()
        return arrival

    def after(self, number: int) -> list[Arrival]:
        """What came after that one, in order."""
        now = self._clock()
        found = [each for shelf in self._shelves.values() for each in shelf.fresh(now) if each.number > number]
        return sorted(found, key=lambda each: each.number)

    def find(self, arrival_id: str) -> Arrival | None:
        """By its id, or by the start of one, where that names a single one."""
        known = self.after(0)
        same = [each for each in known if each.id == arrival_id]
        alike = same or [each for each in known if arrival_id and each.id.startswith(arrival_id)]
        return alike[0] if len(alike) == 1 else None

    async def more_than(self, number: int) -> None:
        """Returns when something came after that one."""
        while self._number <= number:
            await self._changed.wait()


class _Shelf:
    """Arrivals with the time at which each is thrown away."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, Arrival]] = deque()
        self._bytes = 0

    def put(self, arrival: Arrival, now: float) -> None:
        self._kept.append((now + OLDEST_SECONDS, arrival))
        self._bytes += arrival.weight
        self._forget(now)
        while len(self._kept) > MOST_KEPT or (self._bytes > MOST_BYTES and len(self._kept) > 1):
            self._drop()

    def fresh(self, now: float) -> list[Arrival]:
        self._forget(now)
        return [arrival for _, arrival in self._kept]

    def _forget(self, now: float) -> None:
        while self._kept and self._kept[0][0] <= now:
            self._drop()

    def _drop(self) -> None:
        self._bytes -= self._kept.popleft()[1].weight
