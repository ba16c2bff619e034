"""A model service as it runs, on a free port, with a caller in front of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kit import logs
from kit.calling import Mesh
from kit.proxies import Proxies
from kit.serving import Server
from llm_service.backends.servers import Servers, Terms
from llm_service.backends.wire import Wire, connected
from llm_service.domain import catalogue
from llm_service.domain.attempts import Attempts, Patience
from llm_service.domain.breaker import Rule
from llm_service.domain.calls import Calls
from llm_service.domain.choice import Choice, Wishes
from llm_service.domain.tokens import Estimate
from llm_service.domain.watching import watch
from llm_service.server import LlmServer
from llm_service.settings import Settings
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import prompt_pb2
from parley.llm.v1.llm_service_pb2_grpc import LlmServiceStub, add_LlmServiceServicer_to_server

if TYPE_CHECKING:
    from parley.llm.v1.llm_service_pb2_grpc import LlmServiceAsyncStub

MOST_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Setup:
    """What a test wants otherwise than it is off the shelf."""

    kind: str = "ollama"
    places: int = 64
    queue: int = 0
    silence_seconds: float = 1.0
    rule: Rule = field(default_factory=Rule)
    clock: Callable[[], float] = time.monotonic
    key: str = ""
    models: dict[str, dict[str, object]] = field(default_factory=dict)
    others: dict[str, dict[str, object]] = field(default_factory=dict)  # more backends

    def catalogue(self, base_url: str) -> catalogue.Catalogue:
        places = {"concurrency": self.places, "queue": self.queue}
        here = {"kind": self.kind, "base_url": base_url if self.kind == "ollama" else f"{base_url}/v1", **places}
        return catalogue.Catalogue.model_validate({"backends": {self.kind: here, **self.others}, "models": self.models})


class Unchanging:
    """A models.toml that nobody touches."""

    name = "models.toml"

    def changed(self) -> bool:
        return False

    def read(self) -> catalogue.Catalogue:
        raise AssertionError("it has not changed")


@asynccontextmanager
async def wired(base_url: str, *, key: str = "") -> AsyncIterator[Wire]:
    """The wire to a model server, as the service has it."""
    wire = connected(base_url, connections=72, most_bytes=MOST_BYTES, key=key)
    try:
        yield wire
    finally:
        await wire.aclose()


def choosing(base_url: str, setup: Setup) -> Choice:
    """The choice of a service whose one model server is at the URL."""
    terms = Terms(
        openai_base_url=f"{base_url}/v1",
        openai_api_key=setup.key,
        answer_bytes=MOST_BYTES,
        window_tokens=4096,
        concurrency=setup.places,
        queue=setup.queue,
        rule=setup.rule,
        clock=setup.clock,
        proxies=Proxies(),
    )
    servers = Servers(terms)
    wishes = Wishes(named=True, window_tokens=4096, recheck_seconds=0.1, silence_seconds=setup.silence_seconds)
    return Choice(setup.catalogue(base_url), servers, echo=servers.echo(), wishes=wishes)


@asynccontextmanager
async def serving(base_url: str, folder: Path, setup: Setup | None = None) -> "AsyncIterator[LlmServiceAsyncStub]":
    """A caller of a running model service whose model server is at the URL."""
    setup = setup or Setup()
    choice, estimate = choosing(base_url, setup), Estimate()
    calls = Calls(choice, Attempts(Patience(random=lambda: 0.1)), estimate=estimate)
    settings = Settings(data_dir=folder, mesh_drain_delay_seconds=0, log_level="error")
    logs.configure(settings, "llm")
    server = Server("llm", "127.0.0.1:0", settings=settings)
    front = LlmServer(calls, choice, estimate=estimate)
    server.add(add_LlmServiceServicer_to_server, front, service="parley.llm.v1.LlmService")
    port = await server.start()
    watching = asyncio.create_task(watch(choice, Unchanging(), every_seconds=0.1))
    mesh = Mesh(Settings(data_dir=folder, llm_address=f"127.0.0.1:{port}"))
    await mesh.open()
    try:
        yield LlmServiceStub(mesh.channel("llm"))
    finally:
        await mesh.close()
        await server.drain(0.1)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await choice.aclose()


def a_prompt(*texts: str, model: str = "") -> prompt_pb2.Prompt:
    said = [prompt_pb2.PromptMessage(role=Role.ROLE_CONTACT, text=text) for text in texts or ("hello there",)]
    system = prompt_pb2.PromptMessage(role=Role.ROLE_SYSTEM, text="Be kind.")
    return prompt_pb2.Prompt(model=model, messages=[system, *said])
