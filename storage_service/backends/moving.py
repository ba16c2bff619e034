"""How does a mesh that began on SQLite go on with Postgres? All rows are copied, or none, while nobody works on it."""

from collections.abc import AsyncIterator, Mapping
from functools import reduce
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Table, exists, func, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncResult
from sqlmodel import SQLModel

from kit.settings import SettingsError
from storage_service.backends.engines import open_engine
from storage_service.backends.schema import LONGEST_SECONDS
from storage_service.backends.tables import Replica
from storage_service.backends.unusable import known, told

# So much goes on its way at once: a bite of a thousand pictures would take all memory, and no progress would be seen.
AT_ONCE, BYTES_AT_ONCE = 1000, 4_000_000
READ_AT_ONCE = 64
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
    """Both databases are at the newest revision. SettingsError when the target is not empty, refuses a row of the
    source, or is not reached any more; then nothing was written."""
    source = open_engine(source_url, pool_size=1)
    target = open_engine(target_url, pool_size=1, statement_seconds=LONGEST_SECONDS)
    try:
        with told(target_url):
            async with source.connect() as old, target.begin() as new:
                await _require_empty(new)
                moved = [await _copy(table, old=old, new=new, progress=progress) for table in _tables()]
                return reduce(Moved.plus, moved)
    except (OSError, DBAPIError) as error:
        if isinstance(error, DBAPIError) and not (known(error) or error.connection_invalidated):
            raise  # a fault of ours, to be seen whole
        words = known(error) or "the way to it broke"
        raise SettingsError(f"DATABASE_URL: {words}; nothing was copied") from error
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
    async with old.stream(select(table).execution_options(yield_per=READ_AT_ONCE)) as result:
        async for rows in _bites(result):
            kept = [_without_nul(row) for row in rows]
            await _write(new, table, rows=kept)
            copied += len(rows)
            mended += sum(each != dict(row) for each, row in zip(kept, rows, strict=True))
            progress(table.name, copied=copied, total=total)
    return Moved(copied, mended)


async def _bites(result: AsyncResult[Any]) -> AsyncIterator[list[Mapping[Any, Any]]]:
    """So many rows, or bytes, as go on their way together; one row in any case."""
    bite: list[Mapping[Any, Any]] = []
    weight = 0
    async for row in result.mappings():
        size = sum(len(value) for value in row.values() if isinstance(value, str | bytes))
        if bite and (len(bite) == AT_ONCE or weight + size > BYTES_AT_ONCE):
            yield bite
            bite, weight = [], 0
        bite.append(row)
        weight += size
    if bite:
        yield bite


def _without_nul(row: Mapping[Any, Any]) -> dict[str, Any]:
    """SQLite took one before requests with a NUL were refused."""
    return {name: value.replace("\0", "") if isinstance(value, str) else value for name, value in row.items()}


async def _write(new: AsyncConnection, table: Table, *, rows: list[dict[str, Any]]) -> None:
    try:
        await new.execute(insert(table), rows)
    except DBAPIError as error:
        if known(error) or error.connection_invalidated:
            raise
        raise SettingsError(f"DATABASE_URL: rows of {table.name} are refused, so nothing was copied") from error
