"""How do many small calls become few large ones? One frame is under way, what arrives meanwhile is the next.

An item that comes when nothing is under way leaves at once, and the busier it gets the larger the frames become and
the less each item costs. Between two frames there may be a breath, which makes the second one fuller.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from kit import metrics
from kit.errors import Internal, Unreachable

Item = TypeVar("Item")
Result = TypeVar("Result")


MOST_BYTES = 2 * 1024 * 1024  # of what a frame carries: a message that is larger than gRPC takes is lost as a whole


@dataclass(frozen=True, slots=True)
class Breath:
    """The next frame leaves so many seconds after the last one began, at the earliest, if that had so many items."""

    seconds: float
    after: int = 1


BREATHLESS = Breath(0.0)
# Of calls on which no webhook waits. A person waits for a model some seconds, and does not see it.
UNHURRIED = Breath(0.05)


class Frames(Generic[Item, Result]):
    """Gathers items, sends them together and gives each caller its own result."""

    def __init__(
        self,
        send: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        most: int,
        in_flight: int = 1,
        breath: Breath = BREATHLESS,
        name: str = "",
        weigh: Callable[[Item], int] | None = None,
    ) -> None:
        self._send = send
        self._most = most
        self._in_flight = in_flight
        self._breath = breath
        self._weigh = weigh
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._pumps: set[asyncio.Task[None]] = set()
        self._closed = False
        self._observe = metrics.frame_size.labels(frames=name).observe if name else None

    async def put(self, item: Item) -> Result:
        """The item's result, or its exception raised. Cancelled before its frame left, the item is never sent."""
        if self._closed:
            raise Unreachable("closing")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, future))
        if len(self._pumps) < self._in_flight:
            self._start(loop)
        return await future

    async def close(self) -> None:
        """Sends what still waits and returns when every caller has its answer. Nothing new is taken."""
        self._closed = True
        while self._pumps:
            await asyncio.wait(self._pumps)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        # An empty context: a frame belongs to no single caller, and must not inherit one's deadline.
        pump = loop.create_task(self._pump(), context=Context())
        self._pumps.add(pump)
        pump.add_done_callback(self._ended)

    def _ended(self, pump: asyncio.Task[None]) -> None:
        self._pumps.discard(pump)
        if pump.cancelled():  # The loop is going down, and nobody will come for what waits.
            _fail(list(self._waiting), Unreachable("closing"))
            self._waiting.clear()

    async def _pump(self) -> None:
        pump, clock = asyncio.current_task(), asyncio.get_running_loop().time
        while frame := self._take():
            began = clock()
            items = [item for item, _ in frame]
            if self._observe is not None:
                self._observe(len(items))
            try:
                results = await self._send(items)
            except asyncio.CancelledError:
                _fail(frame, Unreachable("the frame was cancelled"))
                if pump is not None and pump.cancelling():
                    raise
            except Exception as error:  # Whatever it is belongs to the callers, each of whom raises it.
                _fail(frame, error)
            else:
                _settle(frame, results)
            full = len(items) >= self._breath.after and not self._closed
            if full and (rest := began + self._breath.seconds - clock()) > 0:
                await asyncio.sleep(rest)
        # At once, not when the callback gets its turn: an item put in between must find no pump and start one.
        self._pumps.discard(cast("asyncio.Task[None]", pump))

    def _take(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        frame: list[tuple[Item, asyncio.Future[Result]]] = []
        weight = 0
        while self._waiting and len(frame) < self._most:
            item, future = self._waiting[0]
            if not future.done():
                weight += self._weigh(item) if self._weigh is not None else 0
                if frame and weight > MOST_BYTES:
                    break
                frame.append((item, future))
            self._waiting.popleft()
        return frame


def _settle(frame: list[tuple[Item, asyncio.Future[Result]]], results: Sequence[Result | Exception]) -> None:
    if len(results) != len(frame):
        _fail(frame, Internal("a frame came back with another number of results than it had items"))
        return
    for (_, future), result in zip(frame, results, strict=True):
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)


def _fail(frame: list[tuple[Item, asyncio.Future[Result]]], error: Exception) -> None:
    for _, future in frame:
        if not future.done():
            future.set_exception(error)
