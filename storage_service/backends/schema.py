"""How does a database get its tables? Alembic, at every start and by `parley migrate`."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError

from kit import logs
from kit.errors import StorageUnavailable
from kit.settings import SettingsError
from storage_service.backends.engines import open_engine
from storage_service.backends.outages import Outage
from storage_service.backends.tables import Tenant
from storage_service.backends.unusable import known, not_allowed, told, why
from storage_service.database_url import is_postgres

MIGRATIONS = Path(__file__).parent / "migrations"
# Any number that nothing else in the database uses; replicas that start together queue behind it.
LOCK = 727_001
# Whoever makes an index of years of messages takes its time, and so does whoever waits for that: what a server or a
# user sets for statements is for others. A table that another session holds is asked for a moment only, since
# everybody who comes later waits behind the one who asks.
LONGEST_SECONDS = 6 * 3600
PATIENT = text("SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)")
BRIEF = text("SELECT set_config('lock_timeout', '1s', true)")
MAY_MAKE_TABLES = "SELECT has_schema_privilege(current_schema(), 'CREATE')"
# Of revisions; and so many tables of others are named.
OURS, MOST_NAMED = re.compile(r"\d{4}").fullmatch, 3
# A server that starts or stops says so in words that SQLAlchemy has no class for; every other class is a fault of ours,
# unless it is known what keeps the database away.
AWAY = (DBAPIError, OperationalError)
GONE = (OSError, TimeoutError, DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, StorageUnavailable)


Began = Callable[[str, str], object]  # at which revision it is, empty before the first, and to which it goes


def in_the_log(at: str, to: str) -> None:
    """Says that a change begins, which may take its time where there is something to change."""
    if at:
        logs.get("storage").info("schema.changing", from_revision=at, to_revision=to)


async def migrate(url: str, revision: str = "head", *, began: Began = lambda *_: None) -> None:
    """Brings the schema to the revision, up or down; tells `began` when there is something to do. Safe to run from
    several processes at once. SettingsError when it may not, or when a newer version has made it."""
    engine = open_engine(url, pool_size=1, statement_seconds=LONGEST_SECONDS)
    try:
        with told(url):
            async with engine.begin() as connection:
                if is_postgres(url):
                    await connection.execute(PATIENT)
                    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
                    await connection.execute(BRIEF)
                await connection.run_sync(partial(_run, revision=revision, began=began))
    finally:
        await engine.dispose()


async def prepared_when_possible(url: str, prepare: Callable[[], Awaitable[None]], *, stopping: asyncio.Event) -> bool:
    """Prepares the database as soon as it answers, and again when it goes away meanwhile: start order does not matter.

    False when told to stop before. SettingsError for one that answers, and cannot be used.
    """
    wait_seconds, outage = 0.1, Outage("storage", "database.away")
    while not stopping.is_set():
        try:
            with told(url):
                await prepare()
        except GONE as error:
            if isinstance(error, DBAPIError) and type(error) not in AWAY and not known(error):
                raise
            outage.met(why(error), error_type=type(error).__name__)
            await asyncio.sleep(wait_seconds)
            wait_seconds = min(1.0, wait_seconds * 2)
        else:
            outage.over()
            return True
    return False


async def revisions(url: str) -> tuple[str | None, str]:
    """Which revision the database is at, None before the first, and the newest that there is. Changes nothing.
    SettingsError for a database that cannot be used, that a newer version has made, or in which this user may make no
    tables."""
    engine = open_engine(url, pool_size=1)
    try:
        with told(url):
            async with engine.connect() as connection:
                at, newest = await connection.run_sync(_revisions)
                if at is None and is_postgres(url) and not await connection.scalar(text(MAY_MAKE_TABLES)):
                    raise not_allowed(url)
                return at, newest
    finally:
        await engine.dispose()


def configuration(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _revisions(connection: Connection) -> tuple[str | None, str]:
    scripts = ScriptDirectory.from_config(configuration(connection))
    at, newest = MigrationContext.configure(connection).get_current_revision(), scripts.get_current_head() or ""
    _require_own(connection, at)
    if at is not None and at not in {script.revision for script in scripts.walk_revisions()}:
        raise SettingsError(
            f"DATABASE_URL: the database is at {at}, which a newer Parley made; this one knows it up to {newest}. "
            "Start the newer one, or put back a backup from before it"
        )
    return at, newest


def _require_own(connection: Connection, at: str | None) -> None:
    """Many programs have a table of contacts, and many keep their revision as Parley does, which is four digits."""
    found = {"alembic_version"} if at and not OURS(at) else set()
    if at is None:
        schema = connection.dialect.default_schema_name
        found = set(inspect(connection).get_table_names(schema)) & set(Tenant.metadata.tables)
    if found:
        names = ", ".join(sorted(found)[:MOST_NAMED])
        raise SettingsError(
            f"DATABASE_URL: another program has tables of the same names there ({names}); make a database for Parley"
        )


def _run(connection: Connection, *, revision: str, began: Began) -> None:
    at, newest = _revisions(connection)
    target = newest if revision == "head" else revision
    if at == target:
        return
    began(at or "", target)
    if connection.dialect.name == "sqlite":
        # Python's sqlite3 begins nothing before a CREATE: what was made until a disk was full, or a kill, would stay.
        connection.execute(text("BEGIN IMMEDIATE"))
    move = command.downgrade if revision in {"base"} else command.upgrade
    move(configuration(connection), revision)
