"""How does a caller wait for what is said next? The bell is taken first, then the rows are read, then it waits.

In that order nothing falls between reading and waiting. A slow poll is the net for what another process wrote.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from parley.chat.v1.message_pb2 import Message
from parley.storage.v1.conversation_service_pb2 import WatchMessagesResponse
from storage_service.domain.wakeups import Wakeups, rest

HEARTBEAT_SECONDS = 15.0
FIRST_POLL_SECONDS = 0.25
LAST_POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class News:
    """What a watcher has not seen yet."""

    messages: Sequence[Message]
    thinking: bool


class Conversations(Protocol):
    """Reads what is durable."""

    async def news(self, tenant_id: str, conversation_id: str, *, after_seq: int) -> News: ...


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
                    await rest(bell, self.stopping, most_seconds=pace.next())

    def _pace(self) -> "_Pace":
        return _Pace(self.first_poll_seconds)


class _Pace:
    """Polls often at first, when news is likely, then seldom."""

    def __init__(self, first_seconds: float) -> None:
        self._seconds = first_seconds

    def next(self) -> float:
        """How long to wait this time."""
        this, self._seconds = self._seconds, max(self._seconds, min(2 * self._seconds, LAST_POLL_SECONDS))
        return this
