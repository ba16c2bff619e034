"""Who was answered a moment ago, and will ask again at once? What is leased for them meanwhile is kept for that ask.

A worker that works asks again within milliseconds. One that does not is gone, and what was kept for it goes back.
Where another replica serves, too, that ask goes to it, for calls go round: then nobody is expected, and nothing kept.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from storage_service.domain.asks import Ask

Given = TypeVar("Given")

KEPT_SECONDS = 1.0


@dataclass(slots=True)
class _Room(Generic[Given]):
    ask: Ask
    free: int
    kept: list[Given]
    timer: asyncio.TimerHandle


class Rooms(Generic[Given]):
    """The room of workers between two of their asks."""

    def __init__(self, take_back: Callable[[str, Sequence[Given]], None], *, others: Callable[[], int]) -> None:
        """`others`: how many other replicas live."""
        self._take_back = take_back
        self._others = others
        self._rooms: dict[str, _Room[Given]] = {}

    def open(self, ask: Ask, free: int, *, kept: Sequence[Given] = ()) -> None:
        """The ask was answered and could have taken so many more."""
        self.leave(ask.worker_id)
        if self._others():
            self._take_back(ask.worker_id, kept)
        elif free > 0 or kept:
            timer = asyncio.get_running_loop().call_later(KEPT_SECONDS, self.leave, ask.worker_id)
            self._rooms[ask.worker_id] = _Room(ask, free, list(kept), timer)

    def asks(self) -> list[Ask]:
        """For what the workers would ask now."""
        return [replace(room.ask, most=room.free) for room in self._rooms.values() if room.free > 0]

    def keep(self, worker_id: str, given: Sequence[Given]) -> bool:
        """Keeps what was leased for a worker; False when it is not expected any more."""
        room = self._rooms.get(worker_id)
        if room is None:
            return False
        room.kept += given
        room.free -= len(given)
        return True

    def enter(self, ask: Ask) -> list[Given]:
        """The worker asks again. What it gets at once; nothing when nothing is kept, and then its room is its ask."""
        room = self._rooms.pop(ask.worker_id, None)
        if room is None:
            return []
        room.timer.cancel()
        given, rest = room.kept[: ask.most], room.kept[ask.most :]
        if given:
            self.open(ask, ask.most - len(given), kept=rest)
        return given

    def leave(self, worker_id: str) -> None:
        """The worker is gone."""
        room = self._rooms.pop(worker_id, None)
        if room is not None:
            room.timer.cancel()
            self._take_back(worker_id, room.kept)

    def close(self) -> None:
        for worker_id in list(self._rooms):
            self.leave(worker_id)
