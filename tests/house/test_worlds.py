"""Do the tests get the world that they are promised: a real Postgres that can be killed, and tools that are locked?"""

import asyncio
import importlib.util
import json
import re
from pathlib import Path

import asyncpg
import pytest

from scripts import install
from scripts.test_tools import NODE_PROGRAMS
from tests import postgres
from tests.stalls import PATIENCE_SECONDS

PREPARED: list[str] = []


def _prepare(url: str) -> None:
    PREPARED.append(url)
    asyncio.run(_ask(url, "CREATE TABLE kept (word text)"))


async def _ask(url: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url, timeout=PATIENCE_SECONDS)
    try:
        return list(await connection.fetch(statement))
    finally:
        await connection.close()


def test_every_test_gets_a_database_of_its_own(postgres_server: postgres.Server) -> None:
    first, second = postgres_server.fresh(_prepare), postgres_server.fresh(_prepare)
    asyncio.run(_ask(first, "INSERT INTO kept VALUES ('one')"))
    assert asyncio.run(_ask(second, "SELECT * FROM kept")) == []
    assert len(PREPARED) == 1
    postgres_server.drop(first)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        asyncio.run(_ask(first, "SELECT 1"))


def test_a_killed_postgres_comes_back_with_what_was_committed() -> None:
    with postgres.Cluster(fsync=True) as cluster:
        url = cluster.fresh(_prepare)
        asyncio.run(_ask(url, "INSERT INTO kept VALUES ('before')"))
        cluster.kill()
        with pytest.raises(ConnectionRefusedError):
            asyncio.run(_ask(url, "SELECT 1"))
        cluster.start()
        assert [row["word"] for row in asyncio.run(_ask(url, "SELECT word FROM kept"))] == ["before"]
        PREPARED.clear()


def test_a_killed_postgres_takes_its_backends_along_and_a_paused_one_freezes_them() -> None:
    async def see(cluster: postgres.Cluster) -> None:
        connection = await asyncpg.connect(cluster.server_url, timeout=PATIENCE_SECONDS)
        backend: int = await connection.fetchval("SELECT pg_backend_pid()")
        cluster.pause()
        answer = asyncio.ensure_future(connection.fetchval("SELECT 1"))
        assert not (await asyncio.wait([answer], timeout=0.3))[0]
        cluster.resume()
        assert await asyncio.wait_for(answer, PATIENCE_SECONDS) == 1
        cluster.kill()
        assert not Path(f"/proc/{backend}").exists() or "(zombie)" in Path(f"/proc/{backend}/status").read_text()
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await connection.fetchval("SELECT 1", timeout=PATIENCE_SECONDS)
        connection.terminate()

    with postgres.Cluster() as cluster:
        asyncio.run(see(cluster))


def test_no_postgres_is_a_failure_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(postgres, "DEBIAN", Path("/nonexistent"))
    monkeypatch.setattr(postgres, "WHEEL", "no_such_wheel")
    with pytest.raises(LookupError, match="apt-get install postgresql"):
        postgres.binaries()


def test_the_installer_takes_itself_from_the_lock_by_hash() -> None:
    entry = install.locked("uv").splitlines()
    assert re.fullmatch(r"uv==\d+\.\d+\.\d+ \\", entry[0])
    assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in entry[1:])
    assert not entry[-1].endswith("\\")


@pytest.mark.parametrize("name", ["grpc", "sqlalchemy", "fastapi", "kit.serving", "parley.llm.v1.llm_service_pb2"])
def test_no_process_has_to_compile_what_setup_installed(name: str) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.cached is not None
    assert Path(spec.cached).exists()


@pytest.mark.parametrize("folder", NODE_PROGRAMS, ids=lambda folder: folder.name)
def test_the_lock_of_a_node_program_names_no_server(folder: Path) -> None:
    lock = json.loads((folder / "package-lock.json").read_text())
    packages = [package for name, package in lock["packages"].items() if name]
    assert packages
    assert [each for each in packages if "resolved" in each or not each["integrity"].startswith("sha512-")] == []
