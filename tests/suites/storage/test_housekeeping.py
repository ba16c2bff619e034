"""What is forgotten with time? What nobody asks for again, in bites, by whichever process sweeps."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from storage_service.domain import housekeeping
from storage_service.domain.housekeeping import MOST_BITES, SELDOM_TICKS, Housekeeping
from storage_service.domain.pressure import Pressure
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.hot import TENANT, Store

SEEN = "parley_database_seen_timestamp_seconds"


async def remembered(store: Store, request_id: str, *, days_ago: float) -> None:
    await store.execute(
        "INSERT INTO requests (tenant_id, rpc, request_id, digest, response, created_at) "
        "VALUES (:t, 'PutAgent', :id, :empty, :empty, :at)",
        t=TENANT, id=request_id, empty=b"", at=store.clock.now - timedelta(days=days_ago),
    )  # fmt: skip


async def left(store: Store) -> list[str]:
    return [row[0] for row in await store.fetch("SELECT request_id FROM requests ORDER BY request_id")]


async def test_a_request_id_is_remembered_for_a_week_and_forgotten_in_bites(store: Store) -> None:
    for number in range(5):
        await remembered(store, f"old-{number}", days_ago=8 + number)
    await remembered(store, "young", days_ago=6.9)
    sweeper = replace(store.sweeper, bite=2)
    assert await store.database.run("sweep", sweeper.old_requests) == 2
    assert await left(store) == ["old-0", "old-1", "old-2", "young"], "the oldest go first"


async def test_a_receipt_about_nothing_that_we_sent_is_kept_as_long_as_a_body_is(store: Store) -> None:
    await store.hear("hello")
    (turn,) = await store.lease()
    await store.commit(turn, "hi")
    (held,) = await store.lease_deliveries()
    await store.record(held, "BEGUN")
    await store.record(held, "SENT", provider_message_id="ours")
    for number, name in enumerate(("ours", "wamid.of +1555", "wamid.of +1556")):
        await store.receive("DELIVERED", provider_message_id=name)
        age = timedelta(days=6.9 if number == 2 else 8)
        at = "created_at = :at WHERE provider_message_id = :name"
        await store.execute(f"UPDATE receipts SET {at}", at=store.clock.now - age, name=name)
    assert await store.database.run("sweep", store.sweeper.old_receipts) == 1
    kept = await store.fetch("SELECT provider_message_id FROM receipts ORDER BY provider_message_id")
    assert kept == [("ours",), ("wamid.of +1556",)]


async def test_housekeeping_forgets_until_nothing_old_is_left(store: Store) -> None:
    for number in range(5):
        await remembered(store, f"old-{number}", days_ago=8)
    await remembered(store, "young", days_ago=1)
    stopping = asyncio.Event()
    sweeper = replace(store.sweeper, bite=2)
    keeping = asyncio.create_task(Housekeeping(store.database, sweeper, pressure=Pressure(10, 10)).run(stopping))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await left(store) != ["young"]:
            await asyncio.sleep(0.02)
    stopping.set()
    await keeping
    assert REGISTRY.get_sample_value(SEEN), "and it has said that the database is there"


async def test_what_is_too_much_for_one_tick_is_forgotten_with_the_next_ones(store: Store) -> None:
    for number in range(MOST_BITES + 5):
        await remembered(store, f"old-{number}", days_ago=8)
    stopping = asyncio.Event()
    sweeper = replace(store.sweeper, bite=1)
    sweeping = Housekeeping(store.database, sweeper, pressure=Pressure(10, 10))
    keeping = asyncio.create_task(sweeping.run(stopping))
    async with asyncio.timeout(SELDOM_TICKS / 2):  # what is seldom begins anew after twice this time
        while await left(store):
            await asyncio.sleep(0.02)
    stopping.set()
    await keeping


async def test_however_seldom_is_swept_the_database_is_seen_each_second(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "BEAT_SECONDS", 0.01)
    stopping = asyncio.Event()
    keeping = Housekeeping(store.database, store.sweeper, pressure=Pressure(10, 10), every_seconds=600)
    running = asyncio.create_task(keeping.run(stopping))
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(2):
            store.clock.pass_seconds(1)
            while REGISTRY.get_sample_value(SEEN) != store.clock.now.timestamp():
                await asyncio.sleep(0.02)
        await remembered(store, "old", days_ago=8)
        for _ in range(2):
            store.clock.pass_seconds(1)
            while REGISTRY.get_sample_value(SEEN) != store.clock.now.timestamp():
                await asyncio.sleep(0.02)
    stopping.set()
    await running
    assert await left(store) == ["old"], "it was swept once, before"
