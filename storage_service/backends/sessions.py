"""How does a read or a change reach the database, and what does the caller hear when it is lost?

A change is one transaction. It runs again, once, when another process wrote the same key first: the second run finds
that row. On SQLite it takes the write lock at its beginning, because a lock taken half-way cannot be waited for.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from kit import logs
from kit.errors import AlreadyExists, Internal, InvalidField, ParleyError, StorageUnavailable
from storage_service.backends.outages import Outage
from storage_service.backends.rows import Rows, Who
from storage_service.backends.unusable import why

T = TypeVar("T")

RETRY_AFTER = timedelta(seconds=1)
# Connection, read-only, a pooler's, refused user, no such database, rolled back, out of resources, lock not available,
# shutting down, disk, corrupt.
NOT_NOW = frozenset({"08", "25", "26", "28", "3D", "40", "53", "55", "57", "58", "XX"})


class Sessions:
    """Transactions on one database."""

    def __init__(self, engine: AsyncEngine, *, now: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._readers = engine
        self._writers = engine.execution_options(writes=True)
        self.now = now
        self.new_id = new_id
        # A database may take no writes and be read all the same.
        self._reading, self._writing = _Errors(), _Errors()
        self._is_sqlite = engine.dialect.name == "sqlite"
        if self._is_sqlite:
            event.listen(engine.sync_engine, "connect", _overwrite_what_is_deleted)
            event.listen(self._writers.sync_engine, "begin", _take_the_write_lock)

    async def close(self) -> None:
        """Ends every connection."""
        await self._readers.dispose()

    @asynccontextmanager
    async def read(self, tenant_id: str) -> AsyncIterator[Rows]:
        """One tenant's rows, to look at."""
        async with self.across_tenants() as session:
            yield self._rows(session, Who(tenant_id, ""))

    async def write(self, who: Who, work: Callable[[Rows], Awaitable[T]]) -> T:
        """Runs the work in one transaction, which is durable when this returns."""
        return await self.write_across_tenants(lambda session: work(self._rows(session, who)))

    @asynccontextmanager
    async def across_tenants(self) -> AsyncIterator[AsyncSession]:
        """Every tenant's rows, for the few look-ups that find out whose something is."""
        async with self._reading, AsyncSession(self._readers, expire_on_commit=False) as session:
            yield session

    async def write_across_tenants(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """As write, for the table of tenants itself."""
        try:
            return await self._once(work)
        except IntegrityError:
            return await self._again(work)

    async def _again(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        try:
            return await self._once(work)
        except IntegrityError:
            raise AlreadyExists from None

    async def _once(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        async with self._writing, AsyncSession(self._writers, expire_on_commit=False) as session, session.begin():
            return await work(session)

    async def shed(self) -> None:
        """After an erasure: SQLite's log still holds the old pages until they are moved. Postgres vacuums by itself."""
        if self._is_sqlite:
            async with self._reading, self._readers.connect() as connection:
                await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def _rows(self, session: AsyncSession, who: Who) -> Rows:
        return Rows(session, who, now=self.now(), new_id=self.new_id)


class _Errors:
    """Says in our words what the database said. Its own words may quote a row, so they go no further."""

    def __init__(self) -> None:
        self._outage = Outage("sessions", "database.failed")

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            self._outage.over()
        if isinstance(error, IntegrityError):
            return
        if isinstance(error, PoolTimeoutError | OSError | DBAPIError):
            said = getattr(error, "orig", None)
            state = str(getattr(said, "sqlstate", None) or "")
            code = state or str(getattr(said, "sqlite_errorname", ""))
            meaning, about = _meaning(error, state), {"kind": type(error).__name__, "code": code}
            if isinstance(meaning, StorageUnavailable):
                self._outage.met(why(error), **about)
            else:
                logs.get("sessions").warning("database.failed", reason=why(error), **about)
            raise meaning from None


def _meaning(error: Exception, state: str) -> ParleyError:
    """By the class of the SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html"""
    lost = not isinstance(error, DBAPIError) or isinstance(error, InterfaceError | OperationalError | InternalError)
    if state[:2] in NOT_NOW or (lost and not state):
        return StorageUnavailable(retry_after=RETRY_AFTER)
    if state[:2] == "22":
        return InvalidField([("request", "holds a character or a number that cannot be stored")])
    return Internal(f"the database refused a statement ({state or 'no code'})")


def _take_the_write_lock(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _overwrite_what_is_deleted(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()
