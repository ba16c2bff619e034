"""One house for each database, shared by a module: what a test plays has ids of its own, or is looked at by channel."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.postgres import Server
from tests.suites.played.house import House, standing

DATABASES = ("sqlite", "postgres")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=DATABASES)
async def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_server: Server
) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("played")
    on_postgres = request.param == "postgres"
    url = postgres_server.fresh() if on_postgres else f"sqlite:///{folder / 'parley.db'}"
    async with standing(folder, url) as opened:
        yield opened
    if on_postgres:
        postgres_server.drop(url)
