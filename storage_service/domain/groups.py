"""How do calls share a transaction? Requests are gathered while one is under way; a poisoned one fails alone."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from kit import metrics
from kit.errors import ParleyError, StorageUnavailable
from kit.frames import Frames

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_REQUESTS = 128
MOST_ITEMS = 256


class Groups(Generic[Item, Result]):
    """Many requests, each a list of items, as few transactions; each request gets its own results in its order."""

    def __init__(self, kind: str, work: Callable[[Sequence[Item]], Awaitable[Sequence[Result | ParleyError]]]) -> None:
        self._work = work
        self._size = metrics.commit_group_size.labels(kind=kind)
        self._frames = Frames[Sequence[Item], Sequence[Result | ParleyError]](self._send, most=MOST_REQUESTS)

    async def put(self, items: Sequence[Item]) -> Sequence[Result | ParleyError]:
        return await self._frames.put(items)

    async def close(self) -> None:
        await self._frames.close()

    async def _send(self, requests: list[Sequence[Item]]) -> Sequence[Sequence[Result | ParleyError]]:
        items = [item for request in requests for item in request]
        results: list[Result | ParleyError] = []
        for start in range(0, len(items), MOST_ITEMS):
            results += await self._together(items[start : start + MOST_ITEMS])
        given = iter(results)
        return [[next(given) for _ in request] for request in requests]

    async def _together(self, items: Sequence[Item]) -> Sequence[Result | ParleyError]:
        """A lost database loses all of them alike; anything else is some one item's fault, found by trying each."""
        self._size.observe(len(items))
        try:
            return await self._work(items)
        except StorageUnavailable as error:
            return [error] * len(items)
        except ParleyError as error:
            if len(items) == 1:
                return [error]
        return [(await self._together([item]))[0] for item in items]
