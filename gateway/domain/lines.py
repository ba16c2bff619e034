"""Which accounts does this process listen for? Those that storage leases to it, and no longer than it says.

The lease is counted from the moment before it was asked for, by a clock that only rises: whatever happens to the
answer, or to storage, this process has let go before another may begin.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from channels.channel import Channel
from channels.listening import Listened, Listening, Taken
from gateway.domain.accounts import Account, account_of
from gateway.domain.line import Ears, Line, Wire
from kit import errors, logs, metrics
from parley.storage.v1 import listener_service_pb2 as pb

BEATS_PER_LEASE = 5
SOON_SECONDS = 0.2  # what changes is told to storage after so long, and not each time
STATES = {
    "connecting": pb.LISTENER_STATE_CONNECTING,
    "listening": pb.LISTENER_STATE_LISTENING,
    "troubled": pb.LISTENER_STATE_TROUBLED,
    "refused": pb.LISTENER_STATE_REFUSED,
}
Key = tuple[str, str]  # tenant, account

log = logs.get("gateway")


class Leases(Protocol):
    """Who holds what, in storage."""

    async def lease(
        self, held: Sequence[pb.HeldListener], *, lease: timedelta, most: int
    ) -> Sequence[pb.LeasedListener]: ...


@dataclass(frozen=True, slots=True)
class World:
    """What lines are made of."""

    channels: Mapping[str, Channel]
    listening: Mapping[str, Listening]
    api_base_urls: Mapping[str, str]
    wire: Callable[[], Wire]
    take: Callable[[Channel, Account, bytes], Awaitable[Taken | None]]
    clock: Callable[[], float]
    draw: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Held:
    line: Line
    task: asyncio.Task[None]
    version: int


class Lines:
    """The lines of one process."""

    def __init__(self, leases: Leases, world: World, *, lease: timedelta, most: int) -> None:
        self._leases = leases
        self._world = world
        self._lease = lease
        self._most = most
        self._held: dict[Key, _Held] = {}
        self._until = 0.0
        self._changed = asyncio.Event()
        self._states: set[tuple[str, str]] = set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Listens until told to stop; then gives back what it holds, so that another begins at once."""
        if not self._most:
            await stopping.wait()
            return
        try:
            while not stopping.is_set():
                await self._beat()
                await self._wait(stopping)
        finally:
            await self._give_back()

    async def _beat(self) -> None:
        began = self._world.clock()
        try:
            leased = await self._leases.lease(self._reports(), lease=self._lease, most=self._most)
        except errors.ParleyError as error:
            await self._unanswered(error)
            return
        self._until = began + self._lease.total_seconds()
        now = {(each.account.account.tenant_id, each.account.account.id): each for each in leased}
        changed = [key for key, held in self._held.items() if key in now and held.version != _version(now[key])]
        cursors = {key: self._held[key].line.note.cursor for key in changed}
        await self._stop([*(key for key in self._held if key not in now), *changed])
        for key, each in now.items():
            if key not in self._held and (line := self._line(each, cursors.get(key, each.cursor))):
                self._held[key] = _Held(line, asyncio.create_task(line.run()), _version(each))
        self._count()

    async def _unanswered(self, error: errors.ParleyError) -> None:
        """Lets go well before the lease ends: the next beat may come to nothing, too."""
        if not self._held:
            return
        log.warning("listeners.unanswered", reason=error.name, listeners=len(self._held))
        if self._world.clock() + 2 * self._every() >= self._until:
            await self._stop(list(self._held))
            self._count()

    def _line(self, leased: pb.LeasedListener, cursor: str) -> Line | None:
        account = account_of(leased.account)
        channel, listening = self._world.channels.get(account.channel), self._world.listening.get(account.channel)
        if channel is None or listening is None:
            return None
        listened = Listened(
            address=account.known.address,
            credentials=account.known.credentials,
            options=account.known.options,
            api_base_url=self._world.api_base_urls.get(channel.provider, ""),
            cursor=cursor,
            clock=self._world.clock,
            draw=self._world.draw,
        )
        ears = Ears(self._world.wire(), lambda body: self._world.take(channel, account, body), self._changed.set)
        return Line(channel.name, listening, listened=listened, ears=ears)

    def _reports(self) -> list[pb.HeldListener]:
        return [
            pb.HeldListener(
                tenant_id=key[0],
                account_id=key[1],
                cursor=held.line.note.cursor,
                state=STATES[_state(held.line)],
                reason=(held.line.refused or held.line.note.reason)[:256],
            )
            for key, held in self._held.items()
        ]

    async def _give_back(self) -> None:
        await self._end(list(self._held))
        reports = self._reports()
        self._held.clear()
        self._count()
        for each in reports:
            each.release = True
        if reports:
            with contextlib.suppress(errors.ParleyError):
                await self._leases.lease(reports, lease=self._lease, most=0)

    async def _stop(self, keys: Sequence[Key]) -> None:
        await self._end(keys)
        for key in keys:
            del self._held[key]

    async def _end(self, keys: Sequence[Key]) -> None:
        tasks = [self._held[key].task for key in keys]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self, stopping: asyncio.Event) -> None:
        """Until the next beat is due, or a little after something has changed."""
        waits = [asyncio.create_task(each.wait()) for each in (stopping, self._changed)]
        await asyncio.wait(waits, timeout=self._every(), return_when="FIRST_COMPLETED")
        for each in waits:
            each.cancel()
        if self._changed.is_set() and not stopping.is_set():
            await asyncio.sleep(SOON_SECONDS)
        self._changed.clear()

    def _every(self) -> float:
        return beat_seconds(self._lease)

    def _count(self) -> None:
        counts = dict.fromkeys(self._states, 0)
        for held in self._held.values():
            series = (held.line.channel, _state(held.line))
            counts[series] = counts.get(series, 0) + 1
        for (channel, state), count in counts.items():
            metrics.listeners.labels(channel=channel, state=state).set(count)
        self._states = set(counts)


def beat_seconds(lease: timedelta) -> float:
    """How often storage is asked, and how long an answer is waited for."""
    return lease.total_seconds() / BEATS_PER_LEASE


def _state(line: Line) -> str:
    return "refused" if line.refused else line.note.state


def _version(leased: pb.LeasedListener) -> int:
    return leased.account.account.version
