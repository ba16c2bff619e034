"""Which database does the URL name? The hot side of it, and who tells other replicas, when there can be any."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from kit.moments import utc_now
from storage_service.backends.engines import sqlite_path
from storage_service.backends.postgres.crier import Crier
from storage_service.backends.postgres.database import PostgresDatabase
from storage_service.backends.sqlite.writer import SqliteDatabase
from storage_service.database_url import is_postgres
from storage_service.domain.database import Database
from storage_service.domain.events import Events


@dataclass(frozen=True, slots=True)
class Hot:
    """A database, and its crier where it can have several replicas."""

    database: Database
    crier: Crier | None


def open_hot(
    url: str,
    *,
    replica_id: str,
    events: Events,
    key_ids: Sequence[str] = (),
    clock: Callable[[], datetime] | None = None,
) -> Hot:
    """`key_ids`: with which keys this replica opens secrets. `clock` stands in for the database's own in tests."""
    if not is_postgres(url):
        return Hot(SqliteDatabase(sqlite_path(url), committed=events.committed, clock=clock or utc_now), None)
    database = PostgresDatabase(url, replica_id=replica_id, committed=events.committed, key_ids=key_ids, clock=clock)
    crier = Crier(url, replica_id=replica_id, others=database.living_others, events=events)
    events.also(crier.cry)
    return Hot(database, crier)
