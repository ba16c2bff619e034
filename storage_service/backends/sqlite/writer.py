"""How do many callers share one SQLite file? One thread takes everything that waits into one durable commit.

No timer: what arrives during a commit is the next one, so the busier it gets the less each call costs.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from kit import metrics
from kit.errors import Internal, InvalidField, ParleyError, StorageUnavailable
from storage_service.backends.sqlite.reading import connect
from storage_service.backends.sqlite.rows import SqliteRows
from storage_service.backends.sqlite.writes import Writes
from storage_service.backends.statements import Statements
from storage_service.domain.database import Committed, HotRows, Kind
from storage_service.domain.rows import Changes

Result = TypeVar("Result")
Work = Callable[[HotRows], Awaitable[Any]]

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
        self._waiting: deque[_Call] = deque()
        self._arrived = threading.Semaphore(0)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._size = metrics.commit_group_size.labels(kind="sqlite")

    async def beat(self) -> None:
        """One process has the file, and its clock: there is nobody to tell."""

    def now(self) -> datetime:
        return self._clock()

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._serve, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Ends after what was asked before."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._arrived.release()
            await asyncio.to_thread(thread.join)

    async def run(self, _kind: Kind, work: Callable[[HotRows], Awaitable[Result]]) -> Result:
        if self._thread is None or self._loop is None:
            raise StorageUnavailable(retry_after=RETRY_AFTER)
        call = _Call(work, self._loop.create_future())
        self._waiting.append(call)
        self._arrived.release()
        return cast(Result, await call.future)

    def _serve(self) -> None:
        connection: sqlite3.Connection | None = None
        while calls := self._take():
            try:
                connection = connection or connect(self._path)
                self._commit(connection, calls)
            except sqlite3.Error as error:
                if connection is not None:
                    connection.close()
                connection = None
                for call in calls:
                    call.error = _meaning(error)
            self._answer(calls)
        if connection is not None:
            connection.close()

    def _take(self) -> list[_Call]:
        """What waits now; waits for the first. Nothing when the database is closed and all is done."""
        calls: list[_Call] = []
        while not calls:
            self._arrived.acquire()
            while self._waiting and len(calls) < MOST_IN_A_COMMIT:
                calls.append(self._waiting.popleft())
            if self._thread is None:
                break
        for _ in range(len(calls) - 1):
            self._arrived.acquire(blocking=False)
        return calls

    def _commit(self, connection: sqlite3.Connection, calls: list[_Call]) -> None:
        """All together; when one of them fails, each again by itself, so that it fails alone."""
        self._size.observe(len(calls))
        if self._together(connection, calls) or len(calls) == 1:
            return
        for call in calls:
            self._together(connection, [call])

    def _together(self, connection: sqlite3.Connection, calls: list[_Call]) -> bool:
        """True when it is durable. A failed rule or a refused row undoes the whole; a broken file raises."""
        connection.execute("BEGIN IMMEDIATE")
        failed: _Call | None = None
        for call in calls:
            call.result, call.error = None, None
            rows = SqliteRows(connection, self._statements, writes=self._writes, now=self._clock())
            try:
                call.result = _driven(call.work(rows))
                call.written = rows.written
            except Exception as error:  # Whatever it is belongs to its caller: the thread serves the others.
                if isinstance(error, sqlite3.Error) and not isinstance(error, OF_THE_ROW):
                    raise
                call.error = _meaning(error)
                failed = call
                break
        connection.execute("ROLLBACK" if failed else "COMMIT")
        return failed is None

    def _answer(self, calls: list[_Call]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._settle, calls)

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


def _driven(work: Awaitable[Any]) -> Any:
    """Runs a coroutine that never suspends."""
    coroutine = cast(Coroutine[Any, Any, Any], work)
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("work on SQLite waited for something")


def _meaning(error: Exception) -> Exception:
    """A database's own words may quote a row, so they go no further."""
    if isinstance(error, ParleyError):
        return error
    if isinstance(error, sqlite3.Error) and not isinstance(error, OF_THE_ROW):
        return StorageUnavailable(retry_after=RETRY_AFTER)
    if isinstance(error, UnicodeEncodeError | sqlite3.DataError):
        return InvalidField([("request", "holds a character that cannot be stored")])
    return Internal(f"a rule of storage failed: {type(error).__name__}")
