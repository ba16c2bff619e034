"""How does a statement stay inside its tenant? It is built here, where the tenant is part of every one.

Nothing else in the directory, conversation and privacy backends builds a statement on a tenant's table; a test looks.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import ColumnElement, CursorResult, Delete, Update, and_, delete, text, tuple_, update
from sqlalchemy.engine import TupleResult
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from kit.correlation import correlation_id
from kit.errors import NotFound
from storage_service.backends.tables import Audit
from storage_service.backends.tables.work import ON_SQLITE
from storage_service.domain.paging import Key


class OfTenant(Protocol):
    """A table whose rows belong to a tenant."""

    tenant_id: str


class Named(OfTenant, Protocol):
    """One whose rows have an id."""

    id: str


Row = TypeVar("Row", bound=OfTenant)
NamedRow = TypeVar("NamedRow", bound=Named)
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Who:
    """For whom a transaction works, and on whose word."""

    tenant_id: str
    actor: str


class Rows:
    """One tenant's rows, within one transaction."""

    def __init__(self, session: AsyncSession, who: Who, *, now: datetime, new_id: Callable[[], str]) -> None:
        self._session = session
        self.who = who
        self.tenant_id = who.tenant_id
        self.now = now
        self.new_id = new_id

    def select(self, table: type[Row]) -> SelectOfScalar[Row]:
        """A SELECT of this tenant's rows."""
        statement: SelectOfScalar[Row] = select(table)
        return statement.where(col(table.tenant_id) == self.tenant_id)

    def update(self, table: type[OfTenant]) -> Update:
        """An UPDATE of this tenant's rows."""
        return update(table).where(col(table.tenant_id) == self.tenant_id)

    def delete(self, table: type[OfTenant]) -> Delete:
        """A DELETE of this tenant's rows."""
        return delete(table).where(col(table.tenant_id) == self.tenant_id)

    def in_states(
        self, column: Any, wanted: Collection[str], *, held: Mapping[str, frozenset[str]]
    ) -> ColumnElement[bool]:
        """The rows in one of these states. A partial index serves who repeats its condition word by word."""
        serving = [condition for condition, states in held.items() if states.issuperset(wanted)]
        if self._session.get_bind().dialect.name == "sqlite":
            serving = [ON_SQLITE.get(condition, condition) for condition in serving]
        return and_(col(column).in_(wanted), *map(text, serving))

    async def named(self, table: type[NamedRow], row_id: str, *, lock: bool = False) -> NamedRow:
        """The row with an id; NotFound when this tenant has none, whoever else may."""
        statement = self.select(table).where(col(table.id) == row_id)
        return await self.only(statement, lock=lock, kind=table.__name__)

    async def only(self, statement: SelectOfScalar[Row], *, kind: str, lock: bool = False) -> Row:
        """The one row that a statement finds, or NotFound."""
        row = await self.first(statement, lock=lock)
        if row is None:
            raise missing(kind)
        return row

    async def first(self, statement: SelectOfScalar[Found], *, lock: bool = False) -> Found | None:
        """The first row that a statement finds. `lock` keeps others from changing it until the transaction ends."""
        result = await self._session.exec(_locked(statement) if lock else statement)
        return result.first()

    async def all(self, statement: SelectOfScalar[Found], *, lock: bool = False) -> Sequence[Found]:
        """Every row that a statement finds."""
        result = await self._session.exec(_locked(statement) if lock else statement)
        return result.all()

    async def ids(self, statement: SelectOfScalar[NamedRow], table: type[NamedRow]) -> list[str]:
        """The ids that a statement finds, without reading the rows."""
        only_ids = cast(SelectOfScalar[str], statement.with_only_columns(col(table.id)))
        return list((await self._session.exec(only_ids)).all())

    async def values(self, statement: SelectOfScalar[Row], *columns: Any) -> Sequence[Any]:
        """These columns of the rows that a statement finds, each row a tuple."""
        connection = await self._session.connection()
        return (await connection.execute(statement.with_only_columns(*columns))).all()

    async def change(self, statement: Update | Delete) -> int:
        """Runs an UPDATE or DELETE that was built here, and counts its rows."""
        result: CursorResult[Any] | TupleResult[Any] = await self._session.exec(
            statement.execution_options(synchronize_session=False)
        )
        return int(result.rowcount) if isinstance(result, CursorResult) else 0

    async def add(self, *rows: OfTenant) -> None:
        """Writes new rows; a row of another tenant is a fault of ours."""
        for row in rows:
            if row.tenant_id != self.tenant_id:
                raise AssertionError("a row of another tenant")
            self._session.add(row)
        await self._session.flush()

    async def flush(self) -> None:
        """Writes what was changed on rows that were read here."""
        await self._session.flush()

    @staticmethod
    def differ(row: OfTenant, values: Mapping[str, object]) -> list[str]:
        """Sets what differs on a row that was read here, and names it."""
        changed = [name for name, value in values.items() if getattr(row, name) != value]
        for name in changed:
            setattr(row, name, values[name])
        return sorted(changed)

    async def note(self, action: str, row: str, *, row_id: str, **detail: object) -> str:
        """Writes the audit line of a change: who did what to which row. Names of things only, never secret or text.
        Returns the line's id."""
        line = Audit(
            tenant_id=self.tenant_id,
            id=self.new_id(),
            actor=self.who.actor,
            action=action,
            resource=row,
            resource_id=row_id,
            detail=json.dumps(detail, sort_keys=True),
            correlation_id=correlation_id.get(),
            created_at=self.now,
        )
        await self.add(line)
        return line.id


def _locked(statement: SelectOfScalar[Found]) -> SelectOfScalar[Found]:
    """What was read before the lock may be old, and is read again."""
    return statement.with_for_update().execution_options(populate_existing=True)


def missing(kind: str) -> NotFound:
    """The same words for what is not there and for what is another tenant's."""
    return NotFound(metadata={"resource": re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()})


def after(columns: Sequence[Any], key: Key, *, descending: bool = False) -> ColumnElement[bool]:
    """The rows behind a key, in the order of the columns."""
    here = tuple_(*(col(column) for column in columns))
    there = tuple_(*key, types=[column.type for column in columns])
    return here < there if descending else here > there


def among_few(column: Any) -> ColumnElement[str]:
    """An id to look behind a place with, where few rows are found by their ids. By the id itself SQLite, which has no
    statistics, would read all that the tenant has behind that place."""
    return col(column).concat("")
