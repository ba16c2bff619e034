"""What is wrong with a database that cannot be used? In words that help, and never its own: they may quote a row.

Some of it is as wrong as a wrong setting, and ends the start. The rest may pass, so storage waits, and says what for.
"""

import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import gaierror

import asyncpg
from asyncpg.exceptions import TargetServerAttributeNotMatched
from sqlalchemy.exc import DBAPIError

from kit.settings import SettingsError
from storage_service.backends.engines import sqlite_path
from storage_service.database_url import is_postgres

Code = str | int

POOLED = (
    "a pooler such as PgBouncer stands before it; name Postgres itself, "
    "since what Parley prepares and listens to belongs to a connection of its own"
)
PUT_OVER = (
    "what a newer Parley made stands in it beside what an older one did: a backup was put over it; "
    "put the backup into an empty database"
)
NOT_ALLOWED = asyncpg.InsufficientPrivilegeError.sqlstate
# Of Postgres by SQLSTATE (its manual, appendix A), of SQLite by result code (sqlite.org/rescode.html).
WRONG: dict[Code, str] = {
    NOT_ALLOWED: (
        "its user may not make tables there, or not use those that are; name the owner of the database, "
        "or GRANT CREATE ON SCHEMA public TO that user"
    ),
    # What poolers answer to a setting of a session, and to what was prepared in a connection that another has now.
    asyncpg.ProtocolViolationError.sqlstate: POOLED,
    asyncpg.InvalidSQLStatementNameError.sqlstate: POOLED,
    asyncpg.DuplicatePreparedStatementError.sqlstate: POOLED,
    # What a migration finds where pg_restore --clean took away only what the backup knows.
    asyncpg.DuplicateTableError.sqlstate: PUT_OVER,
    asyncpg.DuplicateColumnError.sqlstate: PUT_OVER,
    sqlite3.SQLITE_NOTADB: "it is no SQLite database; move it away, or name another",
    sqlite3.SQLITE_CORRUPT: "it is damaged; move it away, and put a copy of yours in its place",
    sqlite3.SQLITE_READONLY: "it, or its folder, may not be written by this user",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: it is missing, or closed to this user",
}
MAY_PASS: dict[Code, str] = {
    asyncpg.InvalidCatalogNameError.sqlstate: "it does not exist; make it (createdb), or correct its name",
    asyncpg.InvalidPasswordError.sqlstate: "the password is refused",
    asyncpg.InvalidAuthorizationSpecificationError.sqlstate: (
        "the user is refused: there is none of that name, or pg_hba.conf does not let it in like "
        "this: it may ask for TLS, or for a certificate (sslmode, sslcert)"
    ),
    asyncpg.TooManyConnectionsError.sqlstate: "no connection is free: max_connections of Postgres is too small",
    asyncpg.CannotConnectNowError.sqlstate: "it is starting, or stopping",
    asyncpg.DiskFullError.sqlstate: "its disk is full",
    asyncpg.LockNotAvailableError.sqlstate: (
        "another session holds what has to be changed: a backup, or a transaction that was left open; "
        "pg_stat_activity of Postgres shows it"
    ),
    asyncpg.ReadOnlySQLTransactionError.sqlstate: "it takes no writes: a standby, or read-only by its settings",
    sqlite3.SQLITE_FULL: "its disk is full",
    sqlite3.SQLITE_BUSY: "another process has the file",
}
ON_THE_WAY: tuple[tuple[type[Exception], str], ...] = (
    (ConnectionRefusedError, "nothing listens at its host and port"),
    (gaierror, "its host has no address"),
    (TargetServerAttributeNotMatched, "none of its hosts is what target_session_attrs asks for"),
    (FileNotFoundError, "its socket is not there"),
    (ssl.SSLCertVerificationError, "its certificate is not vouched for by sslrootcert, or is another host's"),
    (ssl.SSLError, "it speaks TLS in a way that is not agreed on here"),
    (ConnectionError, "it hangs up, or does not speak TLS, which sslmode asks for"),
    (TimeoutError, "it does not answer in time"),
)


@contextmanager
def told(url: str) -> Iterator[None]:
    """SettingsError where waiting helps nobody: the database is there, and somebody must change something."""
    try:
        yield
    except (DBAPIError, sqlite3.Error, asyncpg.PostgresError) as error:
        code = code_of(error)
        if code in WRONG and not _may_come(code, url):
            raise _wrong(code, url) from None
        raise


def not_allowed(url: str) -> SettingsError:
    """Before it is tried: its user may make no tables."""
    return _wrong(NOT_ALLOWED, url)


def why(error: BaseException) -> str:
    """What keeps a database from being used, as far as it is known; else the kind of the error."""
    return known(error) or type(error).__name__


def known(error: BaseException) -> str:
    """The same; empty when it is not known, and so perhaps a fault of ours."""
    said = getattr(error, "orig", None)
    behind = (error, said, getattr(said, "__cause__", None))  # SQLAlchemy's, the dialect's, the driver's
    on_the_way = (words for kind, words in ON_THE_WAY if any(isinstance(each, kind) for each in behind))
    return (WRONG | MAY_PASS).get(code_of(error)) or next(on_the_way, "")


def code_of(error: BaseException) -> Code:
    """What the database says; empty when it was not it that said something. Of a result code the lowest byte is the
    kind; the rest says more of it."""
    said = error.orig if isinstance(error, DBAPIError) else error
    result = getattr(said, "sqlite_errorcode", None)
    return str(getattr(said, "sqlstate", "")) if result is None else int(result) & 0xFF


def _wrong(code: Code, url: str) -> SettingsError:
    file = "" if is_postgres(url) else f"{sqlite_path(url)}: "
    return SettingsError(f"DATABASE_URL: {file}{WRONG[code]}")


def _may_come(code: Code, url: str) -> bool:
    """A file that is not there yet: its folder may be mounted late."""
    return code == sqlite3.SQLITE_CANTOPEN and not Path(sqlite_path(url)).exists()
