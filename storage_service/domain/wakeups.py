"""Who waits for what to happen? Bells that a commit rings, so that nobody has to poll.

Take the bell first, read second, wait third: what happens between read and wait has rung it already.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Bell:
    """Rings for one waiter."""

    __slots__ = ("_rung",)

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    def hush(self) -> None:
        """Forgets that it rang."""
        self._rung.clear()

    async def wait(self, timeout_seconds: float) -> bool:
        """True when it rang since the last wait, at once if it did already; False after the time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True


class Wakeups:
    """The bells of one process: work for agents, work for senders, news of a conversation."""

    def __init__(self) -> None:
        self.turns = Bell()
        self.deliveries = Bell()
        self._conversations: dict[str, list[Bell]] = {}

    @contextmanager
    def conversation(self, conversation_id: str) -> Iterator[Bell]:
        """A bell that rings when a message, a turn or a delivery of the conversation changes."""
        bell = Bell()
        bells = self._conversations.setdefault(conversation_id, [])
        bells.append(bell)
        try:
            yield bell
        finally:
            bells.remove(bell)
            if not bells:
                self._conversations.pop(conversation_id, None)

    def moved(self, conversation_ids: Iterable[str]) -> None:
        for conversation_id in conversation_ids:
            for bell in self._conversations.get(conversation_id, ()):
                bell.ring()

    @property
    def watched(self) -> bool:
        return bool(self._conversations)
