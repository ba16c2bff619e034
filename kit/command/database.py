"""Is the database there and in this version's shape? Storage knows how; this asks it by name."""

import asyncio
import importlib
from pathlib import Path
from typing import Any

from kit import credentials
from kit.command import services
from kit.command.findings import Finding, broken, look, ok
from kit.command.screen import Mistake, say

ANSWER_SECONDS = 8.0
SQLITE = "sqlite:///"


async def migrate(**overrides: Any) -> None:
    """Brings it to this version's shape; services do the same at their start."""
    settings = services.settings_of(services.named("storage"), **overrides)
    credentials.make_data_dir(settings)
    url = _url(settings)
    before, _ = await _revisions(url)
    await _schema().migrate(url)
    after, _ = await _revisions(url)
    say(f"database is at {after}" + (", as it was" if before == after else ""))


async def check_database(settings: Any) -> Finding:
    """Reachable, and migrated."""
    url = _url(settings)
    try:
        at, newest = await _revisions(url)
    except Mistake as mistake:
        return broken("database", str(mistake), fix=mistake.fix)
    if at is None:
        return look("database", "empty: its tables are made when storage starts", fix="parley migrate, or parley up")
    if at != newest:
        return broken("database", f"at {at}, this version needs {newest}", fix="parley migrate")
    return ok("database", f"{'SQLite' if url.startswith(SQLITE) else 'Postgres'}, at {at}")


async def _revisions(url: str) -> tuple[str | None, str]:
    """Which migration it is at, and the newest there is."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            found: tuple[str | None, str] = await _schema().revisions(_to_look_at(url))
            return found
    except Exception as error:  # hosts whatever a driver raises, and fails closed: as a finding
        file = url.removeprefix(SQLITE)
        fix = f"may this user write {file}?" if url.startswith(SQLITE) else "start Postgres, and check DATABASE_URL"
        raise Mistake(f"the database cannot be reached ({type(error).__name__})", fix=fix) from error


def _to_look_at(url: str) -> str:
    """A look must not make the file."""
    missing = url.startswith(SQLITE) and not Path(url.removeprefix(SQLITE)).exists()
    return f"{SQLITE}:memory:" if missing else url


def _url(settings: Any) -> str:
    """As storage takes it: empty means a file in the data folder."""
    return str(settings.database_url or f"{SQLITE}{settings.data_dir / 'parley.db'}")


def _schema() -> Any:
    return importlib.import_module("storage_service.backends.schema")
