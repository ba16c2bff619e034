"""What a choice is made from: a models.toml, and servers that list what a test says."""

from collections.abc import AsyncGenerator, Mapping

from kit.errors import ModelUnsupported
from llm_service.domain import catalogue
from llm_service.domain.backend import Answer, Model, Progress
from llm_service.domain.catalogue import Catalogue
from llm_service.domain.choice import Choice, Wishes
from llm_service.domain.served import Route, Served
from parley.llm.v1 import model_pb2, prompt_pb2
from tests.unit.llm.scripted import Clock, Scripted, route_to

Rows = dict[str, "model_pb2.ModelState"]


class Listing:
    """A server that lists models, or fails to. It answers nothing."""

    def __init__(self, *models: str, failure: Exception | None = None, closing: Exception | None = None) -> None:
        self.name = ""
        self.lists = models
        self.failure = failure
        self.closing = closing
        self.closed = 0

    async def models(self) -> tuple[Model, ...]:
        if self.failure is not None:
            raise self.failure
        return tuple(Model(each, self.name, 2048, is_for_chat="embed" not in each) for each in self.lists)

    async def answer(self, prompt: prompt_pb2.Prompt, model: Model) -> Answer:
        raise ModelUnsupported

    async def stream(self, prompt: prompt_pb2.Prompt, model: Model) -> AsyncGenerator[str | Answer, None]:
        raise ModelUnsupported
        yield ""

    async def pull(self, name: str) -> AsyncGenerator[Progress, None]:
        yield Progress("success")

    async def aclose(self) -> None:
        self.closed += 1
        if self.closing is not None:
            raise self.closing


class World:
    """A catalogue, the servers that it names, and the choice that is made of both. Time stands still by itself."""

    def __init__(
        self,
        text: str,
        servers: Mapping[str, Listing],
        *,
        default_model: str = "",
        named: bool = False,
        written: str = "models.toml",
    ) -> None:
        self.servers = dict(servers)
        self.clock = Clock()
        echo = Route(route_to(Scripted(name="echo")).served, Model("echo", "echo", 32_768))
        wishes = Wishes(
            named=named, window_tokens=4096, recheck_seconds=5.0, default_model=default_model, written=written
        )
        self.choice = Choice(catalogue.read(text, file="models.toml"), self._connect, echo=echo, wishes=wishes)

    def _connect(self, said: Catalogue, before: Mapping[str, Served]) -> dict[str, Served]:
        """Backends of a name that was there before stay."""
        return {name: before.get(name) or self._served(name, server) for name, server in said.backends.items()}

    def _served(self, name: str, server: catalogue.Server) -> Served:
        self.servers[name].name = name
        served = route_to(self.servers[name], clock=self.clock).served  # type: ignore[arg-type]
        served.kind, served.base_url = server.kind, server.base_url or f"http://{name}"
        served.offers_all, served.reachable = server.offers_all, False
        return served

    async def first(self, name: str = "") -> tuple[str, str]:
        """The backend and the model that are asked first."""
        route = (await self.choice.chain(name))[0]
        return route.served.name, route.model.name

    async def states(self) -> Rows:
        """The state of every model that is listed."""
        return {row.route.model.name: row.state for row in (await self.choice.listing()).rows}

    async def note(self) -> str:
        """What a person reads."""
        return (await self.choice.listing()).note


async def looked(
    text: str,
    servers: Mapping[str, Listing],
    *,
    default_model: str = "",
    named: bool = False,
    written: str = "models.toml",
) -> World:
    """A world after its first look."""
    world = World(text, servers, default_model=default_model, named=named, written=written)
    await world.choice.look()
    return world
