"""What has a turn written so far, who may see it, and what becomes of it at a provider's?

The text is held in memory and owed to nobody. A message at a provider's that shows it is on record, because it must
become the reply or go, whatever is killed meanwhile.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from kit import logs
from kit.errors import ParleyError
from parley.storage.v1 import signal_requests_pb2 as pb
from storage_service.domain.presence import Presence
from storage_service.domain.rows import Key
from storage_service.domain.wakeups import Wakeups

MOST_HELD = 10_000
LOOKS_SECONDS = 1.0
# Told again after so long, a little longer each time, and at last given up.
RETRACTED_SECONDS, MOST_RETRACTIONS = 15.0, 6
# Of who was erased, where a draft stands is forgotten after this time, taken back or not.
ERASED_KEPT, FORGETS_EVERY = timedelta(hours=1), 60  # looks
# A person decides about a reply that may have been sent; until then its draft may be it.
UNKNOWN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Shown:
    """A turn's text so far, with all that a signal says of it."""

    channel: str
    signal: pb.Signal


# A turn, and the epoch of who owned its conversation.
Answering = tuple[str, int]
NOBODY: Answering = ("", 0)
# The turns of these drafts that the worker still holds and that are the agent's.
Look = Callable[[str, Sequence[pb.TurnDraft]], Awaitable[Mapping[Key, Shown]]]
# Drafts that must go.
Left = Callable[[], Awaitable[Sequence[Shown]]]
Forget = Callable[[], Awaitable[None]]


class Drafts:
    """What turns have written, as far as this process heard."""

    def __init__(self, look: Look, presence: Presence, *, wakeups: Wakeups, elsewhere: Callable[[Shown], None]) -> None:
        self._look = look
        self._presence = presence
        self._wakeups = wakeups
        self._elsewhere = elsewhere
        self._texts: dict[str, tuple[Answering, str]] = {}  # by conversation

    async def share(self, worker_id: str, drafts: Sequence[pb.TurnDraft]) -> list[bool]:
        """Which of them may go on. Raises when the database is away."""
        found = await self._look(worker_id, drafts)
        for draft in drafts:
            shown = found.get((draft.tenant_id, draft.turn_id))
            if shown is not None:
                self.heard(shown)
                self._elsewhere(shown)
        return [(draft.tenant_id, draft.turn_id) in found for draft in drafts]

    def heard(self, shown: Shown) -> None:
        """What a turn has written, here or in another process."""
        signal = shown.signal
        self._texts.pop(signal.conversation_id, None)
        while len(self._texts) >= MOST_HELD:
            del self._texts[next(iter(self._texts))]
        self._texts[signal.conversation_id] = ((signal.turn_id, signal.owner_epoch), signal.text)
        self._presence.draft(shown.channel, signal)
        self._wakeups.moved([signal.conversation_id])

    def of(self, conversation_id: str, answering: Answering) -> str:
        """What this turn has written for this owner; nothing when it is another's, or none."""
        known, text = self._texts.get(conversation_id, (NOBODY, ""))
        return text if answering != NOBODY and known == answering else ""

    def ended(self, keys: Collection[Key]) -> None:
        """What these turns wrote is over."""
        turns = {turn_id for _, turn_id in keys}
        for conversation_id in [each for each, ((turn_id, _), _) in self._texts.items() if turn_id in turns]:
            del self._texts[conversation_id]

    async def watch_what_is_left(self, left: Left, forget: Forget) -> None:
        """Has drafts taken back that must go, while anybody listens who can. Until cancelled."""
        for look in itertools.count():
            await asyncio.sleep(LOOKS_SECONDS)
            try:
                if look % FORGETS_EVERY == 0:
                    await forget()
                for shown in await left() if self._presence.can_draft else ():
                    self._presence.draft(shown.channel, shown.signal)
            except ParleyError as error:
                logs.get("storage").debug("drafts.not_looked_at", reason=error.name)


class Fate(Enum):
    """What becomes of a draft."""

    STAYS = "stays"  # for now
    IS_THE_REPLY = "is the reply"
    GOES = "goes"


def fate(*, open_turn: bool, same_owner: bool, deliveries: Sequence[str], is_reply: bool) -> tuple[Fate, timedelta]:
    """What becomes of it now, and when to ask again. `deliveries` are the states of what its turn said.

    Nothing goes that may be the reply: while that is on its way, or may have arrived, the draft stays.
    """
    soon = timedelta(seconds=LOOKS_SECONDS)
    if open_turn:
        return (Fate.STAYS if same_owner else Fate.GOES), soon
    if any(state in {"queued", "sending"} for state in deliveries):
        return Fate.STAYS, soon
    if is_reply:
        return Fate.IS_THE_REPLY, soon
    if "unknown" in deliveries:
        return Fate.STAYS, timedelta(seconds=UNKNOWN_SECONDS)
    return Fate.GOES, soon


def again_at(now: datetime, attempts: int) -> datetime:
    """When whoever was told to take it back is told again."""
    return now + timedelta(seconds=RETRACTED_SECONDS * attempts)
