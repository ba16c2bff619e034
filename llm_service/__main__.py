"""Constructs the model service and runs it: `python -m llm_service`."""

import asyncio
import random
import time

from kit import process
from kit.api_keys import AskedKeys
from kit.calling import Mesh
from kit.lifetime import Lifetime
from kit.proxies import proxies
from kit.serving import Server
from kit.settings import SettingsError
from llm_service.backends.models_file import ModelsFile
from llm_service.backends.servers import Servers, Terms
from llm_service.backends.wire import is_url
from llm_service.domain import catalogue
from llm_service.domain.addresses import NO_HOST
from llm_service.domain.attempts import Attempts, Patience
from llm_service.domain.breaker import Rule
from llm_service.domain.calls import Calls
from llm_service.domain.catalogue import Catalogue, CatalogueError
from llm_service.domain.choice import Choice, Wishes
from llm_service.domain.tokens import Estimate
from llm_service.domain.watching import stopping_or_fault, watch
from llm_service.server import LlmServer
from llm_service.settings import Settings
from parley.llm.v1 import llm_service_pb2_grpc as rpc

SERVICE = "parley.llm.v1.LlmService"
# A call that is under way at the stop may take what the caller still has, but no longer than this.
DRAIN_SECONDS = 25.0


async def serve(settings: Settings, lifetime: Lifetime) -> None:
    """Answers until the process is told to stop. Readiness never waits for a model server."""
    file = ModelsFile(settings.models_file, required=settings.models_file_named)
    choice = _choice(settings, file)
    try:
        await _serve(settings, lifetime, choice=choice, file=file)
    finally:
        await choice.aclose()


async def _serve(settings: Settings, lifetime: Lifetime, *, choice: Choice, file: ModelsFile) -> None:
    estimate = Estimate()
    calls = Calls(choice, Attempts(Patience(random=random.random)), estimate=estimate)
    mesh = Mesh(settings)
    await mesh.open()
    keys = AskedKeys(mesh.channel("storage"))
    server = Server(service="llm", address=settings.llm_address, settings=settings, keys=keys)
    front = LlmServer(calls, choice, estimate=estimate)
    server.add(rpc.add_LlmServiceServicer_to_server, front, service=SERVICE)
    await server.start()
    looking = asyncio.create_task(watch(choice, file, every_seconds=settings.llm_recheck_seconds))
    server.set_serving(True)
    lifetime.ready("llm")
    try:
        await stopping_or_fault(lifetime.wait_stopping(), looking)
        await asyncio.gather(server.drain(DRAIN_SECONDS), _ended(front, settings.mesh_drain_delay_seconds))
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await mesh.close()


async def _ended(front: LlmServer, delay_seconds: float) -> None:
    """When the server takes no new calls any more: who asks on must find another service, not this one again."""
    await asyncio.sleep(delay_seconds)
    front.end_streams()


def _choice(settings: Settings, file: ModelsFile) -> Choice:
    rule = Rule(
        open_seconds=settings.llm_breaker_seconds,
        probe_seconds=settings.llm_probe_seconds,
        late_seconds=settings.late_seconds,
    )
    terms = Terms(
        openai_base_url=settings.openai_base_url.rstrip("/"),
        openai_api_key=settings.openai_api_key.get_secret_value(),
        answer_bytes=settings.llm_answer_bytes,
        window_tokens=settings.llm_window_tokens,
        concurrency=settings.llm_concurrency,
        queue=settings.llm_queue,
        rule=rule,
        clock=time.monotonic,
        proxies=proxies(settings, service="llm"),
    )
    wishes = Wishes(
        named=settings.ollama_named or settings.openai_named,
        window_tokens=settings.llm_window_tokens,
        recheck_seconds=settings.llm_recheck_seconds,
        silence_seconds=settings.llm_silence_seconds,
        written=file.name if file.there() else "",
        default_model=settings.default_model,
    )
    for name, url in (("OLLAMA_BASE_URL", settings.ollama_base_url), ("OPENAI_BASE_URL", settings.openai_base_url)):
        if not is_url(url):
            raise SettingsError(f"{name}: {NO_HOST}")
    servers = Servers(terms)
    try:
        return Choice(file.read() if file.there() else _found(settings), servers, echo=servers.echo(), wishes=wishes)
    except CatalogueError as error:
        raise SettingsError(str(error)) from None


def _found(settings: Settings) -> Catalogue:
    """Without models.toml: Ollama where it usually is or was named, and a server of OpenAI's protocol when named."""
    backends: dict[str, catalogue.Server] = {}
    if settings.openai_named:
        backends["openai"] = catalogue.Server(kind="openai")
    if settings.ollama_named or not settings.openai_named:
        backends["ollama"] = catalogue.Server(kind="ollama", base_url=settings.ollama_base_url)
    return Catalogue(backends=backends)


def main() -> None:
    process.alone("llm", Settings, serve=serve)


if __name__ == "__main__":
    main()
