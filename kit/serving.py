"""How does a service answer calls? One gRPC server: guarded handlers, health, reflection, mTLS, and a graceful end."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from kit import addresses, contract, credentials, local, logs, tracing, transport, unguarded
from kit.access import KeyVerifier
from kit.authentication import Authentication
from kit.guarding import Guard
from kit.local_doors import Door
from kit.settings import Settings, SettingsError

REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"

_STATUS = health_pb2.HealthCheckResponse
Handlers = dict[str, Any]


class Server:
    """The gRPC server of one service. Nothing is served before start()."""

    def __init__(self, service: str, address: str, *, settings: Settings, keys: KeyVerifier | None = None) -> None:
        self.service = service
        self._address = address
        self._settings = settings
        self._uses_tls = credentials.uses_tls(settings)
        token = credentials.mesh_token(settings)
        names = [name for each in settings.mesh_tls_names.split(",") if (name := each.strip())]
        known = Authentication(token, keys=keys, certificates=self._uses_tls, names=names)
        self._guard = Guard(known, service)
        self._ending = asyncio.Event()
        self._health = unguarded.Health(self._ending)
        self._services: dict[str, Handlers] = {}
        self._open = {health.SERVICE_NAME: _collected(health_pb2_grpc.add_HealthServicer_to_server, self._health)}
        self._server: grpc.aio.Server | None = None
        self._changes: set[asyncio.Task[None]] = set()
        self._neighbours = local.shared()
        self._door = Door(
            self.handler,
            most_bytes=settings.mesh_max_message_bytes,
            most_calls=settings.mesh_max_concurrent_calls,
        )
        self._log = logs.get(service)

    def add(self, add_to_server: Callable[[Any, Any], None], servicer: object, *, service: str) -> None:
        """Registers a servicer under its full name, for example "parley.storage.v1.InboxService"."""
        rpcs = contract.rpcs_of(contract.service(service))
        handlers = _collected(add_to_server, servicer)
        self._services[service] = {name: self._guard.wrap(rpcs[name], handler) for name, handler in handlers.items()}

    def handler(self, path: str) -> Any:
        """The handler of "/service/Method", guarded unless it is health; None for what is not served."""
        _, service, method = path.split("/")
        return (self._services.get(service) or self._open.get(service, {})).get(method)

    async def start(self) -> int:
        """Listens, reporting NOT_SERVING until set_serving(True). Returns the port."""
        server = grpc.aio.server(
            interceptors=tracing.server_interceptors(),
            options=transport.server_options(self._settings),
            maximum_concurrent_rpcs=self._settings.mesh_max_concurrent_calls,
        )
        for service, handlers in self._services.items():
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
            # Each call waits anew on a task for each of them; but served without, a call that came as the server ended
            # could be cancelled, which nobody repeats, where it is refused as UNAVAILABLE now.
            server.add_registered_method_handlers(service, handlers)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if self._settings.mesh_reflection:
            self._add_reflection(server)
        await self._report(_STATUS.NOT_SERVING)
        port = self._bind(server)
        await server.start()
        self._server = server
        if self._neighbours is not None:
            self._neighbours.join(self.service, self._door)
        self._log.info(
            "service.listening", listening=f"{self._address.rpartition(':')[0]}:{port}", service=self.service
        )
        return port

    def set_serving(self, serving: bool) -> "asyncio.Task[None]":
        """Changes what health says. It may be awaited, and need not be."""
        status = _STATUS.SERVING if serving else _STATUS.NOT_SERVING
        change = asyncio.get_running_loop().create_task(self._report(status))
        self._changes.add(change)
        change.add_done_callback(self._changes.discard)
        return change

    async def drain(self, grace_seconds: float) -> None:
        """Says NOT_SERVING, goes on answering for a moment, takes nothing new, lets the rest end within the grace."""
        if self._server is None:
            return
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(self._settings.mesh_drain_delay_seconds)
        if self._neighbours is not None:
            self._neighbours.leave(self.service)
        self._ending.set()
        await asyncio.gather(self._server.stop(grace_seconds), self._door.close(grace_seconds))
        self._server = None

    async def _report(self, status: int) -> None:
        for name in ("", *self._services):
            await self._health.set(name, status)

    def _bind(self, server: grpc.aio.Server) -> int:
        name, address = f"{self.service.upper()}_ADDRESS", addresses.parsed(self._address)
        if address and (trouble := addresses.trouble(address.host, address.port)):  # gRPC would say it in its own words
            raise SettingsError(f"{name}: cannot listen on {self._address}: the port {trouble}")
        try:
            if self._uses_tls:
                return server.add_secure_port(self._address, credentials.server_credentials(self._settings))
            return server.add_insecure_port(self._address)
        except RuntimeError:
            raise SettingsError(f"{name}: cannot listen on {self._address}") from None

    def _add_reflection(self, server: grpc.aio.Server) -> None:
        names = (*self._services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        add_to_server = reflection_pb2_grpc.add_ServerReflectionServicer_to_server
        handlers = _collected(add_to_server, unguarded.Reflection(names, self._ending))
        # The library knows v1alpha only (grpc/grpc#38576); v1 is the same on the wire, and what most clients ask first.
        for name in (reflection.SERVICE_NAME, REFLECTION_V1):
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))


def _collected(add_to_server: Callable[[Any, Any], None], servicer: object) -> Handlers:
    collected = _Collected()
    add_to_server(servicer, collected)
    return collected.handlers


class _Collected:
    """Stands where generated code expects a server, and keeps the handlers."""

    def __init__(self) -> None:
        self.handlers: Handlers = {}

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """The same handlers come once more, by name, below."""

    def add_registered_method_handlers(self, _service: str, handlers: Handlers) -> None:
        self.handlers.update(handlers)
