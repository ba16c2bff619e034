"""How many calls may one backend hold at the same time, and how many more may wait for it?"""

import asyncio
from collections import deque
from contextlib import suppress
from datetime import timedelta
from types import TracebackType

from kit import metrics
from kit.errors import ModelBusy

RETRY_AFTER = timedelta(seconds=1)


class Bulkhead:
    """A number of places, and a short queue in front of them, served in the order of arrival."""

    def __init__(self, backend: str, *, places: int, queue: int) -> None:
        self.places, self.queue = places, queue
        self.taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._depth = metrics.llm_calls_waiting.labels(backend=backend)
        self._waited = metrics.llm_queue_seconds.labels(backend=backend)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def place(self, *, until: float) -> "_Place":
        """Holds a place. ModelBusy when the queue is full, or at `until` (loop time) when none became free."""
        return _Place(self, until)

    async def _take(self, until: float) -> None:
        if self.taken >= self.places or self._waiting:
            await self._wait(until)
        else:
            self.taken += 1

    async def _wait(self, until: float) -> None:
        if len(self._waiting) >= self.queue:
            raise ModelBusy(retry_after=RETRY_AFTER)
        loop = asyncio.get_running_loop()
        began, turn = loop.time(), loop.create_future()
        self._waiting.append(turn)
        self._depth.set(len(self._waiting))
        try:
            async with asyncio.timeout_at(until):
                await turn
        except BaseException as error:
            self._leave(turn)
            if isinstance(error, TimeoutError):
                raise ModelBusy("No place at the model server became free in time.", retry_after=RETRY_AFTER) from None
            raise
        finally:
            self._depth.set(len(self._waiting))
            self._waited.observe(loop.time() - began)

    def _leave(self, turn: "asyncio.Future[None]") -> None:
        """Whoever was handed a place in the moment of giving up hands it on."""
        if turn.done() and not turn.cancelled():
            self._give_back()
        else:
            with suppress(ValueError):
                self._waiting.remove(turn)

    def _give_back(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.taken -= 1


class _Place:
    """Held while it is entered. A generator would do the same at three times the cost, for each call."""

    __slots__ = ("_bulkhead", "_until")

    def __init__(self, bulkhead: Bulkhead, until: float) -> None:
        self._bulkhead, self._until = bulkhead, until

    async def __aenter__(self) -> None:
        await self._bulkhead._take(self._until)

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._bulkhead._give_back()
