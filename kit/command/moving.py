"""How does a mesh that began on SQLite go on with Postgres? Storage knows how; this asks it by name, and shows it."""

import importlib
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from kit.command import database, services
from kit.command.database import SQLITE
from kit.command.findings import Level
from kit.command.screen import Mistake, say
from kit.settings import SettingsError


async def move(file: Path, **overrides: Any) -> None:
    """Copies the file into the Postgres of DATABASE_URL. The file stays as it is."""
    settings = services.settings_of(services.named("storage"), **overrides)
    target = str(settings.database_url)
    if not target or target.startswith(SQLITE):
        raise Mistake(
            "DATABASE_URL names no Postgres, and that is where to move",
            fix=f"DATABASE_URL=postgresql://user:password@host/name parley move {file}",
        )
    source = _source(file)
    database.require_nobody(settings, "what it writes meanwhile would be left behind")
    shape = await database.shape(source)
    if shape.level is not Level.OK:
        raise Mistake(f"{file} is {shape.found}", fix=f"DATABASE_URL={source} parley migrate")
    await database.migrate(**overrides)
    moving = importlib.import_module("storage_service.backends.moving")
    with database.alone(source), _Bars() as bars:
        try:
            moved = await moving.move(source, target, progress=bars.show)
        except SettingsError as wrong:
            raise Mistake(str(wrong)) from wrong
    say(f"copied {moved.rows:,} rows; {file} is as it was", "green")
    if moved.mended:
        say(f"{moved.mended:,} of them held a NUL, which Postgres cannot keep in a text: it was taken out", "yellow")
    say(f"keep the keys ({settings.data_dir}/secret.key, or SECRET_KEYS), and start storage with this DATABASE_URL")


def _source(file: Path) -> str:
    if not file.is_file():
        raise Mistake(f"there is no file {file}", fix="the one of a mesh is DATA_DIR/parley.db")
    return f"{SQLITE}{file.resolve()}"


class _Bars:
    """For a person: a bar for each table that has rows."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(highlight=False), disable=not sys.stdout.isatty())
        self._tables: dict[str, TaskID] = {}

    def __enter__(self) -> "_Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, table: str, *, copied: int, total: int) -> None:
        if total and table not in self._tables:
            self._tables[table] = self._progress.add_task(table, total=total)
        if total:
            self._progress.update(self._tables[table], completed=copied)
