"""Is the database there, in this version's shape and with room for more? Storage knows how; this asks it by name."""

import asyncio
import importlib
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage
from typing import Any

from rich.console import Console

from kit import addresses, credentials
from kit.command import services
from kit.command.findings import Finding, Level, broken, look, ok
from kit.command.ports import is_open, own
from kit.command.screen import Mistake, say
from kit.settings import SettingsError

ANSWER_SECONDS = 8.0
SQLITE = "sqlite:///"
HERE = ("127.0.0.1", "::1", "localhost")
NEARLY_FULL = 0.8  # of what may wait
MIB = 1024 * 1024
# Of the disk: what SQLite wants for its log and a checkpoint of it, and what lasts for a day of some messages a second.
FULL_BYTES, NEARLY_FULL_BYTES = 8 * MIB, 1024 * MIB

# What waits, the setting that says how much may, and what shows it.
LIMITS = {
    "turns": ("MAX_OPEN_TURNS", "parley turns shows what waits; most often a model that does not answer"),
    "deliveries": (
        "MAX_QUEUED_DELIVERIES",
        "parley deliveries --state queued; most often a provider that takes nothing",
    ),
}


async def migrate(**overrides: Any) -> None:
    """Brings it to this version's shape; services do the same at their start."""
    settings = services.settings_of(services.named("storage"), **overrides)
    credentials.make_data_dir(settings)
    url = settings.database()
    before, _ = await _revisions(url)
    try:
        with Console().status("looking at the database") as line:
            await _schema().migrate(
                url,
                began=lambda at, to: line.update(f"from {at or 'nothing'} to {to}; a large database takes its time"),
            )
    except Exception as error:
        if known := _unusable().known(error):
            raise Mistake(f"the database cannot be migrated: {known}", fix=_fix(url)) from error
        raise  # A fault of ours, to be seen whole.
    after, _ = await _revisions(url)
    say(f"database is at {after}" + (", as it was" if before == after else ""))


async def restored(**overrides: Any) -> None:
    """Ends what was open in a backup, while nobody works on it."""
    settings = services.settings_of(services.named("storage"), **overrides)
    url = settings.database()
    require_nobody(settings, "what it is at work on would be ended")
    found = await shape(url)
    if found.level is not Level.OK:
        raise Mistake(f"the database is {found.found}", fix="put the backup in its place, then parley migrate")
    if await _answered(_at_work().is_at_work(url), url):
        raise Mistake("a storage is at work on the database, from another address", fix="stop every storage first")
    with alone(url), Console().status("looking for what was open") as line:
        turns, deliveries = await _restoring().end_open_work(
            url, progress=lambda ended: line.update(f"ended so far: turns {ended.turns}, deliveries {ended.deliveries}")
        )
    say(f"open in the backup, and ended with the reason restored: turns {turns}, deliveries {deliveries}")
    if turns or deliveries:
        say("who was to be answered: parley turns --state suppressed; with what: parley deliveries --state unknown")


def require_nobody(settings: Any, why: str) -> None:
    """Raises when a storage runs."""
    address = addresses.parsed(settings.storage_address)
    if address and is_open(own(address.host), address.port):
        raise Mistake(f"a storage runs at {settings.storage_address}, and {why}", fix="stop every storage first")


@contextmanager
def alone(url: str) -> Iterator[None]:
    """Keeps a storage from SQLite's file meanwhile. Raises where one has it, whatever its address is."""
    sole = importlib.import_module("storage_service.backends.sole")
    try:
        with sole.alone(url) as ours:
            ours.take()
            yield
    except sole.Taken as taken:
        file = url.removeprefix(SQLITE)
        raise Mistake(f"a storage is at work on {file}, from another address", fix="stop it first") from taken


def is_elsewhere(settings: Any) -> bool:
    """Whether a storage on another machine has it: here nothing says where it is, and there is no file."""
    address = addresses.parsed(settings.storage_address)
    is_own = settings.storage_address.startswith("unix:") or (address and own(address.host) in HERE)
    return not (is_own or settings.database_url or Path(settings.database().removeprefix(SQLITE)).exists())


async def check_database(settings: Any) -> list[Finding]:
    """Reachable, migrated, and with room for more."""
    if is_elsewhere(settings):
        return [ok("database", f"kept by the storage at {settings.storage_address}; ask there for more")]
    url = settings.database()
    limits = {"turns": settings.max_open_turns, "deliveries": settings.max_queued_deliveries}
    try:
        found = await shape(url)
        return [found, await _disk(url), await _room(url, limits)] if found.level is Level.OK else [found]
    except Mistake as mistake:
        return [broken("database", str(mistake), fix=mistake.fix)]


async def shape(url: str) -> Finding:
    """Whether it is as this version needs it."""
    at, newest = await _revisions(url)
    if at is None:
        return look("database", "empty: its tables are made when storage starts", fix="parley migrate, or parley up")
    if at != newest:
        return broken("database", f"at {at}, this version needs {newest}", fix="parley migrate")
    return ok("database", f"{'SQLite' if url.startswith(SQLITE) else 'Postgres'}, at {at}")


async def _disk(url: str) -> Finding:
    """Where Postgres keeps its files is not to be seen from here, so it is tried."""
    if url.startswith(SQLITE):
        return _disk_of(Path(url.removeprefix(SQLITE)))
    trying = importlib.import_module("storage_service.backends.write_probe")
    obstacle = await _answered(trying.obstacle(url), url)
    text, fix = f"nothing can be written: {obstacle}, so webhooks are answered 503", "see the log of Postgres"
    return broken("disk", text, fix=fix) if obstacle else ok("disk", "Postgres takes what is written")


def _disk_of(file: Path) -> Finding:
    """How much SQLite's file can grow."""
    folder = file.resolve().parent
    free = disk_usage(folder).free
    text, fix = f"{free // MIB:,} MiB free in {folder}", f"make room in {folder}; nothing has to be started again"
    if free < FULL_BYTES:
        return broken("disk", f"full: {text}, so webhooks are answered 503", fix=fix)
    if free < NEARLY_FULL_BYTES:
        return look("disk", f"nearly full: {text}; then webhooks are answered 503", fix=fix)
    return ok("disk", text)


async def _room(url: str, limits: Mapping[str, int]) -> Finding:
    """How much waits, and whether more is taken."""
    counting = importlib.import_module("storage_service.backends.open_work")
    waiting = (await _answered(counting.open_work(url, most=max(limits.values())), url))._asdict()
    shown = {name: f"{name} {waiting[name]} of {limit}" for name, limit in limits.items()}
    fullest = max(limits, key=lambda name: waiting[name] / limits[name])
    setting, fix = LIMITS[fullest]
    if waiting[fullest] >= limits[fullest]:
        return broken("queue", f"full: {shown[fullest]} ({setting}), so webhooks are answered 503", fix=fix)
    if waiting[fullest] >= limits[fullest] * NEARLY_FULL:
        text = f"nearly full: {shown[fullest]} ({setting}); then webhooks are answered 503"
        return look("queue", text, fix=fix)
    return ok("queue", f"room for more: {shown['turns']}, {shown['deliveries']}")


async def _revisions(url: str) -> tuple[str | None, str]:
    """Which migration it is at, and the newest there is."""
    found: tuple[str | None, str] = await _answered(_schema().revisions(_to_look_at(url)), url)
    return found


async def _answered(question: Awaitable[Any], url: str) -> Any:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await question
    except SettingsError as wrong:
        raise Mistake(str(wrong)) from wrong
    except Exception as error:  # hosts whatever a driver raises, and fails closed: as a finding
        raise Mistake(f"the database cannot be reached: {_unusable().why(error)}", fix=_fix(url)) from error


def _fix(url: str) -> str:
    file = url.removeprefix(SQLITE)
    return (
        f"may this user write {file}?"
        if url.startswith(SQLITE)
        else "check DATABASE_URL, and that Postgres runs; its log says more"
    )


def _to_look_at(url: str) -> str:
    """A look must not make the file."""
    missing = url.startswith(SQLITE) and not Path(url.removeprefix(SQLITE)).exists()
    return f"{SQLITE}:memory:" if missing else url


def _schema() -> Any:
    return importlib.import_module("storage_service.backends.schema")


def _restoring() -> Any:
    return importlib.import_module("storage_service.backends.restored")


def _at_work() -> Any:
    return importlib.import_module("storage_service.backends.at_work")


def _unusable() -> Any:
    return importlib.import_module("storage_service.backends.unusable")
