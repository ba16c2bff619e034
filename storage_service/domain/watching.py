"""How does a caller wait for what is said next? The bell is taken first, then the rows are read, then it waits.

In that order nothing falls between reading and waiting. A slow poll is the net for a bell of another replica that
was lost; a page that is open and quiet costs next to nothing.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from kit.errors import RateLimited, StateConflict
from parley.chat.v1.message_pb2 import Message
from parley.storage.v1.conversation_service_pb2 import WatchMessagesResponse
from storage_service.domain.drafts import NOBODY, Answering
from storage_service.domain.wakeups import Wakeups, rest

HEARTBEAT_SECONDS = 15.0
MOST, COME_AGAIN = 3000, timedelta(seconds=5)
# So many read at once. When all are woken, they wait for each other, and leave connections to other calls.
MOST_READS = 2
FIRST_POLL_SECONDS = 2.0
LAST_POLL_SECONDS = 60.0
MOST_HELD = 10_000


@dataclass(frozen=True, slots=True)
class News:
    """What a watcher has not seen yet."""

    messages: Sequence[Message]
    answering: Answering = NOBODY  # the turn that runs, while the conversation is the agent's
    lease: int = 0  # the epoch of that turn, which rises with each worker
    more: bool = False  # messages that follow at once
    erased: bool = False  # the contact, so that nothing follows any more


NOTHING = News(())


class Conversations(Protocol):
    """Reads what is durable."""

    async def news(self, tenant_id: str, conversation_id: str, *, after_seq: int) -> News: ...


class Begun:
    """For which owner's epoch did each turn that runs begin? What it writes for any other is never said."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[int, Answering]] = {}  # by conversation, as it was first seen here

    def is_said(self, conversation_id: str, news: News) -> bool:
        """Whether what is thought of will be: not where a human had the conversation since, who gave it back."""
        if news.answering == NOBODY:
            return False
        lease, (turn_id, _) = news.lease, news.answering
        known = self._first.get(conversation_id)
        if known is None or (known[0], known[1][0]) != (lease, turn_id):
            self._first.pop(conversation_id, None)
            while len(self._first) >= MOST_HELD:
                del self._first[next(iter(self._first))]
            known = self._first[conversation_id] = (lease, news.answering)
        return known[1] == news.answering


@dataclass(frozen=True, slots=True)
class Watching:
    """Waits for one process."""

    conversations: Conversations
    wakeups: Wakeups
    stopping: asyncio.Event
    monotonic: Callable[[], float]
    # What a turn of a conversation has written so far.
    draft: Callable[[str, Answering], str] = lambda _conversation_id, _answering: ""
    # How many may watch at once: without a limit they would take the places of the calls that answer them.
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST))
    reads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_READS))
    begun: Begun = field(default_factory=Begun)
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    first_poll_seconds: float = FIRST_POLL_SECONDS

    async def watch(
        self, tenant_id: str, conversation_id: str, *, after_seq: int
    ) -> AsyncGenerator[WatchMessagesResponse, None]:
        """History after a number, then what follows. Ends by itself only when the process stops. StateConflict when
        nothing can follow any more, RateLimited when as many watch as may."""
        if self.stopping.is_set():  # Whoever comes now and is sent away at once comes again at once, while we drain.
            await asyncio.sleep(self.first_poll_seconds)
            return
        if self.room.locked():
            raise RateLimited("Too many watch conversations here", retry_after=COME_AGAIN)
        async with self.room, aclosing(self._told(tenant_id, conversation_id, after_seq=after_seq)) as told:
            async for each in told:
                yield each

    async def _told(
        self, tenant_id: str, conversation_id: str, *, after_seq: int
    ) -> AsyncGenerator[WatchMessagesResponse, None]:
        with self.wakeups.conversation(conversation_id) as bell:
            pace, told, told_at, poll_at, rang = self._pace(), (False, ""), -math.inf, -math.inf, False
            while not self.stopping.is_set():
                news, state = NOTHING, told
                if rang or self.monotonic() >= poll_at:
                    async with self.reads:
                        news = await self.conversations.news(tenant_id, conversation_id, after_seq=after_seq)
                    # Taken after the rows were read: a reply that stands there has ended its turn, and so the draft.
                    thinking = self.begun.is_said(conversation_id, news)
                    state = (thinking, self.draft(conversation_id, news.answering))
                    pace = self._pace() if news.messages or state != told else pace
                    poll_at = self.monotonic() + pace.next()
                if news.messages or state != told or self.monotonic() - told_at >= self.heartbeat_seconds:
                    yield WatchMessagesResponse(messages=news.messages, thinking=state[0], draft=state[1])
                    told, told_at = state, self.monotonic()
                if news.messages:
                    after_seq = news.messages[-1].seq
                if news.erased and not news.more:
                    raise StateConflict("the contact was erased")  # What they write from now on is said elsewhere.
                ends_at = min(poll_at, told_at + self.heartbeat_seconds)
                rang = news.more or await rest(bell, self.stopping, most_seconds=ends_at - self.monotonic())

    def _pace(self) -> "_Pace":
        return _Pace(self.first_poll_seconds)


class _Pace:
    """Polls soon at first, when news is likely, then seldom."""

    def __init__(self, first_seconds: float) -> None:
        self._seconds = first_seconds

    def next(self) -> float:
        """How long to wait this time."""
        this, self._seconds = self._seconds, max(self._seconds, min(4 * self._seconds, LAST_POLL_SECONDS))
        return this
