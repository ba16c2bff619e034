"""Which meshes are tested? One process and five, on SQLite and Postgres, each started once and shared."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mesh.rig import FIVE, ONE, Mesh, Plan
from tests.mesh.world import World
from tests.postgres import Server

SHAPES = ("one-sqlite", "one-postgres", "five-sqlite", "five-postgres")
BOTH = pytest.mark.parametrize("mesh", ["one-sqlite", "five-postgres"], indirect=True, scope="session")
FULL = pytest.mark.parametrize("mesh", ["five-postgres"], indirect=True, scope="session")


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The providers and the model server of all meshes."""
    with World() as around:
        yield around


@pytest.fixture(scope="session", params=SHAPES)
def mesh(request: pytest.FixtureRequest, world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """A mesh of each shape; a test that needs only some says which with BOTH or FULL."""
    topology, database = request.param.split("-")
    folder: Path = tmp_path_factory.mktemp(request.param)
    server: Server | None = request.getfixturevalue("postgres_server") if database == "postgres" else None
    url = server.fresh() if server else f"sqlite:///{folder / 'parley.db'}"
    services = FIVE if topology == "five" else (ONE,)
    with Mesh(Plan(folder, url, services, world.environment())) as running:
        yield running
    if server:
        server.drop(url)
