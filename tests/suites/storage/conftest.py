"""The stores, on both databases."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.postgres import Server
from tests.suites.storage.hot import DATABASES, KEYS, Store, open_store
from tests.suites.storage.world import World, open_world

# What is asked of several replicas, or of its planner, is not asked of SQLite.
ON_POSTGRES = pytest.mark.parametrize("store", ["postgres"], indirect=True)


@pytest.fixture(autouse=True)
def _databases_end_with_their_test(postgres_server: Server) -> Iterator[None]:
    yield
    postgres_server.drop_given()


@pytest.fixture(params=DATABASES)
async def store(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Server) -> AsyncIterator[Store]:
    async with open_store(request.param, tmp_path, postgres_server) as opened:
        yield opened


@pytest.fixture
async def world(store: Store, tmp_path: Path, postgres_server: Server) -> AsyncIterator[World]:
    """The services over the same database."""
    async with open_world(store.url, tmp_path, postgres_server, keys=KEYS) as opened:
        yield opened
