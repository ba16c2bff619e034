"""How long may each of many waits last, when all may last the same? They end in the order in which they began, so one
timer does for all of them; `asyncio.timeout` sets one for each, at five microseconds apiece.
"""

import asyncio
from collections import deque
from types import TracebackType
from typing import Any


class Patience:
    """Ends what is waited for `seconds` after the wait began, with a TimeoutError."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waits: deque[_Wait] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def wait(self) -> "_Wait":
        """Use it as `with patience.wait(): …`, in a task."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can wait")
        loop, waits = task.get_loop(), self._waits
        while waits and waits[0].task is None:
            waits.popleft()
        begun = _Wait(task, loop.time() + self._seconds)
        waits.append(begun)
        if self._timer is None:
            self._timer = loop.call_at(begun.ends_at, self._look, loop)
        return begun

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ends what has waited for long enough, and sleeps until the next one has."""
        waits, now = self._waits, loop.time()
        while waits and (waits[0].task is None or waits[0].ends_at <= now):
            waits.popleft().expire()
        self._timer = loop.call_at(waits[0].ends_at, self._look, loop) if waits else None


class _Wait:
    """One wait. Its task is None when it is over."""

    __slots__ = ("_cancelling", "_expired", "ends_at", "task")

    def __init__(self, task: "asyncio.Task[Any]", ends_at: float) -> None:
        self.task: asyncio.Task[Any] | None = task
        self.ends_at = ends_at
        self._cancelling = task.cancelling()
        self._expired = False

    def expire(self) -> None:
        if self.task is not None:
            self._expired = True
            self.task.cancel()

    def __enter__(self) -> None:
        """It began when it was made."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        task, self.task = self.task, None
        # As asyncio.timeout: a cancel from outside, in the same moment, stays one.
        if not self._expired or task is None or task.uncancel() > self._cancelling:
            return
        if kind is asyncio.CancelledError:
            raise TimeoutError from error
