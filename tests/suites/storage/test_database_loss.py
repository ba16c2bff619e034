"""When Postgres dies or freezes nobody hangs, nothing is said to be durable that is not, and it recovers by itself."""

import asyncio
import io
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from kit import logs
from kit.errors import StorageUnavailable
from kit.ids import new_id
from kit.lifetime import Lifetime
from storage_service.__main__ import serve
from storage_service.backends.postgres.database import KINDS, PostgresDatabase
from storage_service.domain.events import Events
from storage_service.domain.inbox import Inbox
from storage_service.domain.mutations import Mutations
from storage_service.settings import Settings
from tests.postgres import Cluster
from tests.simulated.wire import free_port
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.doors import an_ask, an_inbox, running
from tests.suites.storage.hot import Store, a_message, a_submission, migrate, opened, seed


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as own:
        yield own


@pytest.fixture
async def store(cluster: Cluster) -> AsyncIterator[Store]:
    async with opened(cluster.fresh(migrate), Mutations()) as store:
        await seed(store)
        yield store


async def accepted_again(inbox: Inbox, number: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await inbox.accept([a_submission(a_message(provider_message_id=f"{number}"))])
            except StorageUnavailable:
                await asyncio.sleep(0.05)
            else:
                return


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_a_database_that_dies_is_refused_at_once_and_found_again(
    cluster: Cluster, store: Store, how: str
) -> None:
    async with running(store) as inbox:
        await accepted_again(inbox, 1)
        waiting = asyncio.create_task(inbox.lease(an_ask("w9"), 0))
        (turn,) = await waiting
        await asyncio.to_thread(getattr(cluster, how))
        began = asyncio.get_running_loop().time()
        with pytest.raises(StorageUnavailable) as refused:
            await inbox.accept([a_submission(a_message(provider_message_id="2"))])
        assert refused.value.retry_after is not None
        with pytest.raises(StorageUnavailable):
            await inbox.lease(an_ask(), 5)
        assert asyncio.get_running_loop().time() - began < 2
        await asyncio.to_thread(cluster.start)
        await accepted_again(inbox, 2)
        await inbox.accept([a_submission(a_message(provider_message_id="1"))])
        kept = await store.fetch("SELECT provider_message_id FROM messages ORDER BY seq")
        assert [row[0] for row in kept] == ["1", "2"]
        assert turn.turn_id in {row[0] for row in await store.fetch("SELECT id FROM turns WHERE state = 'running'")}


async def test_a_frozen_database_is_a_lost_one(cluster: Cluster, store: Store) -> None:
    database = PostgresDatabase(
        store.url, replica_id=new_id(), committed=Events(store.wakeups).committed, work_seconds=0.5
    )
    inbox = an_inbox(store, database)
    await accepted_again(inbox, 1)
    cluster.pause()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            with pytest.raises(StorageUnavailable):
                await inbox.accept([a_submission(a_message(provider_message_id="2"))])
    finally:
        cluster.resume()
    await accepted_again(inbox, 2)
    await inbox.close()
    await database.close()
    assert await store.fetch("SELECT count(*) FROM messages") == [(2,)]


async def test_a_lost_acknowledgement_is_repaired_by_asking_again(store: Store) -> None:
    """The commit reached the disk, its answer did not reach the caller: the same call again gives the same ids."""
    first = (await store.accept(a_message())).messages[0]
    again = (await store.accept(a_message())).messages[0]
    assert again.duplicate
    assert (again.message_id, again.turn_id) == (first.message_id, first.turn_id)


async def test_a_storage_without_its_database_is_not_ready_until_it_is_back(cluster: Cluster, tmp_path: Path) -> None:
    """For those who do not call it: load balancers, orchestrators, and people who look."""
    address = f"127.0.0.1:{free_port()}"
    settings = Settings(
        data_dir=tmp_path / "data",
        database_url=cluster.fresh(),
        storage_address=address,
        mesh_token="mesh-token-of-the-tests",
        mesh_drain_delay_seconds=0,
        storage_sweep_seconds=0.1,
    )
    said = io.StringIO()
    logs.configure(settings, "storage", stream=said)
    lifetime = Lifetime()
    service = asyncio.create_task(serve(settings, lifetime))
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await lifetime.wait_ready(["storage"])
    async with grpc.aio.insecure_channel(address) as channel:
        stub = HealthStub(channel)

        async def says(serving: bool) -> None:
            wanted = HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (await stub.Check(HealthCheckRequest(), timeout=PATIENCE_SECONDS)).status != wanted:
                    await asyncio.sleep(0.05)
            assert lifetime.is_ready("storage") is serving

        await says(True)
        await asyncio.to_thread(cluster.stop)
        await says(False)
        await asyncio.to_thread(cluster.start)
        await says(True)
    lifetime.stop()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await service
    assert most_often(said) <= len(KINDS), "what is away is told once, by each way to it"
    assert "database.back" in said.getvalue()


def most_often(said: io.StringIO) -> int:
    """How often the same was a warning."""
    lines = map(json.loads, said.getvalue().splitlines())
    warned = Counter((line["event"], line["reason"], line.get("sweep")) for line in lines if line["level"] == "warning")
    return max(warned.values())
