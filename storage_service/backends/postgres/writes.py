"""How is everything that a transaction changed written to Postgres? In one statement, whole rows at a time.

A row travels as a value of its table's own type: half as dear on both sides as an array for each column.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any

from storage_service.backends.statements import Statements
from storage_service.backends.written import ALL, UPDATED, Written
from storage_service.domain.changes import Changes

Run = Callable[..., Awaitable[Any]]
Rows = Collection[Any]
Values = Callable[[Any], Sequence[Any]]
# The columns of each table, in the order in which the server keeps them.
Shapes = Mapping[str, Sequence[str]]

_MARK = re.compile(r"\$(\d+)")
_TABLE = {f"new_{each.table}": each.table for each in ALL} | {name: each.table for name, each in UPDATED.items()}
_TABLE |= {"move_messages": "messages", "grow_waiting": "turns", "pause_accounts": "channel_accounts"}
_TABLE |= {"count_tokens": "token_days", "keep_model_conversations": "conversations", "sum_up": "conversations"}
_TABLE |= {"prove_accounts": "paces", "attach": "messages"}
_TABLE |= {"begin_anew": "conversations", "keep_choices": "conversations", "leave_queue": "queue_entries"}
_NAMED = (
    *("move_messages", "grow_waiting", "pause_accounts", "prove_accounts", "count_tokens"),
    *("keep_model_conversations", "sum_up", "begin_anew", "keep_choices", "leave_queue", "attach"),
)


class Writes:
    """The prepared texts of every write."""

    def __init__(self, statements: Statements, shapes: Shapes) -> None:
        self._texts = {f"new_{each.table}": _insert(each) for each in ALL}
        self._texts |= {name: _update(each) for name, each in UPDATED.items()}
        self._texts |= {name: statements[name] for name in _NAMED}
        self._values = {f"new_{each.table}": _placed(each.inserted, shapes[each.table]) for each in ALL}
        self._values |= {name: _placed(_set(each), shapes[each.table]) for name, each in UPDATED.items()}
        self._together: dict[tuple[str, ...], str] = {}

    async def write(self, run: Run, changes: Changes, *, now: datetime) -> None:
        """All tables in one statement. Nothing is sent for a table that nothing happened to."""
        for together in _in_turn(_changed(changes, now)):
            names: list[str] = []
            values: list[Sequence[Any]] = []
            for name, rows in together:
                names.append(name)
                values += [list(map(self._values[name], rows))] if name in self._values else columns(rows)
            await run(self.text(tuple(names)), *values)

    def text(self, names: tuple[str, ...]) -> str:
        """One statement that writes all of these. Each sees the tables as they were before, so none may need another's
        rows."""
        if names not in self._together:
            texts, given = [], 0
            for name in names:
                texts.append(_shifted(self._texts[name], given))
                given += len(set(_MARK.findall(self._texts[name])))
            *before, last = texts
            named = ", ".join(f"w{i} AS ({text})" for i, text in enumerate(before))
            self._together[names] = f"WITH {named} {last}" if named else last
        return self._together[names]


def _changed(changes: Changes, now: datetime) -> list[tuple[str, Rows]]:
    """What happened to each table, in the order in which it must be written."""
    each: list[tuple[str, Rows]] = [
        ("new_messages", changes.messages),
        ("move_messages", changes.moved),
        ("turns", changes.turns.values()),
        ("new_turns", changes.new_turns.values()),
        ("leased_turns", changes.leased_turns.values()),
        ("grow_waiting", changes.waiting.values()),
        ("new_deliveries", changes.new_deliveries),
        ("deliveries", changes.deliveries.values()),
        ("new_attempts", changes.new_attempts),
        ("attempts", changes.attempts.values()),
        ("new_receipts", changes.receipts),
        ("receipts", changes.matched),
        ("new_raw_payloads", changes.raw_payloads),
        ("pause_accounts", [(*key, *why, now) for key, why in changes.paused.items()]),
        ("new_paces", changes.paces.values()),
        ("prove_accounts", sorted(changes.proven)),
        ("new_queue_entries", changes.queue_entries),
        ("leave_queue", changes.left_queue.values()),
        ("count_tokens", [(*day, tokens) for day, tokens in changes.tokens.items()]),
        ("conversations", changes.lanes.values()),
        ("leased_lanes", _besides(changes.leased_lanes, changes.lanes)),
        ("sending_lanes", _besides(changes.sending_lanes, changes.lanes)),
        ("keep_model_conversations", changes.model_conversations.values()),
        ("new_summaries", changes.wanted_summaries.values()),
        ("summaries", changes.summaries.values()),
        ("new_media", changes.new_media),
        ("media", changes.media.values()),
        ("attach", [(*message, told) for message, told in changes.attached.items()]),
        ("sum_up", changes.summed_up),
        ("begin_anew", changes.begun_anew.values()),
        ("keep_choices", changes.chosen.values()),
    ]
    return [(name, rows) for name, rows in each if rows]


def _in_turn(changed: Sequence[tuple[str, Rows]]) -> Iterable[list[tuple[str, Rows]]]:
    """One statement for all, unless a table is written in two ways: the second must see what the first did."""
    together: list[tuple[str, Rows]] = []
    tables: set[str] = set()
    for name, rows in changed:
        table = _TABLE[name]
        if table in tables:
            yield together
            together, tables = [], set()
        together.append((name, rows))
        tables.add(table)
    if together:
        yield together


def columns(rows: Iterable[Sequence[Any]], *, of: int = 0) -> list[Sequence[Any]]:
    """Rows as arrays, one for each column; empty ones for no rows, when it is said of how many."""
    return list(zip(*rows, strict=True)) or [[] for _ in range(of)]


def _shifted(text: str, by: int) -> str:
    """The same statement, with its parameters behind so many others."""
    return _MARK.sub(lambda mark: f"${int(mark[1]) + by}", text) if by else text


def _besides(some: Mapping[str, Any], whole: Mapping[str, Any]) -> list[Any]:
    """Those that are not written whole already."""
    return [value for key, value in some.items() if key not in whole]


def _insert(written: Written) -> str:
    names = ", ".join(written.inserted)
    values = ", ".join(f"k.{column}" for column in written.inserted)
    return f"INSERT INTO {written.table} ({names}) SELECT {values} FROM {_rows_of(written)}{written.conflict}"  # noqa: S608 - all names are ours


def _update(written: Written) -> str:
    values = ", ".join(f"{column} = k.{column}" for column in written.changing)
    key = " AND ".join(f"r.{column} = k.{column}" for column in written.key)
    return f"UPDATE {written.table} AS r SET {values} FROM {_rows_of(written)} WHERE {key}"  # noqa: S608 - all names are ours


def _rows_of(written: Written) -> str:
    return f"unnest($1::{written.table}[]) AS k"


def _set(written: Written) -> tuple[str, ...]:
    return (*written.changing, *written.key)


def _placed(names: Sequence[str], shape: Sequence[str]) -> Values:
    """A row as the table's own type wants it: what is given at its place, and nothing at all others."""
    given = attrgetter(*names)
    places = itemgetter(*(names.index(column) if column in names else len(names) for column in shape))
    return lambda row: places((*given(row), None))
