"""Is a call within the process as closed, as bounded and as mortal as one over the wire?"""

import asyncio
import gc
from pathlib import Path
from typing import Any

import grpc
import pytest

from kit import access, correlation, deadlines, errors, local
from kit.serving import Server
from tests.unit.kit.probe import (
    SECONDS,
    SERVICE,
    Keys,
    Probe,
    ProbeRequest,
    ProbeResponse,
    ProbeStub,
    add_to_server,
    bearer,
    meshed,
    opened,
    seen,
    settings,
)

Code = grpc.StatusCode


async def error_of(call: Any) -> errors.ParleyError:
    """Why a call failed."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(call, SECONDS)
    return errors.from_rpc(caught.value)


async def test_credentials_tenants_and_sizes_are_checked(tmp_path: Path, way: str) -> None:
    async with meshed(tmp_path, way=way, keys=Keys(), mesh_max_message_bytes=65536) as stub:
        wrong = await error_of(stub.Say(ProbeRequest(), timeout=SECONDS, metadata=bearer("wrong")))
        own = await stub.Say(ProbeRequest(), timeout=SECONDS, metadata=bearer("key-a"))
        foreign = await error_of(stub.Say(ProbeRequest(tenant_id="b"), timeout=SECONDS, metadata=bearer("key-a")))
        large = await error_of(stub.Say(ProbeRequest(text="x" * 70_000), timeout=SECONDS))
    assert isinstance(wrong, errors.CredentialMissing)
    assert (own.tenant_id, own.caller) == ("tenant-a", "key of a")
    assert isinstance(foreign, errors.TenantMismatch)
    assert isinstance(large, errors.TooLarge)


async def test_a_call_tells_its_end_to_who_asks(tmp_path: Path, way: str) -> None:
    async def fail(_request: Any, _context: Any) -> Any:
        raise errors.NotFound("no such thing", metadata={"resource": "agent"})

    async with meshed(tmp_path, way=way) as stub:
        call = stub.Say(ProbeRequest(), timeout=SECONDS)
        await call
        assert (await call.code(), await call.details(), call.done()) == (Code.OK, "", True)
        assert not call.cancel()
    async with meshed(tmp_path, Probe(fail), way=way) as stub:
        call = stub.Say(ProbeRequest(), timeout=SECONDS)
        assert (await call.code(), await call.details()) == (Code.NOT_FOUND, "no such thing")
        assert "grpc-status-details-bin" in await call.trailing_metadata()


async def test_caller_and_handler_share_no_object(tmp_path: Path) -> None:
    kept: list[Any] = []

    async def keep(request: Any, _context: Any) -> Any:
        kept.append(request)
        request.text = "changed"
        return seen(request)

    async with meshed(tmp_path, Probe(keep), way="local") as stub:
        request = ProbeRequest(text="mine")
        await stub.Say(request, timeout=SECONDS)
    assert request.text == "mine"
    assert kept[0] is not request


async def test_what_the_handler_binds_does_not_reach_the_caller(tmp_path: Path) -> None:
    async with meshed(tmp_path, way="local") as stub:
        correlation.bind("mine", field=1)
        await stub.Say(ProbeRequest(), timeout=SECONDS)
        assert correlation.fields.get() == {"field": 1}
        assert deadlines.remaining() is None
        with pytest.raises(errors.CredentialMissing):
            access.caller()


async def test_a_service_that_is_not_up_is_unreachable_and_found_by_who_waits(tmp_path: Path) -> None:
    with local.share():
        server = Server(service="storage", address="127.0.0.1:0", settings=settings(tmp_path))
        server.add(add_to_server, Probe(), service=SERVICE)
        async with opened(settings(tmp_path)) as mesh:
            stub: Any = ProbeStub(mesh.channel("storage"))
            assert isinstance(await error_of(stub.Say(ProbeRequest(), timeout=SECONDS)), errors.Unreachable)
            impatient = stub.Say(ProbeRequest(), timeout=0.05, wait_for_ready=True)
            assert isinstance(await error_of(impatient), errors.DeadlineExceeded)
            patient = asyncio.ensure_future(stub.Say(ProbeRequest(text="x"), timeout=SECONDS, wait_for_ready=True))
            await asyncio.sleep(0)
            await server.start()
            assert (await patient).text == "x"
            await server.drain(0)
            assert isinstance(await error_of(stub.Say(ProbeRequest(), timeout=SECONDS)), errors.Unreachable)


async def test_a_drain_lets_calls_end_and_cancels_those_that_do_not(tmp_path: Path, way: str) -> None:
    begun: asyncio.Queue[str] = asyncio.Queue()
    ending = asyncio.Event()

    async def work(request: Any, _context: Any) -> Any:
        begun.put_nowait(request.text)
        await (asyncio.sleep(60) if request.text == "endless" else ending.wait())
        return seen(request)

    async with meshed(tmp_path, Probe(work), way=way) as stub:
        short = asyncio.ensure_future(stub.Say(ProbeRequest(text="short"), timeout=SECONDS))
        endless = asyncio.ensure_future(stub.Say(ProbeRequest(text="endless"), timeout=60))
        assert {await begun.get(), await begun.get()} == {"short", "endless"}
        drain = asyncio.ensure_future(stub.server.drain(2))
        await asyncio.sleep(0.05)
        ending.set()
        assert (await short).text == "short"
        assert isinstance(await error_of(endless), errors.Unreachable)
        await drain


async def test_a_stream_waits_for_its_reader_and_dies_when_it_is_dropped(tmp_path: Path) -> None:
    made = 0
    stopped = asyncio.Event()

    class Endless(Probe):
        async def watch(self, request: Any, context: Any) -> Any:
            nonlocal made
            try:
                while True:
                    made += 1
                    yield ProbeResponse()
            finally:
                stopped.set()

    async with meshed(tmp_path, Endless(), way="local") as stub:
        call = stub.Watch(ProbeRequest(), timeout=60)
        assert isinstance(await call.read(), ProbeResponse)
        await asyncio.sleep(0.05)
        assert made < 50
        del call
        gc.collect()
        await asyncio.wait_for(stopped.wait(), SECONDS)


async def test_a_request_of_a_wrong_type_fails_its_own_call(tmp_path: Path) -> None:
    async with meshed(tmp_path, way="local") as stub:
        assert isinstance(await error_of(stub.Say(object(), timeout=SECONDS)), errors.Internal)
        assert (await stub.Say(ProbeRequest(text="x"), timeout=SECONDS)).text == "x"


async def test_an_rpc_that_nobody_serves_is_unimplemented(tmp_path: Path, way: str) -> None:
    def add_one(servicer: Any, server: Any) -> None:
        del servicer
        server.add_registered_method_handlers(SERVICE, {})

    async with meshed(tmp_path, way=way, add=add_one) as stub:
        call = stub.Say(ProbeRequest(), timeout=SECONDS)
        assert await call.code() is Code.UNIMPLEMENTED
