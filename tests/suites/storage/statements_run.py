"""Which statements does a write of changes run? As they reach the driver, on both databases."""

from pathlib import Path
from typing import Any

from storage_service.backends import postgres, sqlite
from storage_service.backends.engines import sqlite_path
from storage_service.backends.postgres.writes import Writes as PostgresWrites
from storage_service.backends.sqlite.reading import connect
from storage_service.backends.sqlite.writes import Writes as SqliteWrites
from storage_service.backends.statements import Statements
from storage_service.backends.written import ALL
from storage_service.domain.changes import Changes
from tests.postgres import Server as Postgres
from tests.suites.storage.hot import START, fresh


async def on_postgres(changes: Changes) -> list[str]:
    """Of a server that takes everything."""
    ran: list[str] = []

    async def run(statement: str, *_: Any) -> None:
        ran.append(statement)

    shapes = {each.table: each.columns for each in ALL}
    await PostgresWrites(_statements_of(postgres), shapes).write(run, changes, now=START)
    return ran


def on_sqlite(changes: Changes, folder: Path, *, server: Postgres) -> list[str]:
    """Of a database of its own."""
    ran: list[str] = []
    connection = connect(sqlite_path(fresh("sqlite", folder, server)))
    connection.set_trace_callback(ran.append)
    SqliteWrites(_statements_of(sqlite)).write(connection, changes, now=START)
    connection.close()
    return ran


def _statements_of(dialect: Any) -> Statements:
    return Statements.load(Path(dialect.__file__).with_name("statements.sql"))
