"""While a newer storage brings the database to its release, an older one goes on: a migration only adds.

What the older one writes says nothing of a new column, so that may be empty or has a default; it looks for every column
that it knows, and keeps to the rules that it knows, so none is new for a table that was there. Of an SQLite file there
is one storage at a time (decision 0059).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from storage_service.backends import schema
from storage_service.backends.engines import open_engine


@dataclass(frozen=True)
class Column:
    kind: str
    may_be_left_out: bool


@dataclass(frozen=True)
class Table:
    """What a storage relies on when it writes to a table."""

    columns: Mapping[str, Column]
    rules: frozenset[str]


def seen(connection: Connection) -> dict[str, Table]:
    inspector = inspect(connection)
    return {name: _table(inspector, name) for name in inspector.get_table_names() if name != "alembic_version"}


def _table(inspector: Any, name: str) -> Table:
    columns = {
        each["name"]: Column(str(each["type"]), bool(each["nullable"]) or each["default"] is not None)
        for each in inspector.get_columns(name)
    }
    unique = [f"unique {each['name']}" for each in inspector.get_indexes(name) if each["unique"]]
    unique += [f"unique {each['name']}" for each in inspector.get_unique_constraints(name)]
    checks = [f"check {each['sqltext']}" for each in inspector.get_check_constraints(name)]
    foreign = [f"foreign {each['constrained_columns']}" for each in inspector.get_foreign_keys(name)]
    return Table(columns, frozenset({*unique, *checks, *foreign}))


def faults(before: Mapping[str, Table], after: Mapping[str, Table]) -> Iterator[str]:
    """What an older storage would stumble over."""
    yield from (f"{name} is gone" for name in before.keys() - after.keys())
    for name in before.keys() & after.keys():
        was, is_now = before[name], after[name]
        yield from (f"{name}.{each} is gone" for each in was.columns.keys() - is_now.columns.keys())
        for column, shape in is_now.columns.items():
            if column in was.columns and was.columns[column].kind != shape.kind:
                yield f"{name}.{column} is of another type"
            if not shape.may_be_left_out and (column not in was.columns or was.columns[column].may_be_left_out):
                yield f"{name}.{column} must be given"
        yield from (f"{name} has a new rule: {each}" for each in is_now.rules - was.rules)


def revisions() -> list[str]:
    """All of them, the first one first."""
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    return [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()][::-1]


async def looked_at(url: str) -> dict[str, Table]:
    engine = open_engine(url)
    async with engine.connect() as connection:
        found = await connection.run_sync(seen)
    await engine.dispose()
    return found


async def test_a_storage_goes_on_while_a_newer_one_brings_the_database_to_its_release(postgres_url: str) -> None:
    before: dict[str, Table] = {}
    for revision in revisions():
        await schema.migrate(postgres_url, revision)
        after = await looked_at(postgres_url)
        assert list(faults(before, after)) == [], revision
        before = after
    assert len(before) > 20


async def test_what_an_older_storage_would_stumble_over_is_seen(postgres_url: str) -> None:
    await schema.migrate(postgres_url)
    before = await looked_at(postgres_url)
    engine = open_engine(postgres_url)
    async with engine.begin() as connection:
        for change in (
            "ALTER TABLE turns RENAME COLUMN attempts TO tries",
            "ALTER TABLE turns ALTER COLUMN epoch DROP DEFAULT",
            "ALTER TABLE messages ADD COLUMN mood text NOT NULL",
            "ALTER TABLE messages ALTER COLUMN taken_back_at TYPE text",
            "CREATE UNIQUE INDEX once ON contacts (tenant_id, name)",
            "ALTER TABLE receipts ADD CHECK (length(id) > 3)",
            "DROP TABLE drafts",
        ):
            await connection.execute(text(change))
    await engine.dispose()
    assert sorted(faults(before, await looked_at(postgres_url))) == [
        "contacts has a new rule: unique once",
        "drafts is gone",
        "messages.mood must be given",
        "messages.taken_back_at is of another type",
        "receipts has a new rule: check length(id) > 3",
        "turns.attempts is gone",
        "turns.epoch must be given",
    ]
