"""How is everything that a transaction changed written to SQLite? A statement per table, run for each row."""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from storage_service.backends.sqlite.reading import bind, binder
from storage_service.backends.statements import Statements
from storage_service.backends.written import ALL, UPDATED, Written
from storage_service.domain.changes import Changes

Step = Callable[[sqlite3.Connection, Collection[Any]], None]


class Writes:
    """The prepared texts of every write."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._insert = {each.table: _insert(each) for each in ALL}
        self._update = {name: _update(each) for name, each in UPDATED.items()}

    def write(self, connection: sqlite3.Connection, changes: Changes, *, now: datetime) -> None:
        insert, update, run = self._insert, self._update, connection.executemany
        insert["messages"](connection, changes.messages)
        run(self._statements["move_messages"], changes.moved)
        update["turns"](connection, changes.turns.values())
        insert["turns"](connection, changes.new_turns.values())
        update["leased_turns"](connection, changes.leased_turns.values())
        run(self._statements["grow_waiting"], map(bind, changes.waiting.values()))
        insert["deliveries"](connection, changes.new_deliveries)
        update["deliveries"](connection, changes.deliveries.values())
        insert["attempts"](connection, changes.new_attempts)
        update["attempts"](connection, changes.attempts.values())
        insert["receipts"](connection, changes.receipts)
        update["receipts"](connection, changes.matched)
        insert["raw_payloads"](connection, changes.raw_payloads)
        paused = [(*account, *why, now) for account, why in changes.paused.items()]
        run(self._statements["pause_account"], map(bind, paused))
        insert["paces"](connection, changes.paces.values())
        if changes.proven:
            run(self._statements["prove_account"], list(changes.proven))
        insert["queue_entries"](connection, changes.queue_entries)
        if changes.left_queue:
            run(self._statements["leave_queue"], map(bind, changes.left_queue.values()))
        update["conversations"](connection, changes.lanes.values())
        update["leased_lanes"](connection, changes.leased_lanes.values())
        update["sending_lanes"](connection, changes.sending_lanes.values())
        if changes.model_conversations:
            run(self._statements["keep_model_conversation"], changes.model_conversations.values())
        insert["summaries"](connection, changes.wanted_summaries.values())
        update["summaries"](connection, changes.summaries.values())
        insert["media"](connection, changes.new_media)
        update["media"](connection, changes.media.values())
        if changes.attached:
            run(self._statements["attach"], [(*message, told) for message, told in changes.attached.items()])
        self._write_seldom(connection, changes)

    def _write_seldom(self, connection: sqlite3.Connection, changes: Changes) -> None:
        """What few transactions change."""
        run = connection.executemany
        if changes.summed_up:
            run(self._statements["sum_up"], changes.summed_up)
        if changes.begun_anew:
            run(self._statements["begin_anew"], changes.begun_anew.values())
        if changes.chosen:
            run(self._statements["keep_choice"], changes.chosen.values())
        if changes.tokens:
            run(self._statements["count_tokens"], [(*day, tokens) for day, tokens in changes.tokens.items()])


def _insert(written: Written) -> Step:
    marks = ", ".join("?" for _ in written.inserted)
    sql = f"INSERT INTO {written.table} ({', '.join(written.inserted)}) VALUES ({marks}){written.conflict}"  # noqa: S608 - all names are ours
    return _step(sql, binder(written.row, written.inserted))


def _update(written: Written) -> Step:
    values = ", ".join(f"{column} = ?" for column in written.changing)
    key = " AND ".join(f"{column} = ?" for column in written.key)
    sql = f"UPDATE {written.table} SET {values} WHERE {key}"  # noqa: S608 - all names are ours
    return _step(sql, binder(written.row, (*written.changing, *written.key)))


def _step(sql: str, bound: Callable[[Any], Sequence[Any]]) -> Step:
    def step(connection: sqlite3.Connection, rows: Collection[Any]) -> None:
        if rows:
            connection.executemany(sql, map(bound, rows))

    return step
