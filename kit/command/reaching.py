"""How does the command reach a running mesh? Over gRPC with the mesh credential, over HTTP at the gateway."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
import httpx

from kit.addresses import Address
from kit.calling import Mesh
from kit.command.screen import Mistake
from kit.command.settings import heed
from kit.credentials import FILE_NAME, uses_tls
from kit.errors import NotFound, ParleyError, from_rpc
from kit.settings import Settings
from parley.llm.v1 import llm_service_pb2_grpc, model_pb2

CALL_SECONDS = 10.0
TLS = "MESH_TLS_CA, MESH_TLS_CERT and MESH_TLS_KEY"
# What gRPC says of a connection that never came about ("connections to all backends failing; last error: …"): ours and
# theirs do not fit, or they end it at once.
NEVER_CONNECTED = "last error:"
HANDSHAKE_FAILED, HUNG_UP = "handshake failed", "Socket closed"


class Away(Mistake):
    """A service that does not answer."""


def gateway_url(settings: Any) -> str:
    """Where a browser on this machine finds the gateway."""
    host = settings.http_host
    shown = "localhost" if host in ("", "0.0.0.0", "::", "127.0.0.1") else host
    return f"http://{Address(shown, settings.http_port)}"


def base_url(given: str | None, settings: Any) -> str:
    """The gateway that was named, else the one of this machine."""
    if not given:
        return gateway_url(settings)
    try:
        named = httpx.URL(given)
    except httpx.InvalidURL:
        named = httpx.URL()
    if named.scheme not in ("http", "https") or not named.host:
        raise Mistake(f"{given!r} is no address of a gateway", fix="--url http://HOST:PORT, for example")
    return given.rstrip("/")


@asynccontextmanager
async def channel(settings: Settings, service: str) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a service. What goes wrong in its calls becomes one line with a fix."""
    heed(settings)
    require_a_credential(settings)
    mesh = Mesh(settings)
    await mesh.open()
    try:
        yield mesh.channel(service)
    except ParleyError as error:
        raise Mistake(f"{service}: {error}", fix="parley doctor", code=1) from error
    except grpc.aio.AioRpcError as error:
        raise _as_mistake(service, error) from error
    finally:
        await mesh.close()


def require_a_credential(settings: Settings) -> None:
    """A look at a mesh must not make a token of its own, which the mesh would not know."""
    file = settings.data_dir / FILE_NAME
    if not (settings.mesh_token.get_secret_value() or uses_tls(settings) or file.exists()):
        raise Mistake(
            f"no mesh has run with the data folder {settings.data_dir.resolve()}",
            fix="start it: parley up; or set DATA_DIR, or MESH_TOKEN, to what the mesh has",
            code=1,
        )


@contextmanager
def naming(what: str, *, fix: str) -> Iterator[None]:
    """A call within that finds nothing says what there is not, and where to look."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        if isinstance(from_rpc(error), NotFound):
            raise Mistake(what, fix=fix, code=1) from None
        raise


def web(base: str, *, timeout_seconds: float, **more: Any) -> httpx.AsyncClient:
    """A client of the gateway there. Whom TLS trusts takes longer to read than all the rest takes, so plain HTTP goes
    without; no redirect is followed to where TLS is."""
    plain = base.lower().startswith("http:")
    return httpx.AsyncClient(timeout=timeout_seconds, trust_env=False, verify=not plain, **more)


async def answers(url: str) -> bool:
    """Whether a GET gives 200."""
    try:
        async with web(url, timeout_seconds=2) as client:
            return (await client.get(url)).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


async def model_found(settings: Settings) -> str:
    """Which model answers by default, and why."""
    async with channel(settings, "llm") as llm:
        stub = llm_service_pb2_grpc.LlmServiceStub(llm)
        found = await stub.ListModels(model_pb2.ListModelsRequest(), timeout=CALL_SECONDS)
    named = f"{found.default_model} ({found.default_backend})"
    return f"{named}: {found.note}" if found.note else named


def _as_mistake(service: str, error: grpc.aio.AioRpcError) -> Mistake:
    details = error.details() or ""
    if NEVER_CONNECTED in details and HANDSHAKE_FAILED in details:
        return Mistake(
            f"the {service} service and we do not know each other's certificates",
            fix=f"set {TLS} to what the mesh has, or none of them when it has none; have they expired?",
            code=1,
        )
    if NEVER_CONNECTED in details and HUNG_UP in details:
        return Mistake(
            f"the {service} service hangs up at once",
            fix=f"has the mesh certificates? Set {TLS} to what it has; if not, another program may listen there",
            code=1,
        )
    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return Away(f"the {service} service does not answer", fix="start it: parley up; or ask: parley doctor", code=1)
    if error.code() is grpc.StatusCode.UNAUTHENTICATED:
        return Mistake(
            f"the {service} service refuses our credential",
            fix="run this where the mesh runs, with its DATA_DIR (whose mesh.token it reads) or its MESH_TOKEN",
            code=1,
        )
    return Mistake(f"{service}: {error.details()} ({error.code().name})", code=1)
