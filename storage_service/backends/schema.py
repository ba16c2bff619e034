"""How does a database get its tables? Alembic, at every start and by `parley migrate`."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

from kit import logs
from kit.errors import StorageUnavailable
from storage_service.backends.engines import open_engine
from storage_service.backends.unusable import known, not_allowed, told, why
from storage_service.database_url import is_postgres

MIGRATIONS = Path(__file__).parent / "migrations"
# Any number that nothing else in the database uses; replicas that start together queue behind it.
LOCK = 727_001
MAY_MAKE_TABLES = "SELECT has_schema_privilege(current_schema(), 'CREATE')"
# A server that starts or stops says so in words that SQLAlchemy has no class for; every other class is a fault of ours,
# unless it is known what keeps the database away.
AWAY = (DBAPIError, OperationalError)
GONE = (OSError, TimeoutError, DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, StorageUnavailable)


async def migrate(url: str, revision: str = "head") -> None:
    """Brings the schema to the revision, up or down. Safe to run from several processes at once. SettingsError when
    it may not."""
    engine = open_engine(url, pool_size=1)
    try:
        with told(url):
            async with engine.begin() as connection:
                if is_postgres(url):
                    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
                await connection.run_sync(_run, revision)
    finally:
        await engine.dispose()


async def prepared_when_possible(url: str, prepare: Callable[[], Awaitable[None]], *, stopping: asyncio.Event) -> bool:
    """Prepares the database as soon as it answers, and again when it goes away meanwhile: start order does not matter.

    False when told to stop before. SettingsError for one that answers, and cannot be used.
    """
    wait_seconds = 0.1
    while not stopping.is_set():
        try:
            with told(url):
                await prepare()
        except GONE as error:
            if isinstance(error, DBAPIError) and type(error) not in AWAY and not known(error):
                raise
            logs.get("storage").warning("database.away", error_type=type(error).__name__, reason=why(error))
            await asyncio.sleep(wait_seconds)
            wait_seconds = min(1.0, wait_seconds * 2)
        else:
            return True
    return False


async def revisions(url: str) -> tuple[str | None, str]:
    """Which revision the database is at, None before the first, and the newest that there is. Changes nothing.
    SettingsError for a database that cannot be used, or in which this user may make no tables."""
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
    newest = ScriptDirectory.from_config(configuration(connection)).get_current_head()
    return MigrationContext.configure(connection).get_current_revision(), newest or ""


def _run(connection: Connection, revision: str) -> None:
    move = command.downgrade if revision in {"base"} else command.upgrade
    move(configuration(connection), revision)
