"""How do rows and times cross between SQLite and the rules? Times are whole microseconds there."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from storage_service.backends.tables.columns import from_micros, to_micros
from storage_service.backends.written import Written

Row = TypeVar("Row")


def connect(path: str) -> sqlite3.Connection:
    """A connection whose commits are durable. Transactions are begun and ended by hand."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256, timeout=5)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "temp_store=MEMORY", "cache_size=-65536"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def reader(row: type[Row], written: Written) -> Callable[[Sequence[Any]], Row]:
    """Makes the value of a row that was read with all its columns."""
    times = written.times

    def read(columns: Sequence[Any]) -> Row:
        values = list(columns)
        for place in times:
            if values[place] is not None:
                values[place] = from_micros(values[place])
        return row(*values)

    return read


def bind(values: Sequence[Any]) -> list[Any]:
    return [to_micros(value) if isinstance(value, datetime) else value for value in values]


def maybe(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
