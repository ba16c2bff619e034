"""How does a mesh that began on SQLite go on with Postgres? All rows are copied, or none, while nobody works on it."""

from typing import Any, Protocol

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


async def move(source_url: str, target_url: str, *, progress: Progress) -> int:
    """How many rows that were. Both databases are at the newest revision. SettingsError when the target is not empty,
    or refuses a row of the source; then nothing was written."""
    source, target = open_engine(source_url, pool_size=1), open_engine(target_url, pool_size=1)
    try:
        with told(target_url):
            async with source.connect() as old, target.begin() as new:
                await _require_empty(new)
                return sum([await _copy(table, old=old, new=new, progress=progress) for table in _tables()])
    finally:
        await source.dispose()
        await target.dispose()


async def _require_empty(new: AsyncConnection) -> None:
    for table in _tables():
        if await new.scalar(select(exists(select(table)))):
            raise SettingsError(f"DATABASE_URL: its table {table.name} has rows already; name a fresh database")


def _tables() -> list[Table]:
    return [table for table in SQLModel.metadata.sorted_tables if table.name not in LEFT]


async def _copy(table: Table, *, old: AsyncConnection, new: AsyncConnection, progress: Progress) -> int:
    total, copied = await old.scalar(select(func.count()).select_from(table)) or 0, 0
    progress(table.name, copied=copied, total=total)
    async with old.stream(select(table)) as result:
        async for rows in result.mappings().partitions(AT_ONCE):
            await _write(new, table, rows=[dict(row) for row in rows])
            copied += len(rows)
            progress(table.name, copied=copied, total=total)
    return copied


async def _write(new: AsyncConnection, table: Table, *, rows: list[dict[str, Any]]) -> None:
    """Postgres keeps no NUL in a text, and SQLite does; a row is named, and what it says is not."""
    try:
        await new.execute(insert(table), rows)
    except DBAPIError as error:
        if known(error):
            raise
        odd = [row for row in rows if any("\0" in value for value in row.values() if isinstance(value, str))]
        which = ", ".join(str(odd[0][column.name]) for column in table.primary_key) if odd else ""
        what = f"the row {which} of {table.name} holds a NUL" if odd else f"rows of {table.name} are refused"
        raise SettingsError(f"DATABASE_URL: {what}, so nothing was copied") from error
