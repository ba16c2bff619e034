"""Does storage say, once, why nothing can be written to its SQLite file, and that something can be again?"""

import io
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kit import logs
from kit.errors import StorageUnavailable
from storage_service.settings import Settings
from tests.postgres import Server
from tests.suites.storage.hot import open_store


@contextmanager
def nothing_may_be_written() -> Iterator[None]:
    """To any file: the kernel refuses it, as a disk without room would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def events(stream: io.StringIO) -> list[tuple[str, str]]:
    lines = map(json.loads, stream.getvalue().splitlines())
    return [(line["event"], line.get("code", "")) for line in lines if line["event"].startswith("database.")]


async def test_why_nothing_can_be_written_is_told_once_and_so_is_that_it_can_be_again(
    tmp_path: Path, postgres_server: Server
) -> None:
    stream, lost, back = io.StringIO(), ("database.lost", "SQLITE_IOERR_WRITE"), ("database.back", "")
    logs.configure(Settings(data_dir=tmp_path), "storage", stream=stream)
    async with open_store("sqlite", tmp_path, postgres_server) as store:
        await store.hear("before")
        with nothing_may_be_written():
            for _ in range(3):
                with pytest.raises(StorageUnavailable):
                    await store.hear("meanwhile")
                assert await store.lease_deliveries() == [], "what only looks goes on"
        assert events(stream) == [lost]
        await store.hear("afterwards")
        assert events(stream) == [lost, back]
        (turn,) = await store.lease()
    assert [each.text for each in turn.messages] == ["before", "afterwards"]
