"""Who waits for a change? A bell that everybody hears who waits, and that nobody misses who was busy."""

import asyncio
import contextlib
from collections.abc import Callable


class Bell:
    """Counts its rings, so that a listener knows what it has heard."""

    def __init__(self) -> None:
        self.rings = 0
        self._next = asyncio.Event()

    def ring(self) -> None:
        """Something changed."""
        self.rings += 1
        self._next.set()
        self._next = asyncio.Event()

    async def after(self, heard: int) -> int:
        """Returns the number of rings when there are others than were heard."""
        if self.rings == heard:
            await self._next.wait()
        return self.rings

    async def until(self, is_so: Callable[[], bool], seconds: float) -> None:
        """Until something is so, and at most so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                heard = self.rings
                while not is_so():
                    heard = await self.after(heard)
