"""Is the database there and in this version's shape? Storage knows how; this asks it by name."""

import asyncio
import importlib
from typing import Any

from kit.command import services
from kit.command.findings import Finding, broken, look, ok
from kit.command.screen import Mistake, say

ANSWER_SECONDS = 8.0


async def migrate(**overrides: Any) -> None:
    """Brings it to this version's shape; services do the same at their start."""
    settings = services.settings_of(services.named("storage"), **overrides)
    before = await _state(settings)
    await _schema().migrate(settings.database_url)
    after = await _state(settings)
    say(f"database is at {after[0]}" + ("" if before[0] != after[0] else ", as it was"))


async def check_database(settings: Any) -> Finding:
    """Reachable, and migrated."""
    try:
        at, newest = await _state(settings)
    except Mistake as mistake:
        return broken("database", str(mistake), mistake.fix)
    if at is None:
        return look("database", "empty, its tables are made at the first start", "parley migrate")
    if at != newest:
        return broken("database", f"at {at}, this version needs {newest}", "parley migrate")
    return ok("database", f"{'postgres' if _is_postgres(settings) else 'sqlite'}, at {at}")


async def _state(settings: Any) -> tuple[str | None, str]:
    """Which migration it is at, and the newest there is."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            found: tuple[str | None, str] = await _schema().revisions(settings.database_url)
            return found
    except Exception as error:  # hosts the drivers' errors, of which there are many: it fails closed, as a finding
        fix = (
            "start Postgres, and check DATABASE_URL"
            if _is_postgres(settings)
            else "set DATA_DIR to a folder of this user"
        )
        raise Mistake(f"cannot be reached ({type(error).__name__})", fix=fix) from error


def _is_postgres(settings: Any) -> bool:
    return str(settings.database_url).startswith("postgres")


def _schema() -> Any:
    return importlib.import_module("storage_service.backends.schema")
