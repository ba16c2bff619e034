"""What may be seen of a reply while the model writes it? Whole sentences that the guardrails let pass, now and then.

None of it is a promise: what counts is the reply that is committed, whatever was shown before.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from kit import logs
from kit.errors import ParleyError
from kit.tasks import cancel
from parley.llm.v1.llm_service_pb2 import GenerateRequest, GenerateResponse
from parley.storage.v1.signal_requests_pb2 import TurnDraft
from parley.storage.v1.turn_requests_pb2 import LeasedTurn

# More often nobody reads it, and no provider takes it.
EVERY_SECONDS = 0.7
# What one draft of the contract holds.
MOST_CHARACTERS = 65_536
# No space needs to follow those of Chinese and Japanese, India, Arabic and Urdu, Armenian, Ethiopic, Burmese and Khmer.
_END = re.compile(
    r"[.!?\u2026:;][\"')\]\u00bb\u201d*_]*(?=\s)"
    r"|[\u3002\uff01\uff1f\u0964\u0965\u061f\u06d4\u0589\u1362\u104b\u17d4]|\n"
)

Heard = Callable[[str], None]
# Whether a text may be seen.
Check = Callable[[str], bool]
# Shows what a turn has written; False when nothing more of it is to be shown.
Share = Callable[[TurnDraft], Awaitable[bool]]


class Stream(Protocol):
    """A model that says what it writes as it comes."""

    async def __call__(self, request: GenerateRequest, *, seconds: float, heard: Heard) -> GenerateResponse:
        """The answer. `heard` is told all of its text so far, with each piece."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Asks models so that their answers can be seen as they come."""

    stream: Stream
    share: Share
    every_seconds: float = EVERY_SECONDS

    @asynccontextmanager
    async def of(self, turn: LeasedTurn, check: Check) -> AsyncIterator["Writing"]:
        """One turn's answer in the making. At the end nothing more of it is shown."""
        writing = Writing(turn, check, self)
        showing = asyncio.create_task(writing.show())
        try:
            yield writing
        finally:
            await cancel(showing)


@dataclass(slots=True)
class Writing:
    """One answer. What is heard is shown from a task of its own: the model's stream waits for nobody."""

    turn: LeasedTurn
    check: Check
    progress: Progress
    _text: str = ""
    _fresh: asyncio.Event = field(default_factory=asyncio.Event)

    async def generate(self, request: GenerateRequest, *, seconds: float) -> GenerateResponse:
        """The answer, as from a model that is asked for the whole."""
        self._text = ""
        return await self.progress.stream(request, seconds=seconds, heard=self._hear)

    async def show(self) -> None:
        """Shows it until cancelled, or until nothing more is to be shown."""
        shown = ""
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            text = whole(self._text[:MOST_CHARACTERS])
            if not text.strip() or text == shown:
                continue
            if not self.check(text):
                return
            try:
                if not await self.progress.share(self._draft(text)):
                    return
            except ParleyError as error:
                logs.get("agent").debug("draft.not_shared", turn_id=self.turn.turn_id, reason=error.name)
            shown = text
            await asyncio.sleep(self.progress.every_seconds)

    def _hear(self, text: str) -> None:
        self._text = text
        self._fresh.set()

    def _draft(self, text: str) -> TurnDraft:
        turn = self.turn
        draft = TurnDraft(tenant_id=turn.tenant_id, turn_id=turn.turn_id, epoch=turn.epoch, text=text)
        draft.owner_epoch = turn.setting.owner_epoch
        return draft


def whole(text: str) -> str:
    """As far as its sentences are whole."""
    end = 0
    for found in _END.finditer(text):
        end = found.end()
    return text[:end]
