"""The stores, on both databases."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.postgres import Server
from tests.suites.storage.hot import DATABASES, Store, open_store


@pytest.fixture(params=DATABASES)
async def store(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Server) -> AsyncIterator[Store]:
    async with open_store(request.param, tmp_path, postgres_server) as opened:
        yield opened
