"""What is wrong with a database that answers, and yet cannot be used?"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from sqlalchemy.exc import DBAPIError

from kit.settings import SettingsError
from storage_service.backends.engines import is_postgres, sqlite_path

# Of Postgres by SQLSTATE (its manual, appendix A), of SQLite by result code (sqlite.org/rescode.html).
NOT_ALLOWED = asyncpg.InsufficientPrivilegeError.sqlstate
WRONG: dict[str | int, str] = {
    NOT_ALLOWED: (
        "its user may not make tables there, or not use those that are; name the owner of the database, "
        "or GRANT CREATE ON SCHEMA public TO that user"
    ),
    sqlite3.SQLITE_NOTADB: "{file} is no SQLite database; move it away, or name another",
    sqlite3.SQLITE_CORRUPT: "{file} is damaged; move it away, and put a copy of yours in its place",
    sqlite3.SQLITE_READONLY: "{file}, or its folder, may not be written by this user",
    sqlite3.SQLITE_CANTOPEN: "{file} may not be opened by this user",
}


@contextmanager
def told(url: str) -> Iterator[None]:
    """SettingsError where waiting helps nobody: the database is there, and somebody must change something."""
    try:
        yield
    except (DBAPIError, sqlite3.Error, asyncpg.PostgresError) as error:
        code = _code(error.orig if isinstance(error, DBAPIError) else error)
        if code in WRONG and not _may_come(code, url):
            raise _wrong(code, url) from None
        raise


def not_allowed(url: str) -> SettingsError:
    """Before it is tried: its user may make no tables."""
    return _wrong(NOT_ALLOWED, url)


def _wrong(code: str | int, url: str) -> SettingsError:
    file = "" if is_postgres(url) else sqlite_path(url)
    return SettingsError("DATABASE_URL: " + WRONG[code].format(file=file))


def _may_come(code: str | int, url: str) -> bool:
    """A file that is not there yet: its folder may be mounted late."""
    return code == sqlite3.SQLITE_CANTOPEN and not Path(sqlite_path(url)).exists()


def _code(error: BaseException | None) -> str | int:
    """Of a result code the lowest byte is the kind; the rest says more of it."""
    result = getattr(error, "sqlite_errorcode", None)
    return str(getattr(error, "sqlstate", "")) if result is None else int(result) & 0xFF
