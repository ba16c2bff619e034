"""Does the doctor say how much waits, and that nothing more is taken when too much does?"""

from pathlib import Path
from types import SimpleNamespace

import pytest

from kit.command import database
from kit.command.database import check_database, migrate
from kit.command.findings import Finding, Level
from kit.command.screen import Mistake
from storage_service.backends import schema
from storage_service.settings import Settings
from tests.postgres import Server
from tests.suites.storage.hot import Store


async def room(store: Store, turns: int = 100, deliveries: int = 100) -> Finding:
    settings = Settings(database_url=store.url, max_open_turns=turns, max_queued_deliveries=deliveries)
    shape, *_, queue = await check_database(settings)
    assert shape.level is Level.OK
    assert queue.about == "queue"
    return queue


async def two_turns_and_a_delivery(store: Store) -> None:
    for person in ("ada", "bob", "cy"):
        await store.hear("hello", person)
    store.clock.pass_seconds(1)
    (turn,) = await store.lease(1)
    await store.commit(turn, "hi")


async def test_what_waits_is_counted(store: Store) -> None:
    assert (await room(store)).found == "room for more: turns 0 of 100, deliveries 0 of 100"
    await two_turns_and_a_delivery(store)
    counted = await room(store)
    assert (counted.level, counted.found) == (Level.OK, "room for more: turns 2 of 100, deliveries 1 of 100")


async def test_a_full_queue_is_broken_and_names_the_setting(store: Store) -> None:
    await two_turns_and_a_delivery(store)
    turns, deliveries = await room(store, turns=2), await room(store, deliveries=1)
    assert (turns.level, deliveries.level) == (Level.BROKEN, Level.BROKEN)
    assert "turns 2 of 2 (MAX_OPEN_TURNS)" in turns.found
    assert "parley turns" in turns.fix
    assert "deliveries 1 of 1 (MAX_QUEUED_DELIVERIES)" in deliveries.found
    assert "parley deliveries" in deliveries.fix


async def test_one_that_will_soon_be_full_is_to_be_looked_at(store: Store) -> None:
    for number in range(4):
        await store.hear("hello", f"person-{number}")
    assert (await room(store, turns=6)).level is Level.OK
    soon = await room(store, turns=5)
    assert soon.level is Level.LOOK
    assert "turns 4 of 5 (MAX_OPEN_TURNS)" in soon.found


async def test_one_that_takes_no_writes_is_not_migrated_and_a_person_told_why(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_server.fresh()
    postgres_server.execute(f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_read_only = on")
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(Mistake, match=r"^the database cannot be migrated: it takes no writes"):
        await migrate()


async def test_a_postgres_that_takes_no_writes_is_found_by_writing(postgres_server: Server) -> None:
    url = postgres_server.fresh()
    await schema.migrate(url)
    _shape, disk, _queue = await check_database(Settings(database_url=url))
    assert (disk.about, disk.level, disk.found) == ("disk", Level.OK, "Postgres takes what is written")
    name = url.rpartition("/")[2]
    postgres_server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    _shape, disk, _queue = await check_database(Settings(database_url=url))
    assert (disk.about, disk.level) == ("disk", Level.BROKEN)
    assert disk.found == (
        "nothing can be written: it takes no writes: a standby, or read-only by its settings, "
        "so webhooks are answered 503"
    )


@pytest.mark.parametrize(
    ("free_mib", "level", "found"),
    [
        (7, Level.BROKEN, "full: 7 MiB free in {}, so webhooks are answered 503"),
        (1023, Level.LOOK, "nearly full: 1,023 MiB free in {}; then webhooks are answered 503"),
        (1024, Level.OK, "1,024 MiB free in {}"),
    ],
)
async def test_so_is_the_room_on_the_disk_of_an_sqlite_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_mib: int, level: Level, found: str
) -> None:
    url = f"sqlite:///{tmp_path / 'parley.db'}"
    await schema.migrate(url)
    looked: list[Path] = []

    def usage(folder: Path) -> SimpleNamespace:
        looked.append(folder)
        return SimpleNamespace(free=free_mib * 1024 * 1024)

    monkeypatch.setattr(database, "disk_usage", usage)
    _shape, disk, _queue = await check_database(Settings(database_url=url))
    assert (disk.about, disk.level, disk.found) == ("disk", level, found.format(tmp_path))
    assert (looked, bool(disk.fix)) == ([tmp_path], level is not Level.OK)
