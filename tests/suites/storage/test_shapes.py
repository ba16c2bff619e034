"""Rows are sent as their tables' own types: what when a table is given another shape while storage runs?"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kit.errors import StorageUnavailable
from storage_service.backends.postgres.link import FIRST_WAIT_SECONDS
from tests.postgres import Server as Postgres
from tests.suites.storage.hot import Store, open_store


@pytest.fixture
async def store(tmp_path: Path, postgres_server: Postgres) -> AsyncIterator[Store]:
    async with open_store("postgres", tmp_path, postgres_server) as opened:
        yield opened


async def test_a_column_that_a_newer_parley_adds_costs_one_refusal_and_no_message(store: Store) -> None:
    await store.hear("before")
    await store.execute("ALTER TABLE messages ADD COLUMN mood text")
    with pytest.raises(StorageUnavailable):
        await store.hear("after")
    await asyncio.sleep(FIRST_WAIT_SECONDS)  # so long nobody is let at a server that seems to be away
    await store.hear("after")
    assert [tuple(row) for row in await store.fetch("SELECT text, mood FROM messages ORDER BY seq")] == [
        ("before", None),
        ("after", None),
    ]
