"""What does storage do by itself when it starts? It seals under its first key what an older one sealed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlmodel import col, select

from kit.lifetime import Lifetime
from kit.settings import SettingsError
from storage_service.__main__ import serve
from storage_service.backends.accounts import Accounts
from storage_service.backends.seeding import ensure_default
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import ChannelAccount
from storage_service.settings import Settings
from tests.postgres import Cluster
from tests.postgres import Server as Postgres
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.world import DATABASES, MESH_TOKEN, World, open_world

OLD, NEW, LOST = (f"{name}:{letter * 43}=" for name, letter in (("k1", "A"), ("k2", "B"), ("k0", "C")))


@pytest.fixture(params=DATABASES)
async def world(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Postgres) -> AsyncIterator[World]:
    async with open_world(request.param, tmp_path, postgres_server, keys=OLD) as opened:
        await opened.tenant("acme")
        yield opened


@contextlib.asynccontextmanager
async def running(url: str, folder: Path, secret_keys: str) -> AsyncIterator[Lifetime]:
    """The service as its process runs it."""
    settings = Settings(
        data_dir=folder / "data",
        database_url=url,
        storage_address="127.0.0.1:0",
        mesh_token=MESH_TOKEN,
        mesh_drain_delay_seconds=0,
        secret_keys=secret_keys,
    )
    lifetime = Lifetime()
    service, ready = (
        asyncio.create_task(serve(settings, lifetime)),
        asyncio.create_task(lifetime.wait_ready(["storage"])),
    )
    done, _ = await asyncio.wait([service, ready], timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    if service in done:
        await service
    assert ready in done
    yield lifetime
    lifetime.stop()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await service


async def key_ids(world: World) -> set[str]:
    async with world.sessions.across_tenants() as session:
        accounts = (await session.exec(select(ChannelAccount).where(col(ChannelAccount.tenant_id) == "acme"))).all()
        return {account.credentials_key_id for account in accounts}


async def until_sealed_by(world: World, *expected: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await key_ids(world) != set(expected):
            await asyncio.sleep(0.02)


async def test_what_an_older_key_sealed_is_sealed_anew_after_the_start(
    world: World, tmp_path: Path, postgres_server: Postgres
) -> None:
    account = await world.account("acme")
    assert await key_ids(world) == {"k1"}
    async with running(world.url, tmp_path, f"{NEW},{OLD}"):
        await until_sealed_by(world, "k2")
    async with open_world(world.url, tmp_path, postgres_server, keys=NEW) as without_the_old_key:
        (opened,) = await without_the_old_key.vault.secrets([account.id])
    assert dict(opened.credentials) == {"auth_token": "secret of acme"}


async def test_a_secret_whose_key_is_lost_keeps_neither_the_others_nor_the_service(
    world: World, tmp_path: Path, postgres_server: Postgres
) -> None:
    await world.account("acme")
    async with open_world(world.url, tmp_path, postgres_server, keys=LOST) as elsewhere:
        await elsewhere.account("acme", address="+2")
    assert await key_ids(world) == {"k0", "k1"}
    async with running(world.url, tmp_path, f"{NEW},{OLD}") as lifetime:
        await until_sealed_by(world, "k0", "k2")
        assert lifetime.is_ready("storage")


async def test_a_database_that_dies_amid_the_start_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its tables were made, before the default tenant was."""
    mending: list[asyncio.Task[None]] = []

    async def dies_once(sessions: Sessions, accounts: Accounts) -> None:
        if not mending:
            await asyncio.to_thread(cluster.kill)
            mending.append(asyncio.create_task(asyncio.to_thread(cluster.start)))
        await ensure_default(sessions, accounts)

    monkeypatch.setattr("storage_service.__main__.ensure_default", dies_once)
    with Cluster() as cluster:
        async with running(cluster.fresh(), tmp_path, NEW) as lifetime:
            assert lifetime.is_ready("storage")
            await asyncio.gather(*mending)


async def test_a_storage_that_can_keep_no_key_says_which_setting_is_missing(tmp_path: Path) -> None:
    """Else each pod would seal credentials with a key that is gone with it."""
    (tmp_path / "secret.key").mkdir()
    settings = Settings(data_dir=tmp_path, storage_address="127.0.0.1:0", mesh_token=MESH_TOKEN)
    with pytest.raises(SettingsError, match="SECRET_KEYS: it is not set, and no key can be kept"):
        await serve(settings, Lifetime())


@pytest.mark.parametrize("name", ["with a space", "дата", "50%20", "what?mode=memory", "#1"])
async def test_the_file_is_made_in_the_data_folder_whatever_that_is_called(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    (folder / "data").mkdir(parents=True)
    async with running("", folder, NEW):
        assert (folder / "data" / "parley.db").stat().st_size > 0
    assert [each.name for each in tmp_path.iterdir()] == [name]
