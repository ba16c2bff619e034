"""Who waits for what to happen? Bells that a commit rings, so that nobody has to poll.

Take the bell first, read second, wait third: what happens between read and wait has rung it already.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

EVERY_TURN = ""


class Bell:
    """Rings for one waiter."""

    __slots__ = ("_rung",)

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    def hush(self) -> bool:
        """Forgets that it rang; whether it did."""
        rung = self._rung.is_set()
        self._rung.clear()
        return rung

    @property
    def rung(self) -> bool:
        return self._rung.is_set()

    async def wait(self, timeout_seconds: float) -> bool:
        """True when it rang since the last wait, at once if it did already; False after the time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True


class TurnBell(Bell):
    """Rings for one waiter when its turn ends. Until it knows which turn that is, it keeps what ends in mind."""

    __slots__ = ("_bells", "_ended", "_turn_id")

    def __init__(self, bells: dict[str, list["TurnBell"]]) -> None:
        super().__init__()
        self._bells = bells
        self._turn_id: str | None = None
        self._ended: set[str] = set()

    def listen_to_all(self) -> None:
        """Until the turn is known. Nothing that ends from now on is missed."""
        self._move(EVERY_TURN)

    def listen_to(self, turn_id: str) -> None:
        """Rings at once when the turn has ended since it listened to all."""
        self._move(turn_id)
        if turn_id in self._ended:
            self.ring()
        self._ended.clear()

    def leave(self) -> None:
        if self._turn_id is None:
            return
        bells = self._bells[self._turn_id]
        bells.remove(self)
        if not bells:
            del self._bells[self._turn_id]
        self._turn_id = None

    def keep_in_mind(self, turn_ids: Collection[str]) -> None:
        self._ended.update(turn_ids)

    def _move(self, turn_id: str) -> None:
        self.leave()
        self._bells.setdefault(turn_id, []).append(self)
        self._turn_id = turn_id


class Wakeups:
    """The bells of one process: work for agents, work for senders, news of a conversation, the end of a turn."""

    def __init__(self) -> None:
        self.turns = Bell()
        self.deliveries = Bell()
        self.fetches = Bell()
        # Nobody waits for this one: who has room for more looks whether it rang.
        self.summaries = Bell()
        self._conversations: dict[str, list[Bell]] = {}
        self._turn_ends: dict[str, list[TurnBell]] = {}

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

    @contextmanager
    def turn_end(self) -> Iterator[TurnBell]:
        """A bell that rings when a turn ends, or gives some of its messages to another turn."""
        bell = TurnBell(self._turn_ends)
        try:
            yield bell
        finally:
            bell.leave()

    def ended(self, turn_ids: Collection[str]) -> None:
        if not turn_ids:
            return
        for bell in self._turn_ends.get(EVERY_TURN, ()):
            bell.keep_in_mind(turn_ids)
        for turn_id in turn_ids:
            for bell in self._turn_ends.get(turn_id, ()):
                bell.ring()

    def moved(self, conversation_ids: Iterable[str]) -> None:
        for conversation_id in conversation_ids:
            for bell in self._conversations.get(conversation_id, ()):
                bell.ring()

    def everything(self) -> None:
        """Nobody knows what happened meanwhile: whoever waits for work or for a conversation looks."""
        for bell in (self.turns, self.deliveries, self.fetches, self.summaries):
            bell.ring()
        self.moved(list(self._conversations))

    @property
    def watched(self) -> bool:
        return bool(self._conversations or self._turn_ends)


async def rest(bell: Bell, stopping: asyncio.Event, *, most_seconds: float) -> bool:
    """Until the bell rings, the time is over, or the process stops. Whether it rang."""
    ringing = asyncio.ensure_future(bell.wait(most_seconds))
    waiting = [asyncio.ensure_future(stopping.wait()), ringing]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        return ringing.done() and ringing.result()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
