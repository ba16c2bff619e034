"""How does a mesh that began on SQLite go on with Postgres? All rows are copied, or none, while nobody works on it."""

from collections.abc import Mapping
from functools import reduce
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Table, exists, func, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel

from kit.settings import SettingsError
from storage_service.backends.engines import open_engine
from storage_service.backends.tables import Replica
from storage_service.backends.unusable import known, told

AT_ONCE = 1000
# Who lives is said anew by each replica that starts.
LEFT = {Replica.__tablename__}


class Progress(Protocol):
    """Is told of a table how many of its rows are copied, and how many there are."""

    def __call__(self, table: str, /, *, copied: int, total: int) -> None: ...


class Moved(NamedTuple):
    """How many rows went along, and how many of them without a NUL that they held: Postgres keeps none in a text."""

    rows: int = 0
    mended: int = 0

    def plus(self, other: "Moved") -> "Moved":
        return Moved(self.rows + other.rows, self.mended + other.mended)


async def move(source_url: str, target_url: str, *, progress: Progress) -> Moved:
    """Both databases are at the newest revision. SettingsError when the target is not empty, or refuses a row of the
    source; then nothing was written."""
    source, target = open_engine(source_url, pool_size=1), open_engine(target_url, pool_size=1)
    try:
        with told(target_url):
            async with source.connect() as old, target.begin() as new:
                await _require_empty(new)
                moved = [await _copy(table, old=old, new=new, progress=progress) for table in _tables()]
                return reduce(Moved.plus, moved)
    finally:
        await source.dispose()
        await target.dispose()


async def _require_empty(new: AsyncConnection) -> None:
    for table in _tables():
        if await new.scalar(select(exists(select(table)))):
            raise SettingsError(f"DATABASE_URL: its table {table.name} has rows already; name a fresh database")


def _tables() -> list[Table]:
    return [table for table in SQLModel.metadata.sorted_tables if table.name not in LEFT]


async def _copy(table: Table, *, old: AsyncConnection, new: AsyncConnection, progress: Progress) -> Moved:
    total, copied, mended = await old.scalar(select(func.count()).select_from(table)) or 0, 0, 0
    progress(table.name, copied=copied, total=total)
    async with old.stream(select(table)) as result:
        async for rows in result.mappings().partitions(AT_ONCE):
            kept = [_without_nul(row) for row in rows]
            await _write(new, table, rows=kept)
            copied += len(rows)
            mended += sum(each != dict(row) for each, row in zip(kept, rows, strict=True))
            progress(table.name, copied=copied, total=total)
    return Moved(copied, mended)


def _without_nul(row: Mapping[Any, Any]) -> dict[str, Any]:
    """SQLite took one before requests with a NUL were refused."""
    return {name: value.replace("\0", "") if isinstance(value, str) else value for name, value in row.items()}


async def _write(new: AsyncConnection, table: Table, *, rows: list[dict[str, Any]]) -> None:
    try:
        await new.execute(insert(table), rows)
    except DBAPIError as error:
        if known(error):
            raise
        raise SettingsError(f"DATABASE_URL: rows of {table.name} are refused, so nothing was copied") from error
