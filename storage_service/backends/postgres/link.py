"""How is a connection kept, lost and found again? Every wait is bounded: a frozen server is a lost one.

Plans are made once for each connection, use indexes only and join in the order that is written. Which index is decided
by rows alone: pages that are hot are in memory, and where pages count, all of a small table's are as near as one row.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar

import asyncpg

from kit import logs
from kit.errors import Internal, ParleyError, StorageUnavailable
from storage_service.backends.outages import Outage
from storage_service.backends.postgres.reaching import EVERY_SESSION, reach
from storage_service.backends.unusable import why

Result = TypeVar("Result")
Connection = "asyncpg.Connection[Any]"

CONNECT_SECONDS = 3
WORK_SECONDS = 10
RETRY_AFTER = timedelta(seconds=1)
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.05, 1.0

SESSION = {
    **EVERY_SESSION,
    "application_name": "parley-storage",  # beside "parley", so that pg_stat_activity tells hot work apart
    "plan_cache_mode": "force_generic_plan",
    "enable_indexscan": "on",
    "enable_nestloop": "on",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "join_collapse_limit": "1",
    "default_statistics_target": "10",
    "seq_page_cost": "0",
    "random_page_cost": "0",
    "idle_in_transaction_session_timeout": "15s",
    "lock_timeout": "5s",
}

# What is wrong with a row or a rule; everything else is wrong with the server or the way to it.
OF_THE_ROW = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError)
LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Link:
    """One connection, for one piece of work at a time."""

    def __init__(
        self,
        url: str,
        work_seconds: float = WORK_SECONDS,
        *,
        met: Callable[["asyncpg.Connection[Any]"], Awaitable[None]],
    ) -> None:
        """`met` is told of each connection before it is used."""
        self._url = url
        self._work_seconds = work_seconds
        self._met = met
        self._connection: asyncpg.Connection[Any] | None = None
        self._lock = asyncio.Lock()
        self._not_before = 0.0
        self._outage = Outage("storage", "database.lost")
        self._wait_seconds = FIRST_WAIT_SECONDS

    async def use(self, work: Callable[["asyncpg.Connection[Any]"], Awaitable[Result]]) -> Result:
        """Runs the work. StorageUnavailable when the server is away; then nothing is known to be durable."""
        async with self._lock:
            try:
                async with asyncio.timeout(self._work_seconds):
                    connection = await self._connected()
                    result = await work(connection)
            except (ParleyError, *OF_THE_ROW):
                raise
            except (OSError, TimeoutError, *LOST) as error:
                self._lose(error)
                raise StorageUnavailable(retry_after=RETRY_AFTER) from None
            except Exception as error:  # A fault of ours belongs to its caller; a new connection knows nothing of it.
                self._drop()
                logs.get("storage").error("transaction.failed", error_type=type(error).__name__, exc_info=True)
                raise Internal(f"a rule of storage failed: {type(error).__name__}") from None
            except BaseException:
                self._drop()
                raise
            self._wait_seconds = FIRST_WAIT_SECONDS
            self._outage.over()
            return result

    async def open(self) -> None:
        """Connects before there is work to do, if it has to. A server that is away is tried again when there is."""
        if self._connection is None or self._connection.is_closed():
            with suppress(ParleyError):
                await self.use(_nothing)

    async def close(self) -> None:
        async with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                with suppress(OSError, TimeoutError, *LOST):
                    await connection.close(timeout=CONNECT_SECONDS)

    async def _connected(self) -> "asyncpg.Connection[Any]":
        if self._connection is None or self._connection.is_closed():
            if asyncio.get_running_loop().time() < self._not_before:
                raise StorageUnavailable(retry_after=RETRY_AFTER)
            self._connection = await reach(
                self._url,
                seconds=CONNECT_SECONDS,
                work_seconds=self._work_seconds,
                session=SESSION,
                statement_cache_size=256,
                max_cached_statement_lifetime=0,
            )
            await self._met(self._connection)
        return self._connection

    def _lose(self, error: Exception) -> None:
        """Away: others are refused at once for a moment, twice as long each time, so that nobody storms the server."""
        self._drop()
        self._not_before = asyncio.get_running_loop().time() + self._wait_seconds
        self._wait_seconds = min(LONGEST_WAIT_SECONDS, self._wait_seconds * 2)
        self._outage.met(why(error), error_type=type(error).__name__)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


async def _nothing(_connection: "asyncpg.Connection[Any]") -> None:
    """The work of a connection that is only made."""
