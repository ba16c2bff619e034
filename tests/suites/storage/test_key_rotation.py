"""Do webhooks come in while replicas of storage are given a new key one after the other?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from parley.storage.v1 import directory_service_pb2 as pb
from storage_service.backends.engines import open_engine
from storage_service.backends.hot import open_hot
from storage_service.backends.vault import FRESH_SECONDS
from storage_service.domain.events import Events
from storage_service.domain.wakeups import Wakeups
from tests.postgres import Server as Postgres
from tests.suites.storage.hot import fresh
from tests.suites.storage.world import World, open_world

OLD, NEW = "k1:" + "A" * 43 + "=", "k2:" + "B" * 42 + "A="


@dataclass(frozen=True)
class Replicas:
    """Of one Postgres."""

    url: str
    folder: Path
    server: Postgres

    @asynccontextmanager
    async def start(self, name: str, keys: str) -> AsyncIterator[World]:
        """One storage that has said that it lives."""
        async with open_world(self.url, self.folder, self.server, keys=keys) as world:
            hot = open_hot(self.url, replica_id=name, events=Events(Wakeups()), key_ids=world.keyring.ids).database
            await hot.open()
            await hot.beat()
            yield world
            await hot.close()

    async def execute(self, statement: str) -> None:
        engine = open_engine(self.url)
        async with engine.begin() as connection:
            await connection.execute(text(statement))
        await engine.dispose()


@pytest.fixture
def replicas(tmp_path: Path, postgres_server: Postgres) -> Replicas:
    return Replicas(fresh("postgres", tmp_path, postgres_server), tmp_path, postgres_server)


async def resolved(world: World, key: str) -> str:
    ask = pb.ResolveChannelAccountRequest(channel="whatsapp", account_key=key)
    answer: pb.ResolveChannelAccountResponse = await world.mesh.call("ResolveChannelAccount", ask)
    return answer.account.credentials["auth_token"]


async def test_nothing_is_sealed_under_a_key_that_a_living_replica_has_not(replicas: Replicas) -> None:
    async with replicas.start("old", OLD) as old:
        await old.tenant("acme")
        account = await old.account("acme")
        async with replicas.start("new", f"{NEW},{OLD}") as new:
            assert await new.vault.lacking() == 1
            rotating = asyncio.create_task(new.vault.rotate_when_possible())
            await asyncio.wait([rotating], timeout=FRESH_SECONDS)
            assert not rotating.done()
            assert await resolved(old, account.account_key) == "secret of acme"
            rotating.cancel()
            await replicas.execute("UPDATE replicas SET seen_at = now() - interval '61 seconds' WHERE id = 'old'")
            async with replicas.start("newer", f"{NEW},{OLD}") as newer:
                assert await newer.vault.lacking() == 0
                await newer.vault.rotate_when_possible()
                assert await newer.vault.rotate() == 0
    async with replicas.start("newest", NEW) as newest:
        assert await resolved(newest, account.account_key) == "secret of acme"


async def test_a_replica_of_before_says_of_no_key_that_it_has_it(replicas: Replicas) -> None:
    await replicas.execute("INSERT INTO replicas (id, seen_at) VALUES ('older', now())")
    async with replicas.start("new", OLD) as new:
        assert await new.vault.lacking() == 1


async def test_an_account_that_a_replica_has_opened_stays_open_when_another_seals_it_anew(replicas: Replicas) -> None:
    async with replicas.start("old", OLD) as old, replicas.start("new", f"{NEW},{OLD}") as new:
        await old.tenant("acme")
        account = await old.account("acme")
        assert await resolved(old, account.account_key) == "secret of acme"
        assert await new.vault.rotate() == 1
        await asyncio.sleep(FRESH_SECONDS)
        assert await resolved(old, account.account_key) == "secret of acme"
        assert len(await old.vault.secrets([account.id])) == 1
        await new.account("acme", state=account.state, credentials={"auth_token": "another"})
        await asyncio.sleep(FRESH_SECONDS)
        assert await old.vault.secrets([account.id]) == []
