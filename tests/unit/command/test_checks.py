"""Does `parley doctor` look at every tenant, however many there are, and at every channel that a setting names?"""

from pathlib import Path
from typing import Any

from agent_service.settings import Settings
from kit.command.checks import opt_out
from kit.command.findings import Finding, Level
from kit.command.tenants import tenants
from kit.settings import load
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


def test_a_channel_of_opt_outs_that_there_is_not_deserves_a_look(tmp_path: Path) -> None:
    def looked_at(listed: str) -> list[Finding]:
        environ = {"AGENT_OPT_OUT_CHANNELS": listed}
        return opt_out(load(Settings, environ=environ, env_file=tmp_path / "none"))

    (found,) = looked_at("SMS, whatsap,api,webchat")

    assert found.level is Level.LOOK
    assert found.found == "AGENT_OPT_OUT_CHANNELS names no channel with whatsap: a STOP ends nothing there"
    assert found.fix == "did you mean whatsapp?"
    assert looked_at("sms,api") == looked_at("") == looked_at(",") == []
