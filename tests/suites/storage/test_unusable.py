"""Does a database that answers, and yet cannot be used, stop the start by what is wrong with it?"""

import asyncio
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socket import gaierror
from urllib.parse import urlsplit

import pytest

from kit.settings import SettingsError
from storage_service.backends import schema
from storage_service.backends.engines import open_engine
from storage_service.backends.schema import GONE
from storage_service.backends.unusable import told, why
from storage_service.backends.write_probe import obstacle
from tests.postgres import Server
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.hot import DATABASES

NOT_ALLOWED = (
    "DATABASE_URL: its user may not make tables there, or not use those that are; name the owner of the database, "
    "or GRANT CREATE ON SCHEMA public TO that user"
)


@pytest.fixture
def user(postgres_server: Server) -> Iterator[str]:
    """Somebody who owns nothing: since Postgres 15 they may make no tables in a database of another's."""
    name = f"t_{uuid.uuid4().hex}"
    postgres_server.execute(f"CREATE ROLE {name} LOGIN")
    yield name
    postgres_server.execute(f"DROP ROLE {name}")


def as_user(url: str, user: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{user}@{parts.hostname}:{parts.port}").geturl()


async def refusal(url: str) -> str:
    """What storage ends with, instead of waiting for better times."""
    with pytest.raises(SettingsError) as raised:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await schema.prepared_when_possible(url, lambda: schema.migrate(url), stopping=asyncio.Event())
    return str(raised.value)


async def test_a_user_who_may_make_no_tables_is_told_before_and_when_it_is_tried(
    postgres_server: Server, user: str
) -> None:
    url = as_user(postgres_server.fresh(), user)
    assert await refusal(url) == NOT_ALLOWED
    with pytest.raises(SettingsError) as raised:
        await schema.revisions(url)
    assert str(raised.value) == NOT_ALLOWED


async def test_so_is_one_who_may_not_use_the_tables_of_another(postgres_server: Server, user: str) -> None:
    url = postgres_server.fresh()
    await schema.migrate(url)
    assert await refusal(as_user(url, user)) == NOT_ALLOWED


async def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    file = tmp_path / "parley.db"
    file.write_text("Dear diary, this is no database, and has never been one.")
    assert await refusal(f"sqlite:///{file}") == (
        f"DATABASE_URL: {file}: it is no SQLite database; move it away, or name another"
    )
    assert file.read_text().startswith("Dear diary"), "nothing of it was touched"


async def test_so_is_one_that_is_damaged(tmp_path: Path) -> None:
    file = tmp_path / "parley.db"
    await schema.migrate(f"sqlite:///{file}")
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    assert await refusal(f"sqlite:///{file}") == (
        f"DATABASE_URL: {file}: it is damaged; move it away, and put a copy of yours in its place"
    )


@pytest.mark.parametrize("kind", DATABASES)
@pytest.mark.parametrize(
    ("theirs", "named"),
    [
        (("CREATE TABLE messages (id INT)", "CREATE TABLE contacts (id INT)"), "contacts, messages"),
        (
            ("CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('5f2a9c0b11de')"),
            "alembic_version",
        ),
    ],
)
async def test_one_of_another_program_is_left_alone(
    kind: str, theirs: tuple[str, ...], named: str, tmp_path: Path, postgres_server: Server
) -> None:
    url = postgres_server.fresh() if kind == "postgres" else f"sqlite:///{tmp_path / 'theirs.db'}"
    engine = open_engine(url)
    async with engine.begin() as connection:
        for statement in theirs:
            await connection.exec_driver_sql(statement)
    await engine.dispose()
    for ask in (schema.migrate, schema.revisions):
        with pytest.raises(SettingsError) as raised:
            await ask(url)
        assert str(raised.value) == (
            f"DATABASE_URL: another program has tables of the same names there ({named}); make a database for Parley"
        )


@pytest.mark.parametrize(
    "left", ["CREATE TABLE media (id INT)", "ALTER TABLE conversations ADD COLUMN held_until TIMESTAMP"]
)
async def test_one_over_which_a_backup_was_put_is_told(left: str, postgres_server: Server) -> None:
    url = postgres_server.fresh()
    await schema.migrate(url, "0009")
    engine = open_engine(url)
    async with engine.begin() as connection:
        await connection.exec_driver_sql(left)
    await engine.dispose()
    with pytest.raises(SettingsError, match="a backup was put over it; put the backup into an empty database"):
        await schema.migrate(url)


def test_so_is_one_that_may_only_be_read() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA query_only = 1")
        with pytest.raises(SettingsError) as raised, told("sqlite:////data/parley.db"):
            connection.execute("CREATE TABLE kept (it)")
    assert str(raised.value) == "DATABASE_URL: /data/parley.db: it, or its folder, may not be written by this user"


def test_so_is_one_that_may_not_be_opened(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised, told(f"sqlite:///{tmp_path}"):
        sqlite3.connect(tmp_path)
    assert str(raised.value) == f"DATABASE_URL: {tmp_path}: it cannot be opened: it is missing, or closed to this user"


def test_nothing_speaks_up_afterwards_of_one_that_could_not_be_opened(tmp_path: Path) -> None:
    for _ in range(100):  # what fails in a thread fails the test
        with pytest.raises(SettingsError):
            asyncio.run(schema.revisions(f"sqlite:///{tmp_path}"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"path": "/t_none"}, "it does not exist; make it (createdb), or correct its name"),
        (
            {"netloc": "t_nobody@{host}:{port}"},
            "the user is refused: there is none of that name, or pg_hba.conf does not let it in like "
            "this: it may ask for TLS, or for a certificate (sslmode, sslcert)",
        ),
        ({"netloc": "{user}@{host}:1"}, "nothing listens at its host and port"),
    ],
)
async def test_one_that_may_be_there_later_is_waited_for_and_the_reason_told(
    postgres_server: Server, change: dict[str, str], words: str
) -> None:
    parts = urlsplit(postgres_server.fresh())
    named = {"user": parts.username or "", "host": parts.hostname or "", "port": str(parts.port)}
    url = parts._replace(**{name: value.format(**named) for name, value in change.items()}).geturl()
    stopping, prepared = asyncio.Event(), asyncio.Event()

    async def prepare() -> None:
        prepared.set()
        await schema.migrate(url)

    waiting = asyncio.create_task(schema.prepared_when_possible(url, prepare, stopping=stopping))
    await prepared.wait()
    with pytest.raises(GONE) as raised:
        await schema.revisions(url)
    assert why(raised.value) == words
    stopping.set()
    assert not await waiting


async def test_that_it_is_waited_for_is_said_once_and_when_it_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[OSError] = [ConnectionRefusedError(), ConnectionRefusedError(), TimeoutError(), TimeoutError()]

    async def prepare() -> None:
        if asked:
            raise asked.pop(0)

    assert await schema.prepared_when_possible("postgresql://parley@db/parley", prepare, stopping=asyncio.Event())
    said = capsys.readouterr().out
    assert [
        said.count(words) for words in ("database.away", "nothing listens", "does not answer", "database.back")
    ] == [
        2,
        1,
        1,
        1,
    ]


async def test_who_may_not_try_to_write_a_table_is_believed_to_write(postgres_server: Server, user: str) -> None:
    url = postgres_server.fresh()
    postgres_server.execute(f"REVOKE TEMPORARY ON DATABASE {urlsplit(url).path[1:]} FROM PUBLIC")
    assert await obstacle(as_user(url, user)) == ""


def test_what_nobody_knows_is_told_by_its_kind() -> None:
    assert why(gaierror("no such host")) == "its host has no address"
    assert why(RuntimeError("a row's own words")) == "RuntimeError"


def test_what_may_be_better_in_a_moment_is_waited_for(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError), told("sqlite:///parley.db"):
        sqlite3.connect(tmp_path / "missing" / "parley.db")
