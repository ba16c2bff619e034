"""How does SQLAlchemy reach the database? The ORM's side: reads, admin writes and migrations; nothing hot."""

import asyncio
import os
import sqlite3
from contextlib import suppress
from functools import partial
from typing import Any

import aiosqlite
from sqlalchemy import event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from storage_service.backends.postgres.reaching import reach
from storage_service.database_url import SQLITE, is_postgres

CONNECT_SECONDS, STATEMENT_SECONDS = 5, 10


def sqlite_path(url: str) -> str:
    """As it is written: a folder may have a name with a ? or a % in it."""
    return url.removeprefix(SQLITE)


def open_engine(url: str, *, pool_size: int = 4, statement_seconds: int = STATEMENT_SECONDS) -> AsyncEngine:
    """An engine whose every statement ends within that time."""
    if is_postgres(url):
        return create_async_engine(
            "postgresql+asyncpg://",  # where it is only the URL itself says, whose parameters SQLAlchemy does not know
            async_creator=partial(reach, url, seconds=CONNECT_SECONDS, work_seconds=statement_seconds),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=5,
            pool_pre_ping=True,
        )
    connect_args = {"timeout": STATEMENT_SECONDS, "async_creator_fn": _StopsOnce.to}
    engine = create_async_engine(URL.create("sqlite+aiosqlite", database=sqlite_path(url)), connect_args=connect_args)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


class _StopsOnce(aiosqlite.Connection):
    """A second stop is never answered, because its thread is gone. SQLAlchemy stops a connection twice when a task that
    is closing it is cancelled, and the end of the process would wait for the answer for ever."""

    _end: asyncio.Future[Any] | None = None

    @classmethod
    def to(cls, database: str, **options: Any) -> "_StopsOnce":
        _make_private(database)

        def connect() -> sqlite3.Connection:
            # Held as soon as it is open: who asked may be cancelled by now, and the end is to close it all the same.
            made._connection = sqlite3.connect(database, **options)
            return made._connection

        made = cls(connect, iter_chunk_size=64)
        made._thread.daemon = True
        return made

    async def _connect(self) -> aiosqlite.Connection:
        try:
            return await super()._connect()
        except BaseException:
            # Its thread still says that it ends. A loop that is closed by then makes a traceback of that.
            if self._end:
                await asyncio.wait([self._end])
            raise

    def stop(self) -> asyncio.Future[Any] | None:
        if self._end is None:
            self._end = super().stop()
        return self._end


def _make_private(database: str) -> None:
    """What people wrote is not for other accounts of the machine. SQLite gives the files beside it the same rights."""
    if database and database != ":memory:":
        with suppress(OSError):  # it is there, and as the operator wants it; or SQLite says better what is wrong
            os.close(os.open(database, os.O_CREAT | os.O_EXCL, 0o600))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
