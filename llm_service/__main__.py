"""Constructs the model service and runs it: `python -m llm_service`."""

import asyncio
import random
from urllib.parse import urlsplit

from kit import process
from kit.lifetime import Lifetime
from kit.serving import Server
from llm_service.backends import echo
from llm_service.backends.ollama import Ollama
from llm_service.backends.wire import Wire, connected
from llm_service.domain.bulkhead import Bulkheads
from llm_service.domain.calls import Calls, Patience
from llm_service.domain.choice import Choice, Route, Wishes
from llm_service.server import LlmServer
from llm_service.settings import Settings
from parley.llm.v1 import llm_service_pb2_grpc as rpc

SERVICE = "parley.llm.v1.LlmService"
# A call that is under way at the stop may take what the caller still has, but no longer than this.
DRAIN_SECONDS = 25.0


async def serve(settings: Settings, lifetime: Lifetime) -> None:
    """Answers until the process is told to stop. Readiness never waits for a model server."""
    # Room for the looks beside the calls; the rest would wait for a connection.
    connections = settings.llm_concurrency + 8
    wire = connected(settings.ollama_base_url, connections=connections, most_bytes=settings.llm_answer_bytes)
    choice = _choice(settings, wire)
    patience = Patience(silence_seconds=settings.llm_silence_seconds, random=random.random)
    calls = Calls(choice, Bulkheads(settings.llm_concurrency), patience=patience)
    server = Server(service="llm", address=settings.llm_address, settings=settings)
    front = LlmServer(calls, choice)
    server.add(rpc.add_LlmServiceServicer_to_server, front, service=SERVICE)
    await server.start()
    looking = asyncio.create_task(choice.watch())
    server.set_serving(True)
    lifetime.ready("llm")
    try:
        await lifetime.wait_stopping()
        await asyncio.gather(server.drain(DRAIN_SECONDS), _ended(front, settings.mesh_drain_delay_seconds))
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await wire.aclose()


async def _ended(front: LlmServer, delay_seconds: float) -> None:
    """When the server takes no new calls any more: who asks on must find another service, not this one again."""
    await asyncio.sleep(delay_seconds)
    front.end_streams()


def _choice(settings: Settings, wire: Wire) -> Choice:
    url = urlsplit(settings.ollama_base_url)
    wishes = Wishes(
        # Without a user and password that it may carry: this one is shown.
        base_url=f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path.rstrip('/')}",
        named=settings.ollama_named,
        default_model=settings.default_model,
        window_tokens=settings.llm_window_tokens,
        recheck_seconds=settings.llm_recheck_seconds,
    )
    ollama = Ollama(wire, window_tokens=settings.llm_window_tokens)
    return Choice(ollama, Route(echo.Echo(), echo.MODEL), wishes=wishes)


def main() -> None:
    process.run("llm", Settings, serve=serve)


if __name__ == "__main__":
    main()
