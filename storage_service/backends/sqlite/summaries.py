"""Which summary jobs may be leased, and what is to be summarised, on SQLite? Its one writer needs no locks."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from storage_service.backends.sqlite.reading import reader, remembered
from storage_service.backends.tables.columns import to_micros
from storage_service.backends.written import SUMMARIES
from storage_service.domain.leased import Remembered
from storage_service.domain.rows import Key
from storage_service.domain.summaries import MOST_AT_ONCE, Summary
from storage_service.domain.summary_work import Locked, Stretch

_summary = reader(Summary, SUMMARIES)


class SqliteSummaries:
    """The jobs within one transaction."""

    def __init__(self, fetch: Callable[[str, Sequence[Any]], Sequence[Any]], *, now: datetime) -> None:
        self._fetch = fetch
        self._now = now

    async def ready(self, most: int) -> Sequence[Summary]:
        return await self.late(most)

    async def locked(self, keys: Sequence[Key]) -> Mapping[Key, Locked]:
        return {key: (_summary(row[:-1]), row[-1]) for key in keys for row in self._fetch("summary", key)}

    async def oldest(self, stretches: Sequence[Stretch]) -> Mapping[Key, Sequence[Remembered]]:
        return {
            (each[0], each[1]): [*map(remembered, self._fetch("oldest", (*each, MOST_AT_ONCE)))] for each in stretches
        }

    async def late(self, most: int) -> Sequence[Summary]:
        return [_summary(row) for row in self._fetch("late_summaries", (to_micros(self._now), most))]
