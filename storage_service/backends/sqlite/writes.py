"""How is everything that a transaction changed written to SQLite? A statement per table, run for each row."""

import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from storage_service.backends.sqlite.reading import bind
from storage_service.backends.statements import Statements
from storage_service.backends.written import (
    ATTEMPTS,
    DELIVERIES,
    LANES,
    MESSAGES,
    RAW_PAYLOADS,
    RECEIPTS,
    TURNS,
    Written,
)
from storage_service.domain.rows import Changes

Step = Callable[[sqlite3.Connection, Iterable[Any]], None]


class Writes:
    """The prepared texts of every write."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._insert = {each.table: _insert(each) for each in (MESSAGES, TURNS, DELIVERIES, ATTEMPTS, RAW_PAYLOADS)}
        self._insert[RECEIPTS.table] = _insert(RECEIPTS)
        self._update = {each.table: _update(each) for each in (LANES, TURNS, DELIVERIES, ATTEMPTS, RECEIPTS)}

    def write(self, connection: sqlite3.Connection, changes: Changes, now: datetime) -> None:
        insert, update, run = self._insert, self._update, connection.executemany
        old_turns = [turn for turn in changes.turns.values() if turn.id not in changes.new_turns]
        fresh = {id(attempt) for attempt in changes.new_attempts}
        old_attempts = [attempt for attempt in changes.attempts.values() if id(attempt) not in fresh]
        insert["messages"](connection, changes.messages)
        run(self._statements["move_messages"], changes.moved)
        update["turns"](connection, old_turns)
        insert["turns"](connection, changes.new_turns.values())
        run(self._statements["grow_waiting"], map(bind, changes.waiting.values()))
        insert["deliveries"](connection, changes.new_deliveries)
        update["deliveries"](connection, changes.deliveries.values())
        insert["attempts"](connection, changes.new_attempts)
        update["attempts"](connection, old_attempts)
        insert["receipts"](connection, changes.receipts)
        update["receipts"](connection, changes.matched)
        insert["raw_payloads"](connection, changes.raw_payloads)
        paused = [(*account, reason, now) for account, reason in changes.paused.items()]
        run(self._statements["pause_account"], map(bind, paused))
        update["conversations"](connection, changes.lanes.values())


def _insert(written: Written) -> Step:
    marks = ", ".join("?" for _ in written.columns)
    again = f" ON CONFLICT ({written.again}) DO NOTHING" if written.again else ""
    sql = f"INSERT INTO {written.table} ({', '.join(written.columns)}) VALUES ({marks}){again}"  # noqa: S608 - all names are ours
    return _step(sql, written.whole)


def _update(written: Written) -> Step:
    values = ", ".join(f"{column} = ?" for column in written.changing)
    key = " AND ".join(f"{column} = ?" for column in written.key)
    sql = f"UPDATE {written.table} SET {values} WHERE {key}"  # noqa: S608 - all names are ours
    return _step(sql, written.changed)


def _step(sql: str, values: Callable[[Any], tuple[Any, ...]]) -> Step:
    def step(connection: sqlite3.Connection, rows: Iterable[Any]) -> None:
        connection.executemany(sql, [bind(values(row)) for row in rows])

    return step
