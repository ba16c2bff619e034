"""Which summary jobs may be leased, and what is to be summarised, on Postgres? Every method takes a whole group."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from storage_service.backends.postgres.writes import columns
from storage_service.domain.leased import Remembered
from storage_service.domain.rows import Key
from storage_service.domain.summaries import MOST_AT_ONCE, Summary
from storage_service.domain.summary_work import Locked, Stretch


class PostgresSummaries:
    """The jobs within one transaction."""

    def __init__(
        self,
        begin: Callable[[], Awaitable[None]],
        fetch: Callable[..., Awaitable[Sequence[Any]]],
        *,
        now: datetime,
    ) -> None:
        self._begin = begin
        self._fetch = fetch
        self._now = now

    async def ready(self, most: int) -> Sequence[Summary]:
        await self._begin()
        return [Summary(*row) for row in await self._fetch("ready_summaries", self._now, most)]

    async def locked(self, keys: Sequence[Key]) -> Mapping[Key, Locked]:
        await self._begin()
        found = [(Summary(*row[:-1]), row[-1]) for row in await self._fetch("locked_summaries", *columns(keys, of=2))]
        return {(job.tenant_id, job.id): (job, seq) for job, seq in found}

    async def oldest(self, stretches: Sequence[Stretch]) -> Mapping[Key, Sequence[Remembered]]:
        found: list[list[Remembered]] = [[] for _ in stretches]
        for which, seq, role, text, attached, created_at in await self._fetch(
            "oldest", *columns(stretches), MOST_AT_ONCE
        ):
            found[which - 1].append((seq, role, text, attached, created_at))
        return {(each[0], each[1]): said for each, said in zip(stretches, found, strict=True)}

    async def late(self, most: int) -> Sequence[Summary]:
        return [Summary(*row) for row in await self._fetch("late_summaries", self._now, most)]
