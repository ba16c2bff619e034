"""How many calls may one backend hold at the same time?"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from kit.errors import ModelBusy

RETRY_AFTER = timedelta(seconds=1)


class Bulkheads:
    """A number of places per backend, so that a slow one cannot take the whole service with it."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._taken: dict[str, int] = {}

    @contextmanager
    def place(self, backend: str) -> Iterator[None]:
        """Holds a place, or says at once that there is none."""
        taken = self._taken.get(backend, 0)
        if taken >= self._places:
            raise ModelBusy(retry_after=RETRY_AFTER)
        self._taken[backend] = taken + 1
        try:
            yield
        finally:
            self._taken[backend] -= 1
