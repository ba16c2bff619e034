"""Who waits for the first word of a chat, which has no conversation yet? Of what is said here they are told at once.

What another gateway took in a look at storage finds, the more seldom the longer it was quiet.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from gateway.domain.sessions import Place

FIRST_LOOK_SECONDS, SELDOM_SECONDS = 1.0, 5.0

# The id of a chat's conversation; "" while there is none.
Find = Callable[[Place], Awaitable[str]]


class FirstWords:
    """The chats in which somebody waits for it."""

    def __init__(
        self, *, first_look_seconds: float = FIRST_LOOK_SECONDS, seldom_seconds: float = SELDOM_SECONDS
    ) -> None:
        self._first_look_seconds = first_look_seconds
        self._seldom_seconds = seldom_seconds
        self._waiting: dict[Place, list[asyncio.Event]] = {}

    def said(self, place: Place) -> None:
        """Something was said there just now."""
        for bell in self._waiting.get(place, ()):
            bell.set()

    async def awaited(self, place: Place, find: Find, *, meanwhile: Callable[[], Awaitable[None]]) -> str:
        """The conversation's id, once there is one. Each look that finds none is followed by `meanwhile`."""
        pauses = self.pauses()
        with self._bell(place) as bell:
            while True:
                bell.clear()
                conversation_id = await find(place)
                if conversation_id:
                    return conversation_id
                await meanwhile()
                with suppress(TimeoutError):
                    async with asyncio.timeout(next(pauses)):
                        await bell.wait()

    def pauses(self) -> Iterator[float]:
        """Between looks."""
        pause = self._first_look_seconds
        while True:
            yield min(pause, self._seldom_seconds)
            pause *= 2

    @contextmanager
    def _bell(self, place: Place) -> Iterator[asyncio.Event]:
        bell = asyncio.Event()
        bells = self._waiting.setdefault(place, [])
        bells.append(bell)
        try:
            yield bell
        finally:
            bells.remove(bell)
            if not bells:
                del self._waiting[place]

    @property
    def is_awaited(self) -> bool:
        """Whether anybody waits anywhere."""
        return bool(self._waiting)
