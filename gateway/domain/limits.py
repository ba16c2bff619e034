"""How much is too much? A sliding count per caller, forgotten when it is old, bounded however many callers come."""

from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import timedelta


class RateLimit:
    """Allows `most` per `window` and key; says how long to wait otherwise."""

    def __init__(self, most: int, window: timedelta, *, clock: Callable[[], float], most_keys: int = 20_000) -> None:
        self._most = most
        self._window = window.total_seconds()
        self._clock = clock
        self._most_keys = most_keys
        self._taken: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, key: str) -> timedelta | None:
        """Counts one, or gives the time until the next one is allowed."""
        now = self._clock()
        taken = self._taken.setdefault(key, deque())
        self._taken.move_to_end(key)
        while taken and taken[0] <= now - self._window:
            taken.popleft()
        if len(taken) >= self._most:
            return timedelta(seconds=taken[0] + self._window - now)
        taken.append(now)
        if len(self._taken) > self._most_keys:
            self._taken.popitem(last=False)
        return None


class Places:
    """A bounded number of things that may be open at once, in all and per key."""

    def __init__(self, most: int, most_per_key: int) -> None:
        self._most = most
        self._most_per_key = most_per_key
        self._open: dict[str, int] = {}
        self._count = 0

    def take(self, key: str) -> bool:
        """Takes a place when there is one; whoever got True must leave."""
        mine = self._open.get(key, 0)
        if self.is_full or mine >= self._most_per_key:
            return False
        self._open[key] = mine + 1
        self._count += 1
        return True

    @property
    def is_full(self) -> bool:
        """Whether nobody more finds a place, whoever it is."""
        return self._count >= self._most

    def leave(self, key: str) -> None:
        """Gives the place back."""
        self._count -= 1
        self._open[key] -= 1
        if not self._open[key]:
            del self._open[key]
