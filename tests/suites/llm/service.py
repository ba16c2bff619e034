"""A model service as it runs, on a free port, with a caller in front of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kit import logs
from kit.calling import Mesh
from kit.serving import Server
from llm_service.backends import echo
from llm_service.backends.ollama import Ollama
from llm_service.backends.wire import Wire, connected
from llm_service.domain.bulkhead import Bulkheads
from llm_service.domain.calls import Calls, Patience
from llm_service.domain.choice import Choice, Route, Wishes
from llm_service.server import LlmServer
from llm_service.settings import Settings
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import llm_service_pb2 as llm
from parley.llm.v1.llm_service_pb2_grpc import LlmServiceStub, add_LlmServiceServicer_to_server

if TYPE_CHECKING:
    from parley.llm.v1.llm_service_pb2_grpc import LlmServiceAsyncStub

MOST_BYTES = 1024 * 1024


@asynccontextmanager
async def wired(base_url: str) -> AsyncIterator[Wire]:
    """The wire to a model server, as the service has it."""
    wire = connected(base_url, connections=72, most_bytes=MOST_BYTES)
    try:
        yield wire
    finally:
        await wire.aclose()


@asynccontextmanager
async def serving(
    base_url: str, folder: Path, *, named: bool = True, places: int = 64, silence_seconds: float = 1.0
) -> "AsyncIterator[LlmServiceAsyncStub]":
    """A caller of a running model service whose model server is at the URL."""
    async with wired(base_url) as wire:
        wishes = Wishes(base_url, named, "", 4096, 0.1)
        choice = Choice(Ollama(wire, window_tokens=4096), Route(echo.Echo(), echo.MODEL), wishes=wishes)
        calls = Calls(choice, Bulkheads(places), patience=Patience(silence_seconds, random=lambda: 0.1))
        settings = Settings(data_dir=folder, mesh_drain_delay_seconds=0, log_level="error")
        logs.configure(settings, "llm")
        server = Server("llm", "127.0.0.1:0", settings=settings)
        server.add(add_LlmServiceServicer_to_server, LlmServer(calls, choice), service="parley.llm.v1.LlmService")
        port = await server.start()
        watching = asyncio.create_task(choice.watch())
        mesh = Mesh(Settings(data_dir=folder, llm_address=f"127.0.0.1:{port}"))
        await mesh.open()
        try:
            yield LlmServiceStub(mesh.channel("llm"))
        finally:
            await mesh.close()
            await server.drain(0.1)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


def a_prompt(*texts: str, model: str = "") -> llm.Prompt:
    said = [llm.PromptMessage(role=Role.ROLE_CONTACT, text=text) for text in texts or ("hello there",)]
    system = llm.PromptMessage(role=Role.ROLE_SYSTEM, text="Be kind.")
    return llm.Prompt(model=model, messages=[system, *said])
