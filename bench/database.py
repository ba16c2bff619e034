"""Which database is under the system, and what did it have to do? Statements and bytes, by its own count."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import asyncpg

from tests import postgres


@dataclass(frozen=True, slots=True)
class Rows:
    """Statements executed and bytes written to tables and log."""

    statements: int
    bytes: int

    def __sub__(self, earlier: "Rows") -> "Rows":
        return Rows(self.statements - earlier.statements, self.bytes - earlier.bytes)


class Store(Protocol):
    """A database that can be emptied, watched and billed."""

    async def fresh(self) -> str:
        """Makes an empty database and gives its URL."""

    async def rows(self) -> Rows:
        """What it has done so far."""

    def pids(self) -> dict[str, int]:
        """Its processes by name; none when it lives inside the system."""


class SqliteFile:
    """A new file for each run. Its statements are not counted: no process stands between to count them."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._runs = folder, 0

    async def fresh(self) -> str:
        self._runs += 1
        return f"sqlite:///{self._path()}"

    async def rows(self) -> Rows:
        files = self._folder.glob(f"{self._path().name}*")
        return Rows(0, sum(file.stat().st_size for file in files))

    def pids(self) -> dict[str, int]:
        return {}

    def _path(self) -> Path:
        return self._folder / f"bench{self._runs}.db"


class PostgresCluster:
    """A new database for each run in one real cluster, fsync on."""

    def __init__(self, cluster: postgres.Cluster) -> None:
        self._cluster = cluster

    async def fresh(self) -> str:
        return await asyncio.to_thread(self._cluster.fresh)

    async def rows(self) -> Rows:
        connection = await asyncpg.connect(self._cluster.server_url, command_timeout=10)
        try:
            wal = await connection.fetchval("SELECT wal_bytes::bigint FROM pg_stat_wal")
            calls = await connection.fetchval("SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements")
            return Rows(calls, wal)
        finally:
            await connection.close()

    def pids(self) -> dict[str, int]:
        return {"postgres": self._cluster.pid}
