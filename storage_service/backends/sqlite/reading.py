"""How do rows and times cross between SQLite and the rules? Times are whole microseconds there."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, TypeVar

from storage_service.backends.tables.columns import from_micros, to_micros
from storage_service.backends.written import Written, times_of
from storage_service.domain.leased import Remembered

Row = TypeVar("Row")


def connect(path: str) -> sqlite3.Connection:
    """A connection whose commits are durable. Transactions are begun and ended by hand."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256, timeout=5)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "temp_store=MEMORY", "cache_size=-65536"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def reader(row: type[Row], written: Written) -> Callable[[Sequence[Any]], Row]:
    """Makes the value of a row that was read with all its columns."""
    times = times_of(written.row, written.columns)

    def read(columns: Sequence[Any]) -> Row:
        values = list(columns)
        for place in times:
            if values[place] is not None:
                values[place] = from_micros(values[place])
        return row(*values)

    return read


def binder(row: type, names: Sequence[str]) -> Callable[[Any], Sequence[Any]]:
    """Takes what is written from a row, its times as they are kept."""
    values, times = attrgetter(*names), times_of(row, names)

    def bound(given: Any) -> Sequence[Any]:
        found = list(values(given))
        for place in times:
            if found[place] is not None:
                found[place] = to_micros(found[place])
        return found

    return bound


def bind(values: Sequence[Any]) -> list[Any]:
    """The same for values of which nobody knows which are times."""
    return [to_micros(value) if isinstance(value, datetime) else value for value in values]


def remembered(row: Sequence[Any]) -> Remembered:
    """What a worker learns of a message that was said before its turn."""
    seq, role, text, attachments, created_at = row
    return seq, role, text, attachments, from_micros(created_at)


def maybe(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
