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
    answering: str = ""  # the turn that runs, while the conversation is the agent's


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
    # What a turn of a conversation has written so far.
    draft: Callable[[str, str], str] = lambda _conversation_id, _turn_id: ""
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    first_poll_seconds: float = FIRST_POLL_SECONDS

    async def watch(
        self, tenant_id: str, conversation_id: str, *, after_seq: int
    ) -> AsyncGenerator[WatchMessagesResponse, None]:
        """History after a number, then what follows. Ends by itself only when the process stops."""
        with self.wakeups.conversation(conversation_id) as bell:
            pace, told_at, told = self._pace(), -math.inf, (False, "")
            while not self.stopping.is_set():
                news = await self.conversations.news(tenant_id, conversation_id, after_seq=after_seq)
                # Taken after the rows were read: a reply that stands there has ended its turn, and with it the draft.
                now, state = self.monotonic(), (news.thinking, self.draft(conversation_id, news.answering))
                if news.messages or state != told or now - told_at >= self.heartbeat_seconds:
                    yield WatchMessagesResponse(messages=news.messages, thinking=state[0], draft=state[1])
                    told_at, told = now, state
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
