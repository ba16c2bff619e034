"""What does the contract say of each rpc beyond its types? Scopes, idempotency and tenants, read from descriptors."""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FileDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

import parley
from parley.contract.v1 import options_pb2

TENANT_FIELD = "tenant_id"

_ACCESS: Any = options_pb2.access
_KEEPS: Any = options_pb2.keeps
_REPEATABLE = (MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT)


@dataclass(frozen=True, slots=True)
class Rpc:
    """One rpc. An empty scope means that nobody may call it; `keeps`, that its service keeps what it is told."""

    service: str
    name: str
    scope: str
    idempotent: bool
    request: Descriptor
    keeps: bool

    @property
    def path(self) -> str:
        """How gRPC names it."""
        return f"/{self.service}/{self.name}"

    @property
    def tenant_scoped(self) -> bool:
        """Whether its request names a tenant."""
        return TENANT_FIELD in self.request.fields_by_name


def service(full_name: str) -> ServiceDescriptor:
    """The descriptor of a service whose stubs are imported."""
    return descriptor_pool.Default().FindServiceByName(full_name)


def rpcs_of(descriptor: ServiceDescriptor) -> dict[str, Rpc]:
    """Its rpcs by their short names."""
    keeps = descriptor.GetOptions().Extensions[_KEEPS]
    return {method.name: _rpc(descriptor.full_name, method, keeps=keeps) for method in descriptor.methods}


@cache
def services() -> tuple[ServiceDescriptor, ...]:
    """Every service of the contract."""
    found = {each.full_name: each for module in _modules() for each in module.services_by_name.values()}
    return tuple(found[name] for name in sorted(found))


def rpc(path: str) -> Rpc | None:
    """The rpc that gRPC calls "/service/Method"; None when its stubs are not imported."""
    _, name, method = path.split("/")
    try:
        return rpcs_of(service(name)).get(method)
    except KeyError:
        return None


def rpcs() -> Iterator[Rpc]:
    """Every rpc of the contract."""
    for descriptor in services():
        yield from rpcs_of(descriptor).values()


def _rpc(service_name: str, method: MethodDescriptor, *, keeps: bool) -> Rpc:
    options = method.GetOptions()
    return Rpc(
        service=service_name,
        name=method.name,
        scope=options.Extensions[_ACCESS].scope,
        idempotent=options.idempotency_level in _REPEATABLE,
        request=method.input_type,
        keeps=keeps,
    )


def _modules() -> Iterator[FileDescriptor]:
    for found in pkgutil.walk_packages(parley.__path__, "parley."):
        if found.name.endswith("_pb2"):
            yield importlib.import_module(found.name).DESCRIPTOR
