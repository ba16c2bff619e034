"""A store for each test of sending: on either database, or on SQLite where a thousand steps are taken."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.postgres import Server
from tests.suites.storage.conftest import _databases_end_with_their_test as _databases_end_with_their_test  # noqa: PLC0414
from tests.suites.storage.conftest import store as store  # noqa: PLC0414
from tests.suites.storage.hot import Store, open_store


@pytest.fixture
async def small_store(tmp_path: Path, postgres_server: Server) -> AsyncIterator[Store]:
    async with open_store("sqlite", tmp_path, postgres_server) as opened:
        yield opened
