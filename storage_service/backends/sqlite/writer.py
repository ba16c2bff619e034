"""How do many callers share one SQLite file? Everything that waits goes into one durable commit.

No timer: what arrives during a commit is the next one, so the busier it gets the less each call costs. What may wait
for the disk or for the file's lock, the beginning and the end of a transaction, is done in a thread. The statements in
between touch pages in memory and run on the loop: a thread would ask the interpreter's lock back after each of them.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from kit import logs, metrics
from kit.errors import Internal, InvalidField, ParleyError, StorageUnavailable
from storage_service.backends.sqlite.reading import connect
from storage_service.backends.sqlite.rows import SqliteRows
from storage_service.backends.sqlite.stepping import Steps
from storage_service.backends.sqlite.writes import Writes
from storage_service.backends.statements import Statements
from storage_service.backends.unusable import why
from storage_service.domain.changes import Changes
from storage_service.domain.database import Committed, HotRows, Kind

Result = TypeVar("Result")
Work = Callable[[HotRows], Awaitable[Any]]
# Runs a function in the thread that may wait for the disk.
Disk = Callable[..., Awaitable[Any]]

RETRY_AFTER = timedelta(seconds=1)
MOST_IN_A_COMMIT = 256
# What is wrong with a row; everything else is wrong with the file, its disk or its lock.
OF_THE_ROW = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)


@dataclass(slots=True)
class _Call:
    work: Work
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None
    written: Sequence[Changes] = ()


class SqliteDatabase:
    """The hot side of an SQLite file."""

    def __init__(self, path: str, *, committed: Committed, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._committed = committed
        self._clock = clock
        self._statements = Statements.load(Path(__file__).with_name("statements.sql"))
        self._writes = Writes(self._statements)
        self._steps = Steps()
        self._waiting: deque[_Call] = deque()
        self._arrived = asyncio.Event()
        self._server: asyncio.Task[None] | None = None
        self._lost: str | None = None  # what SQLite says while nothing can be written
        self._size = metrics.commit_group_size.labels(kind="sqlite")

    async def beat(self) -> None:
        """One process has the file, and its clock: there is nobody to tell. But it may be set back."""
        step, ahead = self._steps.seen(self._clock())
        if step:
            await self.run("sweep", partial(_set_back, step=step))
            logs.get("storage").warning("clock.set_back", step_seconds=round(step.total_seconds()))
        self._steps.keep(ahead)

    def living_others(self) -> int:
        return 0

    def now(self) -> datetime:
        return self._clock()

    async def open(self, *, rehearse: bool = False) -> None:
        del rehearse  # a statement is made ready in microseconds
        # An empty context: a commit belongs to no single caller.
        self._server = asyncio.get_running_loop().create_task(self._serve(), context=Context())

    async def close(self) -> None:
        """Ends after what was asked before."""
        server, self._server = self._server, None
        if server is not None:
            self._arrived.set()
            await server

    async def run(self, _kind: Kind, work: Callable[[HotRows], Awaitable[Result]]) -> Result:
        if self._server is None:
            raise StorageUnavailable(retry_after=RETRY_AFTER)
        call = _Call(work, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        self._arrived.set()
        return cast(Result, await call.future)

    async def _serve(self) -> None:
        with ThreadPoolExecutor(1, thread_name_prefix="sqlite") as thread:
            disk: Disk = partial(asyncio.get_running_loop().run_in_executor, thread)
            connection: sqlite3.Connection | None = None
            while calls := await self._take():
                try:
                    connection = connection or await disk(connect, self._path)
                    before = connection.total_changes
                    await self._commit(connection, calls, disk=disk)
                    if connection.total_changes > before:
                        self._note(None)
                except sqlite3.Error as error:
                    if connection is not None:
                        await disk(connection.close)
                    connection = None
                    for call in calls:
                        call.error = _meaning(error)
                    self._note(error)
                self._settle(calls)
            if connection is not None:
                await disk(connection.close)

    async def _take(self) -> list[_Call]:
        """What waits now; waits for the first. Nothing when the database is closed and all is done."""
        while not self._waiting and self._server is not None:
            self._arrived.clear()
            await self._arrived.wait()
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_IN_A_COMMIT))]

    async def _commit(self, connection: sqlite3.Connection, calls: list[_Call], *, disk: Disk) -> None:
        """All together; when one of them fails, each again by itself, so that it fails alone."""
        self._size.observe(len(calls))
        if await self._together(connection, calls, disk=disk) or len(calls) == 1:
            return
        for call in calls:
            await self._together(connection, [call], disk=disk)

    async def _together(self, connection: sqlite3.Connection, calls: list[_Call], *, disk: Disk) -> bool:
        """True when it is durable. A failed rule or a refused row undoes the whole; a broken file raises."""
        await disk(connection.execute, "BEGIN IMMEDIATE")
        failed: _Call | None = None
        for call in calls:
            call.result, call.error = None, None
            rows = SqliteRows(connection, self._statements, writes=self._writes, now=self._clock())
            try:
                call.result = await call.work(rows)
                call.written = rows.written
            except Exception as error:  # Whatever it is belongs to its caller: the others are served.
                if isinstance(error, sqlite3.Error) and not isinstance(error, OF_THE_ROW):
                    raise
                call.error = _meaning(error)
                failed = call
                break
        await disk(connection.execute, "ROLLBACK" if failed else "COMMIT")
        return failed is None

    def _note(self, error: sqlite3.Error | None) -> None:
        """One line when nothing can be written, and one when something was again. What only reads says neither: on a
        full disk it goes on."""
        code = getattr(error, "sqlite_errorname", "") if error else None
        if code == self._lost:
            return
        self._lost = code
        if error:
            kind, reason = type(error).__name__, why(error)
            logs.get("storage").warning("database.lost", error_type=kind, code=code, reason=reason)
        else:
            logs.get("storage").info("database.back")

    def _settle(self, calls: list[_Call]) -> None:
        for call in calls:
            if call.error is None:
                for changes in call.written:
                    self._committed(changes)
            if call.future.done():
                continue
            if call.error is not None:
                call.future.set_exception(call.error)
            else:
                call.future.set_result(call.result)


async def _set_back(rows: HotRows, *, step: timedelta) -> None:
    await cast(SqliteRows, rows).set_back(step)


def _meaning(error: Exception) -> Exception:
    """A database's own words may quote a row, so they go no further."""
    if isinstance(error, ParleyError):
        return error
    if isinstance(error, sqlite3.Error) and not isinstance(error, OF_THE_ROW):
        return StorageUnavailable(retry_after=RETRY_AFTER)
    if isinstance(error, UnicodeEncodeError | sqlite3.DataError):
        return InvalidField([("request", "holds a character or a number that cannot be stored")])
    return Internal(f"a rule of storage failed: {type(error).__name__}")
