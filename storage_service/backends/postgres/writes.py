"""How is everything that a transaction changed written to Postgres? A statement per table, its rows as arrays."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from storage_service.backends.statements import Statements
from storage_service.backends.written import ALL, UPDATED, Written
from storage_service.domain.rows import Changes

Run = Callable[..., Awaitable[Any]]
Rows = Collection[Any]

TYPES = {str: "text", int: "bigint", float: "float8", bool: "boolean", bytes: "bytea", datetime: "timestamptz"}


class Writes:
    """The prepared texts of every write."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._insert = {each.table: (_insert(each), each.new) for each in ALL}
        self._update = {name: (_update(each), each.changed) for name, each in UPDATED.items()}

    async def write(self, run: Run, changes: Changes, *, now: datetime) -> None:
        """Nothing is sent for a table that nothing happened to."""
        await self._add(run, "messages", rows=changes.messages)
        await self._call(run, "move_messages", rows=changes.moved)
        await self._set(run, "turns", rows=changes.turns.values())
        await self._add(run, "turns", rows=changes.new_turns.values())
        await self._set(run, "leased_turns", rows=changes.leased_turns.values())
        await self._call(run, "grow_waiting", rows=changes.waiting.values())
        await self._add(run, "deliveries", rows=changes.new_deliveries)
        await self._set(run, "deliveries", rows=changes.deliveries.values())
        await self._add(run, "attempts", rows=changes.new_attempts)
        await self._set(run, "attempts", rows=changes.attempts.values())
        await self._add(run, "receipts", rows=changes.receipts)
        await self._set(run, "receipts", rows=changes.matched)
        await self._add(run, "raw_payloads", rows=changes.raw_payloads)
        await self._call(run, "pause_accounts", rows=[(*key, why) for key, why in changes.paused.items()], more=[now])
        await self._set(run, "conversations", rows=changes.lanes.values())
        await self._set(run, "leased_lanes", rows=_besides(changes.leased_lanes, changes.lanes))
        await self._set(run, "sending_lanes", rows=_besides(changes.sending_lanes, changes.lanes))

    async def _add(self, run: Run, table: str, *, rows: Rows) -> None:
        if rows:
            sql, values = self._insert[table]
            await run(sql, *columns(map(values, rows)))

    async def _set(self, run: Run, table: str, *, rows: Rows) -> None:
        if rows:
            sql, values = self._update[table]
            await run(sql, *columns(map(values, rows)))

    async def _call(self, run: Run, name: str, *, rows: Collection[Sequence[Any]], more: Sequence[Any] = ()) -> None:
        if rows:
            await run(self._statements[name], *columns(rows), *more)


def columns(rows: Iterable[Sequence[Any]]) -> list[Sequence[Any]]:
    """Rows as arrays, one for each column."""
    return list(zip(*rows, strict=True))


def _besides(some: Mapping[str, Any], whole: Mapping[str, Any]) -> list[Any]:
    """Those that are not written whole already."""
    return [value for key, value in some.items() if key not in whole]


def _insert(written: Written) -> str:
    names = ", ".join(written.inserted)
    again = f" ON CONFLICT ({written.again}) DO NOTHING" if written.again else ""
    source = f"unnest({_arrays(written, written.inserted)})"
    return f"INSERT INTO {written.table} ({names}) SELECT * FROM {source}{again}"  # noqa: S608 - all names are ours


def _update(written: Written) -> str:
    given = (*written.changing, *written.key)
    values = ", ".join(f"{column} = k.{column}" for column in written.changing)
    key = " AND ".join(f"r.{column} = k.{column}" for column in written.key)
    source = f"unnest({_arrays(written, given)}) AS k ({', '.join(given)})"
    return f"UPDATE {written.table} AS r SET {values} FROM {source} WHERE {key}"  # noqa: S608 - all names are ours


def _arrays(written: Written, names: Sequence[str]) -> str:
    return ", ".join(f"${i}::{TYPES[written.kind(name)]}[]" for i, name in enumerate(names, start=1))
