"""How many calls may one backend hold at the same time?"""

from datetime import timedelta
from types import TracebackType

from kit.errors import ModelBusy

RETRY_AFTER = timedelta(seconds=1)


class Bulkheads:
    """A number of places per backend, so that a slow one cannot take the whole service with it."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._backends: dict[str, _Places] = {}

    def place(self, backend: str) -> "_Places":
        """Holds a place while it is entered, or says at once that there is none."""
        places = self._backends.get(backend)
        if places is None:
            places = self._backends[backend] = _Places(self._places)
        return places


class _Places:
    """Those of one backend. Entered by everyone who calls it."""

    __slots__ = ("_free",)

    def __init__(self, free: int) -> None:
        self._free = free

    def __enter__(self) -> None:
        if self._free <= 0:
            raise ModelBusy(retry_after=RETRY_AFTER)
        self._free -= 1

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._free += 1
