"""How does a caller wait for a turn to end? It reads once, waits for the end of that very turn, and reads once more.

All who read at the same moment share a read. A slow poll is the net for what another process wrote.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from kit.errors import ParleyError
from parley.chat.v1.message_pb2 import Message
from parley.storage.v1.conversation_service_pb2 import Turn
from storage_service.domain import words
from storage_service.domain.groups import Groups
from storage_service.domain.wakeups import Wakeups, rest

Asked = tuple[str, str]  # tenant_id, message_id

POLL_SECONDS = 1.0

_TERMINAL = frozenset(words.TERMINAL)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where the turn of a message stands. Without a turn no answer is due."""

    turn: Turn | None
    replies: Sequence[Message]

    @property
    def settled(self) -> bool:
        """Whether waiting longer changes nothing."""
        return self.turn is None or self.turn.state in _TERMINAL


# What is durable, for each that asks.
Read = Callable[[Sequence[Asked]], Awaitable[Sequence[Outcome | ParleyError]]]


class Awaiting:
    """Waits for one process."""

    def __init__(
        self,
        read: Read,
        wakeups: Wakeups,
        *,
        stopping: asyncio.Event,
        monotonic: Callable[[], float],
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._reads = Groups[Asked, Outcome]("await", read)
        self._wakeups = wakeups
        self._stopping = stopping
        self._monotonic = monotonic
        self._poll_seconds = poll_seconds

    async def settled(self, tenant_id: str, message_id: str, *, wait_seconds: float) -> Outcome:
        """The turn of a message when it has ended, or as it stands after the wait, or when the process stops."""
        stopping = self._stopping
        if stopping.is_set():  # Whoever comes now and is answered at once asks again at once, for as long as we drain.
            stopping, wait_seconds = asyncio.Event(), min(wait_seconds, self._poll_seconds)
        ends_at = self._monotonic() + wait_seconds
        with self._wakeups.turn_end() as bell:
            while True:
                bell.listen_to_all()
                outcome = await self._outcome(tenant_id, message_id)
                left = ends_at - self._monotonic()
                if outcome.turn is None or outcome.settled or left <= 0 or stopping.is_set():
                    return outcome
                bell.listen_to(outcome.turn.id)
                await rest(bell, stopping, most_seconds=min(left, self._poll_seconds))

    async def _outcome(self, tenant_id: str, message_id: str) -> Outcome:
        (found,) = await self._reads.put([(tenant_id, message_id)])
        if isinstance(found, ParleyError):
            raise found
        return found
