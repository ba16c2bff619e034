"""How is hot work made durable on Postgres? Each kind of work has a connection; each piece is one transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar, get_args

import asyncpg

from kit.errors import Internal, InvalidField, ParleyError
from kit.moments import utc_now
from storage_service.backends.postgres.link import OF_THE_ROW, WORK_SECONDS, Link
from storage_service.backends.postgres.rehearsal import rehearse
from storage_service.backends.postgres.rows import PostgresRows
from storage_service.backends.postgres.writes import Writes
from storage_service.backends.statements import Statements
from storage_service.domain.database import Committed, HotRows, Kind

Result = TypeVar("Result")

KINDS: tuple[Kind, ...] = get_args(Kind)
CLOCK = "SELECT clock_timestamp()"


class PostgresDatabase:
    """The hot side of a Postgres database."""

    def __init__(
        self,
        url: str,
        *,
        replica_id: str,
        committed: Committed,
        clock: Callable[[], datetime] | None = None,
        work_seconds: float = WORK_SECONDS,
        key_ids: Sequence[str] = (),
    ) -> None:
        self._links = {kind: Link(url, work_seconds, met=partial(self._meet, kind)) for kind in KINDS}
        self._statements = Statements.load(Path(__file__).with_name("statements.sql"))
        self._writes: dict[Kind, Writes] = {}  # As the tables were when each one's connection was made.
        self._replica = (replica_id, ",".join(key_ids))
        self._committed = committed
        self._given_clock = clock
        self._zero = utc_now() - timedelta(seconds=monotonic())
        self._others = 0
        self._rehearses = False

    async def open(self, *, rehearse: bool = False) -> None:
        """Connections are made when they are first used, and again when they were lost. Or all at once, each with a
        rehearsal, and again with the next beat: then no message waits for that."""
        self._rehearses = rehearse
        await self._make_ready()

    async def close(self) -> None:
        for link in self._links.values():
            await link.close()

    async def run(self, kind: Kind, work: Callable[[HotRows], Awaitable[Result]]) -> Result:
        async def transaction(connection: "asyncpg.Connection[Any]") -> Result:
            rows = PostgresRows(connection, self._statements, writes=self._writes[kind], now=self.now())
            try:
                result = await work(rows)
            except (ParleyError, *OF_THE_ROW):
                await rows.rollback()
                raise
            await rows.commit()
            for changes in rows.written:
                self._committed(changes)
            return result

        try:
            return await self._links[kind].use(transaction)
        except OF_THE_ROW as error:
            raise _meaning(error) from None

    def now(self) -> datetime:
        """The database's clock, read once a second and carried on by ours: replicas agree, whatever their own say."""
        return self._given_clock() if self._given_clock else self._zero + timedelta(seconds=monotonic())

    def living_others(self) -> int:
        """How many other replicas were seen a moment ago."""
        return self._others

    async def beat(self) -> None:
        """Says that this replica lives, looks for others, and sets the clock."""
        sent = monotonic()

        async def alive(connection: "asyncpg.Connection[Any]") -> Any:
            return await connection.fetchrow(self._statements["alive"], *self._replica)

        there, self._others = await self._links["sweep"].use(alive)
        self._set_clock(there, sent)
        await self._links["sweep"].use(self._learn)
        await self._make_ready()

    async def _make_ready(self) -> None:
        if self._rehearses:
            await asyncio.gather(*(link.open() for link in self._links.values()))

    async def _meet(self, kind: Kind, connection: "asyncpg.Connection[Any]") -> None:
        """Looks how the tables are made, each time: a newer Parley may have given them columns meanwhile. What other
        connections know of them stays as it is, for they hold the types of their own time."""
        sent = monotonic()
        self._set_clock(await connection.fetchval(CLOCK), sent)  # before anything is due or over by our own
        shapes: dict[str, list[str]] = {}
        for table, column in await connection.fetch(self._statements["shapes"]):
            shapes.setdefault(table, []).append(column)
        self._writes[kind] = Writes(self._statements, shapes)
        if self._rehearses:
            await rehearse(connection, kind, statements=self._statements, writes=self._writes[kind])

    def _set_clock(self, there: datetime, sent: float) -> None:
        self._zero = there - timedelta(seconds=(sent + monotonic()) / 2)

    async def _learn(self, connection: "asyncpg.Connection[Any]") -> None:
        """Has the planner look again at tables that grew, and plan anew what reads them. A plan that was made while a
        table was empty may read a whole tenant to find one row, since then every index looks as good as the right one;
        autovacuum would tell it after a minute."""
        for row in await connection.fetch(self._statements["outgrown"]):
            await connection.execute(f'ANALYZE (SKIP_LOCKED) "{row[0]}"')


def _meaning(error: Exception) -> ParleyError:
    """A database's own words may quote a row, so they go no further."""
    if isinstance(error, asyncpg.DataError):
        return InvalidField([("request", "holds a character that cannot be stored")])
    return Internal(f"the database refused a row ({type(error).__name__})")
