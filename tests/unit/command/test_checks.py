"""Does `parley doctor` look at every tenant, however many there are?"""

from typing import Any

from kit.command.tenants import tenants
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_service_pb2 as pb


class Directory:
    """Two tenants on a page."""

    def __init__(self, *ids: str) -> None:
        self.ids = ids

    async def ListTenants(  # noqa: N802 - named by the contract
        self, request: pb.ListTenantsRequest, **_call: Any
    ) -> pb.ListTenantsResponse:
        start = int(request.page_token or 0)
        following = str(start + 2) if start + 2 < len(self.ids) else ""
        found = [directory.Tenant(id=each) for each in self.ids[start : start + 2]]
        return pb.ListTenantsResponse(tenants=found, next_page_token=following)


async def test_tenants_on_later_pages_are_looked_at_too() -> None:
    for ids in ((), ("a",), ("a", "b"), ("a", "b", "c", "d", "e")):
        stub: Any = Directory(*ids)
        assert [each.id for each in await tenants(stub, seconds=1)] == list(ids)
