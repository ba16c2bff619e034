"""How does a caller wait for what is said next? The bell is taken first, then the rows are read, then it waits.

In that order nothing falls between reading and waiting. A slow poll is the net for what another process wrote.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from parley.chat.v1.message_pb2 import Message
from parley.storage.v1.conversation_service_pb2 import Turn, WatchMessagesResponse
from storage_service.domain import words
from storage_service.domain.wakeups import Bell, Wakeups

HEARTBEAT_SECONDS = 15.0
FIRST_POLL_SECONDS = 0.25
LAST_POLL_SECONDS = 1.0

_TERMINAL = frozenset(words.TERMINAL)


@dataclass(frozen=True, slots=True)
class News:
    """What a watcher has not seen yet."""

    messages: Sequence[Message]
    thinking: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where the turn of a message stands. Without a turn no answer is due."""

    conversation_id: str
    turn: Turn | None
    replies: Sequence[Message]

    @property
    def settled(self) -> bool:
        """Whether waiting longer changes nothing."""
        return self.turn is None or self.turn.state in _TERMINAL


class Conversations(Protocol):
    """Reads what is durable."""

    async def news(self, tenant_id: str, conversation_id: str, *, after_seq: int) -> News: ...
    async def outcome(self, tenant_id: str, message_id: str) -> Outcome: ...


@dataclass(frozen=True, slots=True)
class Watching:
    """Waits for one process."""

    conversations: Conversations
    wakeups: Wakeups
    stopping: asyncio.Event
    monotonic: Callable[[], float]
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    first_poll_seconds: float = FIRST_POLL_SECONDS

    async def watch(
        self, tenant_id: str, conversation_id: str, *, after_seq: int
    ) -> AsyncGenerator[WatchMessagesResponse, None]:
        """History after a number, then what follows. Ends by itself only when the process stops."""
        with self.wakeups.conversation(conversation_id) as bell:
            pace, told_at, thinking = self._pace(), -math.inf, False
            while not self.stopping.is_set():
                news = await self.conversations.news(tenant_id, conversation_id, after_seq=after_seq)
                now = self.monotonic()
                if news.messages or news.thinking != thinking or now - told_at >= self.heartbeat_seconds:
                    yield WatchMessagesResponse(messages=news.messages, thinking=news.thinking)
                    told_at, thinking = now, news.thinking
                    pace = self._pace()
                if news.messages:
                    after_seq = news.messages[-1].seq
                else:
                    await self._rest(bell, pace.next())

    async def settled(self, tenant_id: str, message_id: str, *, wait_seconds: float) -> Outcome:
        """The turn of a message when it has ended, or as it stands after the wait."""
        ends_at, pace = self.monotonic() + wait_seconds, self._pace()
        outcome = await self.conversations.outcome(tenant_id, message_id)
        if outcome.settled or wait_seconds <= 0:
            return outcome
        with self.wakeups.conversation(outcome.conversation_id) as bell:
            while True:
                outcome = await self.conversations.outcome(tenant_id, message_id)
                left = ends_at - self.monotonic()
                if outcome.settled or left <= 0 or self.stopping.is_set():
                    return outcome
                await self._rest(bell, min(left, pace.next()))

    def _pace(self) -> "_Pace":
        return _Pace(self.first_poll_seconds)

    async def _rest(self, bell: Bell, most_seconds: float) -> None:
        """Until the bell rings, the time is over, or the process stops."""
        stopping = asyncio.ensure_future(self.stopping.wait())
        ringing = asyncio.ensure_future(bell.wait(most_seconds))
        try:
            await asyncio.wait({stopping, ringing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (stopping, ringing):
                task.cancel()
            await asyncio.gather(stopping, ringing, return_exceptions=True)


class _Pace:
    """Polls often at first, when news is likely, then seldom."""

    def __init__(self, first_seconds: float) -> None:
        self._seconds = first_seconds

    def next(self) -> float:
        """How long to wait this time."""
        this, self._seconds = self._seconds, max(self._seconds, min(2 * self._seconds, LAST_POLL_SECONDS))
        return this
