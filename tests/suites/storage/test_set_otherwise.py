"""Does storage do as ever where a server, or a database, is set otherwise for everybody who comes?"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from kit.settings import SettingsError
from storage_service.backends import schema
from storage_service.backends.engines import open_engine
from storage_service.backends.postgres.link import SESSION
from storage_service.backends.postgres.reaching import EVERY_SESSION, FOR_EVER_SINCE, reach
from storage_service.backends.tables import ChannelAccount
from storage_service.backends.unusable import why
from tests.postgres import Server
from tests.suites.storage.hot import DATABASES
from tests.suites.storage.world import World, open_world

OTHERWISE = {
    "default_transaction_isolation": "serializable",
    "statement_timeout": "300ms",
    "lock_timeout": "50ms",
    "idle_in_transaction_session_timeout": "300ms",
    "TimeZone": "Asia/Kathmandu",
    "DateStyle": "SQL, DMY",
    "bytea_output": "escape",
    "synchronous_commit": "off",
    "enable_indexscan": "off",
    "enable_nestloop": "off",
}


class SetOtherwise(Server):
    """A server whose databases all have settings of their own."""

    def fresh(self, prepare: Callable[[str], None] | None = None) -> str:
        url = super().fresh(prepare)
        for name, value in OTHERWISE.items():
            self.execute(f"ALTER DATABASE \"{url.rpartition('/')[2]}\" SET {name} TO '{value}'")
        return url


@pytest.fixture
def otherwise(postgres_server: Server) -> Iterator[Server]:
    server = SetOtherwise(postgres_server.server_url)
    yield server
    server.drop_given()


@pytest.fixture
async def world(tmp_path: Path, otherwise: Server) -> AsyncIterator[World]:
    async with open_world("postgres", tmp_path, otherwise) as opened:
        await opened.tenant("acme")
        yield opened


@pytest.mark.parametrize("session", [EVERY_SESSION, SESSION])
async def test_a_session_is_ours_in_all_that_counts(session: dict[str, str], otherwise: Server) -> None:
    connection = await reach(otherwise.fresh(), seconds=5, work_seconds=5, session=session)
    try:
        said = {name: await connection.fetchval(f"SHOW {name}") for name in session}
        assert said == dict(session)
        if connection.get_server_version().major >= FOR_EVER_SINCE:
            assert await connection.fetchval("SHOW idle_session_timeout") == "0"
    finally:
        await connection.close()


async def test_who_waited_for_a_row_is_served_and_not_turned_away(world: World) -> None:
    accounts = await asyncio.gather(*(world.account("acme") for _ in range(10)))
    assert len({account.id for account in accounts}) == 1
    async with world.sessions.across_tenants() as session:
        assert len((await session.exec(select(ChannelAccount))).all()) == 1


@asynccontextmanager
async def held(url: str, statement: str) -> AsyncIterator[None]:
    """A session of somebody else's keeps what the statement takes."""
    connection = await reach(url, seconds=5, work_seconds=5)
    try:
        await connection.execute("BEGIN")
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await connection.execute(statement)
        yield
    finally:
        await connection.close()


MIGRATING = f"SELECT pg_advisory_xact_lock({schema.LOCK})"


async def test_whoever_waits_for_another_to_migrate_waits_as_long_as_it_takes(otherwise: Server) -> None:
    url = otherwise.fresh()
    async with held(url, MIGRATING):
        waiting = asyncio.create_task(schema.migrate(url))
        await asyncio.sleep(2 * 0.3)  # longer than any statement may take here
        assert not waiting.done()
    await waiting
    at, newest = await schema.revisions(url)
    assert at == newest


async def test_but_not_for_ever(otherwise: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "LONGEST_SECONDS", 0.2)
    url = otherwise.fresh()
    async with held(url, MIGRATING):
        with pytest.raises(TimeoutError):
            await schema.migrate(url)


async def test_a_table_that_somebody_holds_is_asked_for_a_moment_only_and_again_later(otherwise: Server) -> None:
    url = otherwise.fresh()
    await schema.migrate(url, "0015")
    async with held(url, "LOCK TABLE identities IN ROW EXCLUSIVE MODE"):
        with pytest.raises(DBAPIError) as raised:
            async with asyncio.timeout(8):
                await schema.migrate(url)
        assert why(raised.value).startswith("another session holds what has to be changed: a backup, or a transaction")
        waiting = schema.prepared_when_possible(url, lambda: schema.migrate(url), stopping=asyncio.Event())
        later = asyncio.create_task(waiting)
    assert await later
    at, newest = await schema.revisions(url)
    assert at == newest


@pytest.mark.parametrize("kind", DATABASES)
async def test_a_database_of_a_newer_parley_is_left_as_it_is(kind: str, tmp_path: Path, otherwise: Server) -> None:
    url = otherwise.fresh() if kind == "postgres" else f"sqlite:///{tmp_path / 'parley.db'}"
    await schema.migrate(url)
    _, newest = await schema.revisions(url)
    engine = open_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for ask in (schema.migrate, schema.revisions):
        with pytest.raises(SettingsError) as raised:
            await ask(url)
        assert str(raised.value) == (
            f"DATABASE_URL: the database is at 9999, which a newer Parley made; this one knows it up to {newest}. "
            "Start the newer one, or put back a backup from before it"
        )
    async with engine.begin() as connection:
        assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"
    await engine.dispose()
