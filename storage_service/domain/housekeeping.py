"""What does storage do every second, whoever calls? It counts, says that it lives, and sweeps."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from kit import logs
from kit.errors import ParleyError, StorageUnavailable
from storage_service.domain.database import Crowd, Database, Depths, HotRows, Stopped
from storage_service.domain.pressure import LEAST, Pressure
from storage_service.domain.sweeping import Sweeper

MOST_BITES = 20
SELDOM_TICKS = 60
# However seldom is swept: replicas know each other, and alerts the database, by what was seen within seconds.
BEAT_SECONDS = 1.0
# So much of a tick each of what is seldom may take: nothing else waits long for it, and it goes on with the next tick.
SELDOM_SHARE = 1 / 8
# So long a database is away before storage says that it cannot serve.
LOST_SECONDS = 3.0

Sweep = Callable[[Any], Awaitable[int]]


class Housekeeping:
    """Keeps one process's share of the order."""

    def __init__(
        self,
        database: Database,
        sweeper: Sweeper,
        *,
        pressure: Pressure,
        every_seconds: float = 1.0,
        serving: Callable[[bool], object] = bool,
    ) -> None:
        """`serving` is told when the database has been away for a while, and when it is there again."""
        self._database = database
        self._sweeper = sweeper
        self._pressure = pressure
        self._every_seconds = every_seconds
        self._serving = serving
        self._lost_at = math.inf
        self._failures = 0
        self._is_serving = True
        self._unfinished: list[Sweep] = []  # what is seldom, and was not done with the last tick
        self._log = logs.get("sweeper")

    async def run(self, stopping: asyncio.Event) -> None:
        clock, sweep_at, sweeps = asyncio.get_running_loop().time, -math.inf, 0
        while not stopping.is_set():
            began = clock()
            if await self._beat() and began >= sweep_at:
                await self._tidy(seldom=sweeps % SELDOM_TICKS == 0)
                sweep_at, sweeps = began + self._every_seconds, sweeps + 1
            try:
                async with asyncio.timeout(min(self._every_seconds, BEAT_SECONDS)):
                    await stopping.wait()
            except TimeoutError:
                continue

    async def _beat(self) -> bool:
        """Whether the database is there; a lost one is tried again with the next beat."""
        try:
            await self._database.beat()
            await self.count()
        except ParleyError as error:
            self._failures += 1
            if logs.is_worth_a_line(self._failures):
                self._log.warning("sweep.failed", sweep="count", reason=error.name, failures=self._failures)
            self._note(is_lost=isinstance(error, StorageUnavailable))
            return False
        self._failures = 0
        self._note(is_lost=False)
        return True

    async def _tidy(self, *, seldom: bool) -> None:
        """A sweep that fails does not keep the others from theirs."""
        sweeper = self._sweeper
        sweeps = [sweeper.expired_turns, sweeper.overdue_turns, sweeper.expired_deliveries]
        sweeps += [sweeper.unmatched_receipts, sweeper.freed_lanes, sweeper.expired_summaries]
        for sweep in sweeps:
            await self._sweep(sweep)
        if seldom:
            self._unfinished = [sweeper.old_raw_payloads, sweeper.old_receipts, sweeper.old_media]
            self._unfinished += [sweeper.old_requests, sweeper.old_paces]
        share = self._every_seconds * SELDOM_SHARE
        self._unfinished = [sweep for sweep in self._unfinished if not await self._sweep(sweep, seconds=share)]

    async def count(self) -> None:
        """How much waits, and for whom."""
        pressure = self._pressure

        async def work(rows: HotRows) -> tuple[Depths, Sequence[Crowd], Stopped]:
            depths = await rows.depths(pressure.count_to)
            crowded = depths.deliveries >= LEAST
            crowds = await rows.crowds(LEAST, pressure.count_to) if crowded else ()
            return depths, crowds, await rows.stopped()

        depths, crowds, stopped = await self._database.run("sweep", work)
        pressure.note(depths, self._database.now())
        pressure.note_accounts(crowds, stopped)

    def _note(self, *, is_lost: bool) -> None:
        """A moment without the database is no reason to send callers away: a primary may fail over in less."""
        now = asyncio.get_running_loop().time()
        self._lost_at = min(self._lost_at, now) if is_lost else math.inf
        is_serving = now - self._lost_at < LOST_SECONDS
        if is_serving != self._is_serving:
            self._is_serving = is_serving
            self._serving(is_serving)

    async def _sweep(self, sweep: Sweep, *, seconds: float = math.inf) -> bool:
        """False when there may be more: it was stopped by the number of its bites, or by its time."""
        clock, count = asyncio.get_running_loop().time, 0
        until = clock() + seconds

        async def work(rows: HotRows) -> int:
            return await sweep(rows)

        try:
            for _ in range(MOST_BITES):
                found = await self._database.run("sweep", work)
                count += found
                if found < self._sweeper.bite:
                    return True
                if clock() >= until:
                    break
        except ParleyError as error:
            self._log.warning("sweep.failed", sweep=sweep.__name__, reason=error.name)
            return True
        finally:
            if count:
                self._log.info("sweep.found", sweep=sweep.__name__, count=count)
        return False
