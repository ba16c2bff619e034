"""How many calls may one backend hold at the same time, and how many more may wait for it?"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

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

    @asynccontextmanager
    async def place(self, *, until: float) -> AsyncIterator[None]:
        """Holds a place. ModelBusy when the queue is full, or at `until` (loop time) when none became free."""
        if self.taken >= self.places or self._waiting:
            await self._wait(until)
        else:
            self.taken += 1
        try:
            yield
        finally:
            self._give_back()

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
