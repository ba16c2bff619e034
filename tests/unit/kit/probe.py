"""What do the tests of serving and calling talk to? A service with every arity, made of descriptors, on a real port."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from kit import access, correlation, deadlines, local
from kit.access import Caller, KeyVerifier
from kit.calling import Mesh
from kit.errors import CredentialMissing
from kit.serving import Server
from kit.settings import Settings
from parley.contract.v1 import options_pb2
from tests.simulated.wire import free_port
from tests.stalls import SHORT_PATIENCE_SECONDS

SERVICE = "parley.probe.v1.ProbeService"
TOKEN = "a mesh token of the tests"
SECONDS = SHORT_PATIENCE_SECONDS  # and less than the minute for which some handlers linger

# The stubs do not tell an extension's type.
_ACCESS: Any = options_pb2.access
_LIMITS: Any = options_pb2.limits
_FIELD = descriptor_pb2.FieldDescriptorProto
_IDEMPOTENT = descriptor_pb2.MethodOptions.IDEMPOTENT

# name: request, client streams, server streams, scope
_RPCS = {
    "Say": ("ProbeRequest", False, False, "probe.use"),
    "Watch": ("ProbeRequest", False, True, "probe.use"),
    "Collect": ("ProbeRequest", True, False, "probe.use"),
    "Chat": ("ProbeRequest", True, True, "probe.use"),
    "Nobody": ("ProbeRequest", False, False, ""),
    "Batch": ("BatchRequest", False, False, "probe.use"),
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="parley/probe/v1/probe.proto",
        package="parley.probe.v1",
        syntax="proto3",
        dependency=["parley/contract/v1/options.proto"],
    )
    for name, fields in {
        "ProbeRequest": ("tenant_id", "text"),
        "BatchRequest": ("text",),
        "ProbeResponse": ("text", "tenant_id", "caller", "correlation_id", "left"),
    }.items():
        message = file.message_type.add(name=name)
        for number, field in enumerate(fields, start=1):
            made = message.field.add(name=field, number=number, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
            if (name, field) == ("ProbeRequest", "tenant_id"):
                made.options.Extensions[_LIMITS].max_length = 16
    service = file.service.add(name="ProbeService")
    for name, (request, client, server, scope) in _RPCS.items():
        method = service.method.add(
            name=name,
            input_type=f".parley.probe.v1.{request}",
            output_type=".parley.probe.v1.ProbeResponse",
            client_streaming=client,
            server_streaming=server,
        )
        method.options.idempotency_level = _IDEMPOTENT
        if scope:
            method.options.Extensions[_ACCESS].scope = scope
    return file


_pool = descriptor_pool.Default()
_pool.AddSerializedFile(_file().SerializeToString())


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"parley.probe.v1.{name}"))


ProbeRequest = _message("ProbeRequest")
BatchRequest = _message("BatchRequest")
ProbeResponse = _message("ProbeResponse")
_MESSAGES = {"ProbeRequest": ProbeRequest, "BatchRequest": BatchRequest}
_KINDS = {
    (False, False): "unary_unary",
    (False, True): "unary_stream",
    (True, False): "stream_unary",
    (True, True): "stream_stream",
}

Act = Callable[[Any, Any], Any]


def seen(request: Any) -> Any:
    """What a handler sees of its call."""
    left = deadlines.remaining()
    return ProbeResponse(
        text=request.text,
        tenant_id=getattr(request, "tenant_id", ""),
        caller=access.caller().name,
        correlation_id=correlation.correlation_id.get(),
        left="" if left is None else str(left),
    )


async def echo(request: Any, _context: Any) -> Any:
    return seen(request)


class Probe:
    """Its unary rpcs do what the test says; its streams echo."""

    def __init__(self, act: Act = echo) -> None:
        self.act = act

    async def say(self, request: Any, context: Any) -> Any:
        return await self.act(request, context)

    async def nobody(self, request: Any, context: Any) -> Any:
        return seen(request)

    async def batch(self, request: Any, context: Any) -> Any:
        return seen(request)

    async def watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for _ in range(3):
            yield await self.act(request, context)

    async def collect(self, requests: AsyncIterator[Any], context: Any) -> Any:
        return seen(ProbeRequest(text="+".join([each.text async for each in requests])))

    async def chat(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for each in requests:
            yield seen(each)


def add_to_server(servicer: Any, server: Any) -> None:
    """What generated code would do."""
    server.add_registered_method_handlers(SERVICE, handlers(servicer))


def handlers(servicer: Any) -> dict[str, Any]:
    made = {}
    for name, (request, client, streams, _) in _RPCS.items():
        make = getattr(grpc, f"{_KINDS[client, streams]}_rpc_method_handler")
        behavior = getattr(servicer, name.lower())
        made[name] = make(behavior, _MESSAGES[request].FromString, ProbeResponse.SerializeToString)
    return made


class ProbeStub:
    """What generated code would make."""

    def __init__(self, channel: Any, encode: Any = None) -> None:
        for name, (request, client, streams, _) in _RPCS.items():
            make = getattr(channel, _KINDS[client, streams])
            coders = {
                "request_serializer": encode or _MESSAGES[request].SerializeToString,
                "response_deserializer": ProbeResponse.FromString,
            }
            setattr(self, name, make(f"/{SERVICE}/{name}", **coders, _registered_method=True))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Keys:
    """A verifier that knows two keys, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.known = {
            "key-a": Caller("tenant-a", frozenset({"probe.use"}), "key of a"),
            "key-weak": Caller("tenant-a", frozenset({"other"}), "weak key"),
            "key-free": Caller(None, frozenset({"probe.use"}), "key without tenant"),
        }

    async def verify(self, secret: str) -> Caller:
        self.asked += 1
        await asyncio.sleep(0)
        if secret not in self.known:
            raise CredentialMissing
        return self.known[secret]


def settings(folder: Path, **more: Any) -> Settings:
    """Settings of the tests: hermetic, and quick to drain."""
    return Settings(**{"data_dir": folder, "mesh_token": TOKEN, "mesh_drain_delay_seconds": 0.0, **more})


@asynccontextmanager
async def served(
    folder: Path, probe: Any = None, *, keys: KeyVerifier | None = None, add: Any = None, **more: Any
) -> AsyncIterator[tuple[Server, int]]:
    """A running server of the probe and its port."""
    address = f"127.0.0.1:{free_port()}"  # nobody else's while it is away
    server = Server(service="storage", address=address, settings=settings(folder, **more), keys=keys)
    server.add(add or add_to_server, probe or Probe(), service=SERVICE)
    port = await server.start()
    server.set_serving(True)
    try:
        yield server, port
    finally:
        await server.drain(0.5)


@asynccontextmanager
async def meshed(folder: Path, probe: Any = None, *, way: str = "wire", **more: Any) -> AsyncIterator[Any]:
    """The stub of a running probe, through kit's own channel: over the wire, or within the process."""
    async with AsyncExitStack() as stack:
        if way == "local":
            stack.enter_context(local.share())
        server, port = await stack.enter_async_context(served(folder, probe, **more))
        mesh = await stack.enter_async_context(opened(settings(folder, storage_address=f"127.0.0.1:{port}")))
        stub: Any = ProbeStub(mesh.channel("storage"))
        stub.server = server
        yield stub


@asynccontextmanager
async def opened(of: Settings) -> AsyncIterator[Mesh]:
    """An open mesh."""
    mesh = Mesh(of)
    await mesh.open()
    try:
        yield mesh
    finally:
        await mesh.close()


def bearer(secret: str) -> tuple[tuple[str, str], ...]:
    """Metadata with a credential."""
    return (("authorization", f"Bearer {secret}"),)
