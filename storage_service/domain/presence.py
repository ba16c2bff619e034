"""What is shown in a chat while its turn runs? That it was read, and that somebody writes, for as long as that is so.

Held in memory and owed to nobody: a process that dies forgets it, and whoever listens too slowly misses it. What is
about to be told is looked up first, so that nothing is shown for a turn that has ended or that is a human's by now.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from zlib import crc32

from kit import logs
from kit.errors import ParleyError
from kit.moments import seconds
from parley.chat.v1.message_pb2 import TURN_KIND_ANSWER, Owner
from parley.storage.v1 import signal_requests_pb2 as pb
from parley.storage.v1.turn_requests_pb2 import LeasedTurn
from storage_service.domain.rows import Key
from storage_service.domain.wakeups import Bell, rest

# A quicker answer needs no sign that somebody writes it.
AFTER_SECONDS = 0.5
# No turn is shown for longer: whoever ended it may have done so elsewhere, unheard.
MOST_SECONDS = 180.0
MOST_RUNNING, MOST_AT_ONCE, MOST_KEPT = 10_000, 256, 1_000
LISTENS_SECONDS = 60.0
READ, TYPING = pb.SIGNAL_KIND_READ, pb.SIGNAL_KIND_TYPING
RETRACT = pb.SIGNAL_KIND_RETRACT
DRAFTS = (pb.SIGNAL_KIND_DRAFT, RETRACT)


@dataclass(frozen=True, slots=True)
class Begun:
    """A turn that somebody began to answer, and the newest message that it answers."""

    channel: str
    tenant_id: str
    turn_id: str
    message_id: str

    @property
    def key(self) -> Key:
        return self.tenant_id, self.turn_id


# The turns among these that still run and are the agent's, with all that a signal says of them but its kind.
Look = Callable[[Sequence[Begun]], Awaitable[Mapping[Key, pb.Signal]]]


@dataclass(slots=True)
class _Running:
    begun: Begun
    ends_at: float
    read_at: float
    typing_at: float
    owner_epoch: int | None = None  # when it was first looked at

    def may_be_shown(self, signal: pb.Signal, now: float) -> bool:
        """Not where a human had the chat since, who may have given it back: then what it writes is never said."""
        if self.owner_epoch is None:
            self.owner_epoch = signal.owner_epoch
        return now < self.ends_at and self.owner_epoch == signal.owner_epoch

    @property
    def due_at(self) -> float:
        return min(self.read_at, self.typing_at)


@dataclass(slots=True)
class _Watcher:
    channels: Mapping[str, pb.SignalledChannel]
    bell: Bell = field(default_factory=Bell)
    kept: list[pb.Signal] = field(default_factory=list)

    def keep(self, signal: pb.Signal) -> None:
        if len(self.kept) < MOST_KEPT:
            self.kept.append(signal)
            self.bell.ring()


class Presence:
    """The turns that run, as far as this process heard, and who shows it."""

    def __init__(
        self,
        look: Look,
        *,
        elsewhere: Callable[[Sequence[Begun]], None],
        stopping: asyncio.Event,
        monotonic: Callable[[], float],
    ) -> None:
        self._look = look
        self._elsewhere = elsewhere
        self._stopping = stopping
        self._monotonic = monotonic
        self._running: dict[Key, _Running] = {}
        self._watchers: list[_Watcher] = []
        self._bell, self._wakes_at = Bell(), math.inf

    def began(self, turns: Sequence[LeasedTurn]) -> None:
        """Turns were leased. What nobody here can show, others may."""
        begun = [_begun(turn) for turn in turns if _is_shown(turn)]
        others = [each for each in begun if self._watcher(each) is None]
        self.heard(begun)
        if others:
            self._elsewhere(others)

    def heard(self, begun: Sequence[Begun]) -> None:
        """The same, here or in another process."""
        now = self._monotonic()
        for each in begun:
            watcher = self._watcher(each)
            if watcher is not None and len(self._running) < MOST_RUNNING:
                known = watcher.channels[each.channel]
                typing_at = now + AFTER_SECONDS if seconds(known.typing) else math.inf
                read_at = now if known.read else math.inf
                self._running[each.key] = _Running(each, now + MOST_SECONDS, read_at, typing_at)
                if min(read_at, typing_at) < self._wakes_at:
                    self._bell.ring()

    def ended(self, keys: Collection[Key]) -> None:
        """Nobody answers these any more."""
        for key in keys:
            self._running.pop(key, None)
        gone = set(keys)
        for watcher in self._watchers:
            if watcher.kept:
                watcher.kept = [each for each in watcher.kept if each.kind == RETRACT or _key(each) not in gone]

    @property
    def can_draft(self) -> bool:
        """Whether anybody listens who can show a reply while it is being written."""
        return any(known.drafts for watcher in self._watchers for known in watcher.channels.values())

    def draft(self, channel: str, signal: pb.Signal) -> None:
        """What a turn has written so far, or that it must go: to whoever can, in the place of what was to be told."""
        able = [each for each in self._watchers if channel in each.channels and each.channels[channel].drafts]
        if not able:
            return
        watcher = _chosen(able, signal.turn_id)
        watcher.kept = [each for each in watcher.kept if each.kind not in DRAFTS or _key(each) != _key(signal)]
        watcher.keep(signal)

    async def watch(self, channels: Sequence[pb.SignalledChannel]) -> AsyncGenerator[list[pb.Signal], None]:
        """What this caller should show. Ends by itself only when the process stops."""
        watcher = _Watcher({each.channel: each for each in channels})
        self._watchers.append(watcher)
        try:
            while not self._stopping.is_set():
                kept, watcher.kept = watcher.kept, []
                if kept:
                    yield kept
                await rest(watcher.bell, self._stopping, most_seconds=LISTENS_SECONDS)
        finally:
            self._watchers.remove(watcher)

    async def run(self) -> None:
        """Tells what is due, until cancelled."""
        while True:
            self._wakes_at = min((each.due_at for each in self._running.values()), default=math.inf)
            wait = min(LISTENS_SECONDS, self._wakes_at - self._monotonic())
            if wait > 0:
                await self._bell.wait(wait)
            await self._tell()

    async def _tell(self) -> None:
        now = self._monotonic()
        due = [each for each in self._running.values() if each.due_at <= now][:MOST_AT_ONCE]
        if not due:
            return
        try:
            seen = await self._look([each.begun for each in due])
        except ParleyError as error:
            logs.get("storage").debug("signals.lost", reason=error.name, count=len(due))
            seen = {}
        for each in due:
            watcher, signal = self._watcher(each.begun), seen.get(each.begun.key)
            if watcher is None or signal is None or not each.may_be_shown(signal, now):
                self._running.pop(each.begun.key, None)
            elif each.begun.key in self._running:
                self._put(each, watcher, signal=signal, now=now)

    def _put(self, running: _Running, watcher: _Watcher, *, signal: pb.Signal, now: float) -> None:
        if running.typing_at <= now:
            signal.kind = TYPING
            running.typing_at = now + seconds(watcher.channels[running.begun.channel].typing)
        else:
            signal.kind = READ
        running.read_at = math.inf  # whoever writes has read
        watcher.keep(signal)

    def _watcher(self, begun: Begun) -> _Watcher | None:
        """The same one for all of a turn, while it listens."""
        able = [each for each in self._watchers if begun.channel in each.channels]
        return _chosen(able, begun.turn_id) if able else None


def _chosen(able: Sequence[_Watcher], turn_id: str) -> _Watcher:
    return able[crc32(turn_id.encode()) % len(able)]


def _key(signal: pb.Signal) -> Key:
    return signal.tenant_id, signal.turn_id


def _is_shown(turn: LeasedTurn) -> bool:
    """A second try comes unasked, long after."""
    agents = turn.setting.owner in (Owner.OWNER_AGENT, Owner.OWNER_UNSPECIFIED)
    return turn.kind == TURN_KIND_ANSWER and bool(turn.messages) and not turn.second_try and agents


def _begun(turn: LeasedTurn) -> Begun:
    return Begun(turn.channel, turn.tenant_id, turn.turn_id, turn.messages[-1].id)
