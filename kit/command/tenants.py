"""Which tenants are there, and is this one of them? Of a misspelt one there is nothing to list, and nothing said so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc

from kit.command import reaching
from kit.command.screen import Mistake
from kit.settings import Settings, load
from parley.storage.v1 import directory_service_pb2 as pb
from parley.storage.v1.directory_pb2 import Tenant
from parley.storage.v1.directory_service_pb2_grpc import DirectoryServiceStub

if TYPE_CHECKING:
    from parley.storage.v1.directory_service_pb2_grpc import DirectoryServiceAsyncStub

DEFAULT_TENANT = "default"  # storage makes it at its first start
MOST_A_PAGE = 500
MOST_NAMED = 20


@asynccontextmanager
async def storage_of(tenant: str) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to storage, as `reaching.channel` gives it. Raises Mistake when there is no such tenant."""
    async with reaching.channel(load(Settings), "storage") as storage:
        if tenant != DEFAULT_TENANT:
            known = [each.id for each in await tenants(DirectoryServiceStub(storage), seconds=reaching.CALL_SECONDS)]
            if tenant not in known:
                raise Mistake(f"there is no tenant {tenant!r}", fix=f"one of: {_named(known)}", code=1)
        yield storage


async def tenants(stub: "DirectoryServiceAsyncStub", *, seconds: float) -> list[Tenant]:
    """All of them, each page within the seconds."""
    found: list[Tenant] = []
    wanted = pb.ListTenantsRequest(page_size=MOST_A_PAGE)
    while True:
        page = await stub.ListTenants(wanted, timeout=seconds)
        found += page.tenants
        if not page.next_page_token:
            return found
        wanted.page_token = page.next_page_token


def _named(known: list[str]) -> str:
    return ", ".join(known[:MOST_NAMED]) + (", …" if len(known) > MOST_NAMED else "")
