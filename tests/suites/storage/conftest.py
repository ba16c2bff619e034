"""The stores, on both databases."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.postgres import Server
from tests.suites.storage.hot import DATABASES, Store, open_store


@pytest.fixture(autouse=True)
def _databases_end_with_their_test(postgres_server: Server) -> Iterator[None]:
    yield
    postgres_server.drop_given()


@pytest.fixture(params=DATABASES)
async def store(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Server) -> AsyncIterator[Store]:
    async with open_store(request.param, tmp_path, postgres_server) as opened:
        yield opened
