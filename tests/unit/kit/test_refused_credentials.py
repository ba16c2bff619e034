"""Is a caller told that its credential is refused only where it is its own, and not that of the service it called?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from kit import errors
from kit.access import Caller
from tests.unit.kit.probe import (
    SECONDS,
    TOKEN,
    Probe,
    ProbeRequest,
    ProbeStub,
    bearer,
    meshed,
    opened,
    served,
    settings,
)
from tests.unit.kit.test_serving import refused


@asynccontextmanager
async def refusing(folder: Path) -> AsyncIterator[Any]:
    """The stub of a service that has another token than its caller."""
    async with served(folder) as (_, port):
        of = settings(folder, storage_address=f"127.0.0.1:{port}", mesh_token="another token than theirs")
        async with opened(of) as mesh:
            yield ProbeStub(mesh.channel("storage"))


async def asked(behind: Any) -> Any:
    """As our services ask one another."""
    try:
        return await behind.Say(ProbeRequest(), timeout=SECONDS)
    except grpc.aio.AioRpcError as error:
        raise errors.from_rpc(error) from None


@pytest.mark.parametrize("way", ["wire", "local"])
@pytest.mark.parametrize("rpc", ["Say", "Watch"])
async def test_a_service_that_is_refused_itself_says_so_and_not_that_its_caller_is(
    tmp_path: Path, way: str, rpc: str
) -> None:
    async with refusing(tmp_path) as behind:

        async def on(_request: Any, _context: Any) -> Any:
            return await asked(behind)

        async with meshed(tmp_path, Probe(on), way=way) as stub:
            failure = await refused(getattr(stub, rpc)(ProbeRequest(), timeout=SECONDS))
    assert isinstance(failure, errors.Unreachable)
    assert "not yours" in failure.message
    assert failure.metadata == {}


async def test_nor_does_it_say_so_of_an_api_key_that_it_could_not_ask_about(tmp_path: Path) -> None:
    async with refusing(tmp_path) as behind:

        class Keys:
            async def verify(self, _secret: str) -> Caller:
                return Caller(tenant_id=(await asked(behind)).tenant_id)

        async with served(tmp_path, keys=Keys()) as (_, port):
            failure = await _refused(port, "a good key")
    assert isinstance(failure, errors.Unreachable)


@pytest.mark.parametrize("secret", ["", "wrong", TOKEN + "x"])
async def test_whose_own_credential_is_refused_is_told_so(tmp_path: Path, secret: str) -> None:
    async with served(tmp_path) as (_, port):
        failure = await _refused(port, secret)
    assert isinstance(failure, errors.CredentialMissing)
    assert failure.metadata == {"credential": "call"}


async def test_of_a_credential_that_was_only_asked_about_no_such_thing_is_said(tmp_path: Path) -> None:
    async def unknown(_request: Any, _context: Any) -> Any:
        raise errors.CredentialMissing

    async with served(tmp_path, Probe(unknown)) as (_, port):
        failure = await _refused(port, TOKEN)
    assert isinstance(failure, errors.CredentialMissing)
    assert failure.metadata == {}


async def _refused(port: int, secret: str) -> errors.ParleyError:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        return await refused(ProbeStub(channel).Say(ProbeRequest(), timeout=SECONDS, metadata=bearer(secret)))
