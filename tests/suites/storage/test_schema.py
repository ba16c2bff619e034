"""The migrations make exactly the tables that the code speaks of, on both databases, and can be taken back."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Inspector, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from kit.settings import SettingsError
from storage_service.backends import schema, tables
from storage_service.backends.engines import open_engine
from storage_service.backends.statements import Statements
from storage_service.backends.written import ALL
from tests.postgres import Server
from tests.suites.storage.hot import DATABASES


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Server) -> str:
    return postgres_server.fresh() if request.param == "postgres" else f"sqlite:///{tmp_path / 'parley.db'}"


async def looked_at(url: str, look: Any) -> Any:
    engine = open_engine(url)
    async with engine.connect() as connection:
        found = await connection.run_sync(look)
    await engine.dispose()
    return found


def _differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), SQLModel.metadata))


def _details(connection: Connection) -> dict[str, Any]:
    """What comparing leaves out: server defaults, partial indexes, checks."""
    inspector: Inspector = inspect(connection)
    return {
        name: (
            sorted((each["name"], str(each["default"]), each["nullable"]) for each in inspector.get_columns(name)),
            sorted((each["name"], str(each["sqltext"])) for each in inspector.get_check_constraints(name)),
            sorted((str(each["name"]), _options(each)) for each in inspector.get_indexes(name)),
        )
        for name in SQLModel.metadata.tables
    }


def _options(index: Any) -> list[str]:
    return sorted(f"{name} {value}" for name, value in index.get("dialect_options", {}).items())


def _made_from_the_code(connection: Connection) -> dict[str, Any]:
    SQLModel.metadata.create_all(connection)
    return _details(connection)


async def test_the_migrated_schema_is_the_one_in_the_code(url: str, tmp_path: Path, postgres_server: Server) -> None:
    await schema.migrate(url)
    assert await looked_at(url, _differences) == []
    other = f"sqlite:///{tmp_path / 'other.db'}" if url.startswith("sqlite") else postgres_server.fresh()
    assert await looked_at(url, _details) == await looked_at(other, _made_from_the_code)


async def test_migrations_go_down_to_nothing_and_up_again(url: str) -> None:
    await schema.migrate(url)
    await schema.migrate(url, "base")
    left = await looked_at(url, lambda connection: set(inspect(connection).get_table_names()))
    assert left == {"alembic_version"}
    await schema.migrate(url)
    assert await looked_at(url, _differences) == []


async def test_a_migration_that_cannot_end_leaves_nothing_and_is_made_once_it_can(url: str) -> None:
    engine = open_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE VIEW turns AS SELECT 1 AS id"))
    with pytest.raises((DBAPIError, SettingsError)):  # Postgres says what it is by a code, SQLite in words alone
        await schema.migrate(url)
    assert await looked_at(url, lambda connection: inspect(connection).get_table_names()) == []
    async with engine.begin() as connection:
        await connection.execute(text("DROP VIEW turns"))
    await engine.dispose()
    await schema.migrate(url)
    assert await looked_at(url, _differences) == []


async def test_replicas_that_start_together_migrate_once(postgres_url: str) -> None:
    await asyncio.gather(*(schema.migrate(postgres_url) for _ in range(3)))
    assert await looked_at(postgres_url, _differences) == []


async def test_one_turn_runs_at_a_time_by_constraint(url: str) -> None:
    """Promise 3 holds even if the rules were wrong."""
    await schema.migrate(url)
    at = "1" if url.startswith("sqlite") else "now()"
    values = f"'t', :id, 'c', 'running', {at}, {at}, {at}, '', ''"
    insert = "INSERT INTO turns (tenant_id, id, conversation_id, state, due_at, deadline_at, created_at, "
    statement = text(f"{insert} correlation_id, traceparent) VALUES ({values})")
    engine = open_engine(url)
    async with engine.begin() as connection:
        await connection.execute(statement, {"id": "1"})
    with pytest.raises(Exception, match=r"(?i)unique"):
        async with engine.begin() as connection:
            await connection.execute(statement, {"id": "2"})
    await engine.dispose()


def test_every_hot_row_has_the_columns_that_are_written() -> None:
    for written in ALL:
        table = SQLModel.metadata.tables[written.table]
        assert set(written.columns) <= set(table.columns.keys()), written.table
        assert {column.name for column in table.primary_key} == set(written.key)
        assert set(written.changing) < set(written.columns)


def test_both_dialects_know_what_they_need() -> None:
    folder = Path(tables.__file__).parent.parent
    for dialect in ("sqlite", "postgres"):
        statements = Statements.load(folder / dialect / "statements.sql")
        code = "".join(path.read_text() for path in (folder / dialect).glob("*.py"))
        unused = [name for name in statements if f'"{name}"' not in code]
        assert unused == [], dialect
