"""How is a Postgres reached? One way for every connection: of hot work, of the crier, and of SQLAlchemy.

What Parley prepares, listens to and sets belongs to a session of its own. A pooler lends a session to others between
two transactions, so each connection carries a mark: poolers refuse it or drop it, and either is seen at the start.
"""

import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any

import asyncpg

from kit.settings import SettingsError
from storage_service import database_url

OLDEST = 13
ENCODINGS = {"UTF8", "SQL_ASCII"}  # the second keeps the bytes of the first as they are
MARK, OWN = "parley.session", "own"
MARKED = f"SELECT current_setting('{MARK}', true)"
# Whoever listens says nothing for hours. Postgres 13 does not know it, so it is no setting to connect with.
FOR_EVER = "SELECT set_config('idle_session_timeout', '0', false)"
FOR_EVER_SINCE = 14
# What a server, a database or a user sets for everybody else would break what is written here.
EVERY_SESSION = {
    "application_name": "parley",
    "jit": "off",  # compiling costs more than any statement of ours takes
    "default_transaction_isolation": "read committed",  # above it, whoever waited for a row is turned away, not served
    "timezone": "UTC",
    "synchronous_commit": "on",
    # Whoever waits for a row waits as long as we let a statement take, not as a server lets others.
    "lock_timeout": "0",
    "statement_timeout": "0",
    MARK: OWN,
}


async def reach(
    url: str,
    *,
    seconds: float,
    work_seconds: float,
    session: Mapping[str, str] = EVERY_SESSION,
    **more: Any,
) -> "asyncpg.Connection[Any]":
    """A connection, made within `seconds`, whose every statement ends within `work_seconds`. ProtocolViolationError
    when it is a pooler's, SettingsError when the server can never do."""
    connection = await asyncpg.connect(
        database_url.dsn(url),
        ssl=_trusted() if database_url.trusts_system(url) else None,
        timeout=seconds,
        command_timeout=work_seconds,
        server_settings=dict(session),
        **more,
    )
    try:
        check(connection)
        if await connection.fetchval(MARKED) != OWN:
            raise asyncpg.ProtocolViolationError("the session is a pooler's")
        if connection.get_server_version().major >= FOR_EVER_SINCE:
            await connection.execute(FOR_EVER)
    except BaseException:
        connection.terminate()
        raise
    return connection


def check(connection: "asyncpg.Connection[Any]") -> None:
    """Both were said as the connection was made."""
    version, encoding = connection.get_server_version().major, connection.get_settings().server_encoding
    if version < OLDEST:
        raise SettingsError(f"DATABASE_URL: it is Postgres {version}; Parley needs {OLDEST} or newer")
    if encoding not in ENCODINGS:
        what = f"its encoding is {encoding}, which lacks letters that people write"
        raise SettingsError(f"DATABASE_URL: {what}; make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0")


@cache
def _trusted() -> ssl.SSLContext:
    """Whoever this machine trusts, under the name that was asked for; reading them takes a while. Since 3.13 Python
    asks for more than libpq does, and would refuse a server that every other client takes."""
    context = ssl.create_default_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
