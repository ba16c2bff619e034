"""Which meshes are tested? One process and five, on SQLite and Postgres, each started once and shared."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mesh.gates import Gates
from tests.mesh.rig import FIVE, ONE, Mesh, Plan, Storage
from tests.mesh.stepping import URL
from tests.mesh.talk import Talk
from tests.mesh.world import World
from tests.postgres import Server
from tests.waiting import until

SHAPES = ("one-sqlite", "one-postgres", "five-sqlite", "five-postgres")
BOTH = pytest.mark.parametrize("mesh", ["one-sqlite", "five-postgres"], indirect=True, scope="session")
FULL = pytest.mark.parametrize("mesh", ["five-postgres"], indirect=True, scope="session")


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The providers and the model server of all meshes."""
    with World() as around:
        yield around


@pytest.fixture(autouse=True)
def _every_call_keeps_to_its_providers_description(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a mesh called during a test."""
    yield
    if "world" in request.fixturenames:
        world: World = request.getfixturevalue("world")
        assert world.complaints() == []


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


@pytest.fixture
async def storage(mesh: Mesh) -> AsyncIterator[Storage]:
    async with mesh.storage() as caller:
        yield caller


@pytest.fixture
async def talk(mesh: Mesh) -> AsyncIterator[Talk]:
    async with Talk(mesh) as everybody:
        yield everybody


@dataclass(frozen=True, slots=True)
class Stepped:
    """A mesh whose agent can be held at every step of a turn."""

    mesh: Mesh
    world: World
    gates: Gates

    def hold(self, who: str, step: str) -> None:
        """The turn of this person's message, which names them, waits at this step."""
        self.world.run(self.gates.hold(who, step))

    async def held(self, who: str) -> str:
        """Waits until it is there. Which conversation that is."""
        await until(lambda: self.gates.held(who))
        return self.gates.held(who)

    def let_go(self, who: str) -> None:
        self.world.run(self.gates.let_go(who))

    def let_all_go(self) -> None:
        """Whatever became of a test, nothing is held in the next one."""
        self.world.run(self.gates.let_all_go())
        self.world.run(self.world.ollama.switch("ok"))


@pytest.fixture(scope="session")
def stepped(world: World, postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stepped]:
    """Five processes on Postgres; what is written to them is answered without a quiet window."""
    gates = Gates()
    world.run(gates.start())
    folder, url = tmp_path_factory.mktemp("stepped"), postgres_server.fresh()
    environment = {**world.environment(), URL: gates.url, "AGENT_LEASE_SECONDS": "5"}
    plan = Plan(folder, url, FIVE, environment, {"agent": ("-m", "tests.mesh.stepping")})
    with Mesh(plan) as mesh:
        world.run(_no_quiet_window(mesh))
        yield Stepped(mesh, world, gates)
        world.run(gates.stop())
    postgres_server.drop(url)


async def _no_quiet_window(mesh: Mesh) -> None:
    async with mesh.storage() as storage:
        await storage.set_quiet_window(0)
