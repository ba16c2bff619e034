"""Does a command say that it is the tenant that there is not, rather than show nothing of one?"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from kit.calling import Mesh as Caller
from kit.settings import Settings
from parley.storage.v1.directory_service_pb2 import CreateTenantRequest
from parley.storage.v1.directory_service_pb2_grpc import DirectoryServiceStub
from tests.running import Mesh, running_mesh

TOKEN = "a-token-that-only-this-mesh-and-its-test-know"
LISTS = (("deliveries",), ("turns",), ("queue",), ("keys", "list"), ("channels", "list"))


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    with running_mesh(tmp_path_factory.mktemp("tenants"), MESH_TOKEN=TOKEN) as mesh:
        asyncio.run(make_tenant(mesh, "shop"))
        yield mesh


async def make_tenant(mesh: Mesh, name: str) -> None:
    caller = Caller(Settings(mesh_token=SecretStr(TOKEN), storage_address=mesh.storage_address))
    await caller.open()
    try:
        wanted = CreateTenantRequest(tenant_id=name, request_id=name, name=name)
        await DirectoryServiceStub(caller.channel("storage")).CreateTenant(wanted, timeout=30)
    finally:
        await caller.close()


@pytest.mark.parametrize(
    "words",
    [
        *LISTS,
        ("deliveries", "--json"),
        ("deliveries", "retry", "0199f3c2-0000-7000-8000-000000000000"),
        ("queue", "--all"),
        ("queue", "take", "0199f3c2-0000-7000-8000-000000000000"),
        ("keys", "create", "till", "--scope", "agent.use"),
        ("keys", "revoke", "till"),
        ("channels", "add", "webchat", "--address", "till"),
        ("channels", "pause", "webchat"),
        ("prompts", "add", "default", "prompt.txt"),
        ("prompts", "list", "default"),
    ],
    ids=" ".join,
)
def test_a_misspelt_tenant_is_one_line_and_those_that_there_are(mesh: Mesh, words: tuple[str, ...]) -> None:
    Path(mesh.folder, "prompt.txt").write_text("Be kind.")
    done = mesh.run(*words, "--tenant", "shpo")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "parley: there is no tenant 'shpo'\n   fix: one of: default, shop\n"


def test_a_tenant_of_whom_there_is_nothing_is_shown_with_nothing(mesh: Mesh) -> None:
    for words in LISTS:
        assert len(mesh.command(*words, "--tenant", "shop").splitlines()) == 1


def test_a_key_of_another_tenant_is_made_and_listed(mesh: Mesh) -> None:
    assert mesh.command("keys", "create", "till", "--scope", "agent.use", "--tenant", "shop").startswith("parley_")
    assert "till" in mesh.command("keys", "list", "--tenant", "shop")
    assert "till" not in mesh.command("keys", "list")
