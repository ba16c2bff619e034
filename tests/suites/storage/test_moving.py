"""Does everything go along when a mesh moves from SQLite to Postgres, and is what was open done there, once?"""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from kit.command import moving as command
from kit.command.screen import Mistake
from kit.settings import SettingsError
from storage_service.backends import schema
from storage_service.backends.engines import open_engine
from storage_service.backends.moving import LEFT, _tables, move
from storage_service.backends.sole import alone
from storage_service.domain.mutations import Mutations
from tests.postgres import Server
from tests.simulated.postgres_front import Front
from tests.simulated.wire import free_port
from tests.suites.storage.hot import KEYS, TENANT, VERSION, Store, a_message, migrate, open_store, opened
from tests.suites.storage.test_outbox import leased, said
from tests.suites.storage.world import open_world


@pytest.fixture
async def store(tmp_path: Path, postgres_server: Server) -> AsyncIterator[Store]:
    """On SQLite, with work in every state."""
    async with open_store("sqlite", tmp_path, postgres_server) as old:
        async with open_world(old.url, tmp_path, postgres_server, keys=KEYS) as world:
            await world.account(TENANT, address="+1")
        await said(old, "one", "two", chat="being sent")
        await old.record(await leased(old), "BEGUN")
        await said(old, "three", chat="sent")
        await old.send(await leased(old), "SM3")
        await old.receive("DELIVERED", provider_message_id="SM3")
        await old.receive("DELIVERED", provider_message_id="of nobody yet")
        await old.hear("four 😀", "running", metadata={"thread": "7"}, provider_at=old.clock.now)
        await old.lease()
        await old.hear("five", "waiting")
        yield old


def unseen(_table: str, /, *, copied: int, total: int) -> None:
    assert copied <= total


async def rows_of(url: str) -> dict[str, list[Any]]:
    engine, found = open_engine(url), {}
    async with engine.connect() as connection:
        for table in _tables():
            ordered = select(table).order_by(*table.primary_key)
            found[table.name] = [tuple(row) for row in await connection.execute(ordered)]
    await engine.dispose()
    return found


async def test_every_row_goes_along_as_it_is(store: Store, postgres_server: Server) -> None:
    url, seen = postgres_server.fresh(migrate), set()

    def see(table: str, /, *, copied: int, total: int) -> None:
        seen.add((table, copied, total))

    moved = await move(store.url, url, progress=see)
    before, after = await rows_of(store.url), await rows_of(url)
    assert after == before
    assert moved == (sum(map(len, before.values())), 0)
    there = {name for name, rows in before.items() if rows}
    assert {"messages", "turns", "deliveries", "attempts", "receipts", "channel_accounts"} <= there
    assert ("messages", len(before["messages"]), len(before["messages"])) in seen


async def test_what_was_open_is_done_there_once(store: Store, postgres_server: Server) -> None:
    url = postgres_server.fresh(migrate)
    await move(store.url, url, progress=unseen)
    async with opened(url, Mutations()) as new:
        new.clock.now = store.clock.now
        (turn,) = await new.lease(worker="w2")
        assert [each.text for each in turn.messages] == ["five"]
        assert (await new.commit(turn, "fine", worker="w2")).error is None
        new.clock.pass_seconds(timedelta(minutes=1).total_seconds())
        await new.sweep()
        (again,) = await new.lease(worker="w2")
        assert [each.text for each in again.messages] == ["four 😀"]
        sent = await new.lease_deliveries(worker="s2")
        assert sorted(each.text for each in sent) == ["fine", "two"]
        assert sorted(await new.delivery_states()) == ["delivered", "queued", "queued", "unknown"]


async def test_what_was_heard_before_is_known_there(store: Store, postgres_server: Server) -> None:
    ((provider_id,),) = await store.fetch("SELECT provider_message_id FROM messages WHERE text = 'five'")
    url = postgres_server.fresh(migrate)
    await move(store.url, url, progress=unseen)
    async with opened(url, Mutations()) as new:
        message = a_message("five", chat_id="waiting", provider_message_id=provider_id)
        assert [each.duplicate for each in (await new.accept(message)).messages] == [True]


async def test_a_database_that_holds_something_is_left_alone(
    store: Store, tmp_path: Path, postgres_server: Server
) -> None:
    async with open_store("postgres", tmp_path, postgres_server) as other:
        before = await rows_of(other.url)
        with pytest.raises(SettingsError, match=r"its table \w+ has rows already; name a fresh database"):
            await move(store.url, other.url, progress=unseen)
        assert await rows_of(other.url) == before


async def test_a_nul_that_sqlite_took_is_left_behind_and_the_rows_are_counted(
    store: Store, postgres_server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ((message_id,),) = await store.fetch("SELECT id FROM messages WHERE text = 'five'")
    await store.execute("UPDATE messages SET text = :odd WHERE id = :id", odd="pasted\0text\0", id=message_id)
    await store.execute("UPDATE prompt_versions SET text = :odd WHERE id = :id", odd="You are\0kind.", id=VERSION)
    before, url = await rows_of(store.url), postgres_server.fresh()
    monkeypatch.setenv("STORAGE_ADDRESS", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("DATABASE_URL", url)
    await command.move(Path(store.url.removeprefix("sqlite:///")))
    assert "2 of them held a NUL, which Postgres cannot keep in a text" in capsys.readouterr().out
    after = await rows_of(url)
    assert [len(rows) for rows in after.values()] == [len(rows) for rows in before.values()]
    assert "pastedtext" in {value for row in after["messages"] for value in row}
    assert "You arekind." in {value for row in after["prompt_versions"] for value in row}
    assert await rows_of(store.url) == before


async def test_a_row_that_postgres_refuses_ends_the_move_and_nothing_is_copied(
    store: Store, postgres_server: Server
) -> None:
    await store.execute("UPDATE messages SET seq = 'a secret' WHERE text = 'five'")
    url = postgres_server.fresh(migrate)
    with pytest.raises(SettingsError) as raised:
        await move(store.url, url, progress=unseen)
    assert str(raised.value) == "DATABASE_URL: rows of messages are refused, so nothing was copied"
    assert not any((await rows_of(url)).values())


async def pictures(store: Store, *, pieces: int) -> None:
    for number in range(pieces):
        await store.execute(
            "INSERT INTO media_pieces (tenant_id, media_id, number, content) VALUES (:t, 'm', :n, zeroblob(262144))",
            t=TENANT, n=number,
        )  # fmt: skip


async def test_attachments_go_along_a_few_megabytes_at_once(store: Store, postgres_server: Server) -> None:
    await pictures(store, pieces=40)
    url, seen = postgres_server.fresh(migrate), []

    def see(table: str, /, *, copied: int, total: int) -> None:
        if table == "media_pieces":
            seen.append((copied, total))

    await move(store.url, url, progress=see)
    assert seen == [(0, 40), (15, 40), (30, 40), (40, 40)]
    assert await rows_of(url) == await rows_of(store.url)


async def test_a_way_that_breaks_is_told_in_a_line_and_nothing_is_copied(
    store: Store, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pictures(store, pieces=8)
    url = postgres_server.fresh(migrate)
    monkeypatch.setenv("STORAGE_ADDRESS", f"127.0.0.1:{free_port()}")
    async with Front(url, most_bytes=1_500_000) as front:
        monkeypatch.setenv("DATABASE_URL", front.named())
        with pytest.raises(Mistake, match=r"^DATABASE_URL: .*; nothing was copied$"):
            await command.move(Path(store.url.removeprefix("sqlite:///")))
    assert not any((await rows_of(url)).values())


async def test_the_command_moves_a_file_and_says_what_goes_along(
    store: Store, postgres_server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path(store.url.removeprefix("sqlite:///"))
    monkeypatch.setenv("STORAGE_ADDRESS", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("DATABASE_URL", store.url)
    with pytest.raises(Mistake, match="DATABASE_URL names no Postgres"):
        await command.move(file)
    url = postgres_server.fresh()
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(Mistake, match="there is no file"):
        await command.move(file.with_name("other.db"))
    with alone(store.url) as storage:
        storage.take()
        with pytest.raises(Mistake, match=r"a storage is at work on /.*, from another address"):
            await command.move(file)
    await command.move(file)
    said = capsys.readouterr().out
    total = sum(map(len, (await rows_of(url)).values()))
    assert f"copied {total:,} rows" in said
    assert "secret.key" in said
    with pytest.raises(Mistake, match="has rows already"):
        await command.move(file)


async def test_an_older_file_is_migrated_first(
    tmp_path: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "old.db"
    await schema.migrate(f"sqlite:///{file}", "0015")
    monkeypatch.setenv("STORAGE_ADDRESS", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("DATABASE_URL", postgres_server.fresh())
    with pytest.raises(Mistake, match=r"old.db is at 0015, this version needs") as raised:
        await command.move(file)
    assert raised.value.fix == f"DATABASE_URL=sqlite:///{file} parley migrate"
    await schema.migrate(f"sqlite:///{file}")
    await command.move(file)


def test_who_lives_is_not_copied() -> None:
    assert {"replicas"} == LEFT
    assert "messages" in {table.name for table in _tables()}
