"""Does a server let in who may, for as long as they may, and say plainly what went wrong?"""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from kit import access, contract, errors
from kit.serving import Server
from kit.settings import SettingsError
from tests.stalls import PATIENCE_SECONDS
from tests.unit.kit.probe import (
    SECONDS,
    SERVICE,
    TOKEN,
    BatchRequest,
    Keys,
    Probe,
    ProbeRequest,
    ProbeResponse,
    ProbeStub,
    bearer,
    meshed,
    seen,
    served,
    settings,
)

Code = grpc.StatusCode


async def taken(call: Any) -> Any:
    """What a call of any arity gives."""
    return [each async for each in call] if hasattr(call, "__aiter__") else await call


async def refused(call: Any) -> errors.ParleyError:
    """The error of a call that must fail, and in time."""
    async with asyncio.timeout(SECONDS):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await taken(call)
    failure = errors.from_rpc(caught.value)
    assert caught.value.code() is failure.code
    return failure


def test_every_rpc_of_the_contract_says_who_may_call_it() -> None:
    rpcs = list(contract.rpcs())
    assert len(rpcs) > 30
    assert [rpc.path for rpc in rpcs if not rpc.scope] == []


async def test_an_rpc_that_does_not_say_who_may_call_it_is_refused_even_to_the_mesh(tmp_path: Path, way: str) -> None:
    async with meshed(tmp_path, way=way) as stub:
        failure = await refused(stub.Nobody(ProbeRequest(), timeout=SECONDS))
    assert isinstance(failure, errors.ScopeMissing)


@pytest.mark.parametrize("credential", [(), bearer("wrong"), bearer(TOKEN + "x"), (("authorization", TOKEN[:-1]),)])
@pytest.mark.parametrize("rpc", ["Say", "Watch", "Collect", "Chat"])
async def test_a_call_without_a_valid_credential_is_unauthenticated_whatever_its_arity(
    tmp_path: Path, rpc: str, credential: Any
) -> None:
    async def requests() -> Any:
        await asyncio.sleep(
            60
        )  # A denial waits for nothing; and what is written beside it may cover it (errors.COVERED).
        yield ProbeRequest()

    async with served(tmp_path, keys=Keys()) as (_, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        request = requests() if rpc in ("Collect", "Chat") else ProbeRequest()
        failure = await refused(getattr(ProbeStub(channel), rpc)(request, timeout=60, metadata=credential))
    assert isinstance(failure, errors.CredentialMissing)


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
async def test_a_credential_counts_whatever_the_case_of_its_scheme(tmp_path: Path, scheme: str) -> None:
    async with served(tmp_path, keys=Keys()) as (_, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = ProbeStub(channel)
        for secret in (TOKEN, "key-a"):
            metadata = (("authorization", scheme + secret),)
            await stub.Say(ProbeRequest(tenant_id="tenant-a"), timeout=SECONDS, metadata=metadata)
        for other in ("Basic key-a", "Bearerkey-a", scheme.strip()):
            call = stub.Say(ProbeRequest(), timeout=SECONDS, metadata=(("authorization", other),))
            assert isinstance(await refused(call), errors.CredentialMissing)


async def test_a_key_acts_for_its_own_tenant_with_its_own_scopes_only(tmp_path: Path) -> None:
    async with served(tmp_path, keys=Keys()) as (_, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = ProbeStub(channel)
        own = await stub.Say(ProbeRequest(tenant_id="tenant-a"), timeout=SECONDS, metadata=bearer("key-a"))
        implied = await stub.Say(ProbeRequest(), timeout=SECONDS, metadata=bearer("key-a"))
        foreign = await refused(stub.Say(ProbeRequest(tenant_id="tenant-b"), timeout=SECONDS, metadata=bearer("key-a")))
        unscoped = await refused(stub.Say(ProbeRequest(), timeout=SECONDS, metadata=bearer("key-weak")))
        mesh_only = await refused(stub.Batch(BatchRequest(), timeout=SECONDS, metadata=bearer("key-a")))
        free = await refused(stub.Say(ProbeRequest(), timeout=SECONDS, metadata=bearer("key-free")))
        streamed = await refused(
            stub.Chat(iter([ProbeRequest(tenant_id="tenant-b")]), timeout=SECONDS, metadata=bearer("key-a"))
        )
    assert (own.tenant_id, own.caller) == ("tenant-a", "key of a")
    assert implied.tenant_id == "tenant-a"
    assert isinstance(foreign, errors.TenantMismatch)
    assert isinstance(unscoped, errors.ScopeMissing)
    assert unscoped.metadata == {"scope": "probe.use"}
    assert isinstance(mesh_only, errors.TenantMismatch)
    assert isinstance(free, errors.CredentialMissing)
    assert isinstance(streamed, errors.TenantMismatch)


async def test_the_verdict_on_a_key_is_remembered_for_a_moment_and_a_refusal_is_not(tmp_path: Path) -> None:
    keys = Keys()
    async with served(tmp_path, keys=keys) as (_, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = ProbeStub(channel)
        for _ in range(3):
            await stub.Say(ProbeRequest(), timeout=SECONDS, metadata=bearer("key-a"))
        assert keys.asked == 1
        for _ in range(2):
            await refused(stub.Say(ProbeRequest(), timeout=SECONDS, metadata=bearer("nobody's")))
        assert keys.asked == 3


@pytest.mark.parametrize("rpc", ["Watch", "Chat"])
async def test_a_stream_ends_when_its_key_is_revoked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rpc: str) -> None:
    monkeypatch.setattr("kit.authentication.VERDICT_SECONDS", 0.0)
    keys = Keys()

    async def revoked() -> None:
        while "key-a" in keys.known:
            await asyncio.sleep(0.01)

    async def watched(request: Any, _context: Any) -> Any:
        if keys.asked > 1:  # for the first response, that is
            await revoked()
        return seen(request)

    async def requests() -> Any:
        yield ProbeRequest()
        await revoked()
        yield ProbeRequest()
        await asyncio.sleep(60)  # Who still writes to a call that has ended hears of that first.

    probe = Probe(watched)
    async with (
        served(tmp_path, probe, keys=keys) as (_, port),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        request = requests() if rpc == "Chat" else ProbeRequest()
        call = getattr(ProbeStub(channel), rpc)(request, timeout=SECONDS, metadata=bearer("key-a"))
        assert (await anext(aiter(call))).caller == "key of a"
        del keys.known["key-a"]
        assert isinstance(await refused(call), errors.CredentialMissing)


async def test_a_stream_goes_on_while_nobody_can_say_whether_its_key_still_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.authentication.VERDICT_SECONDS", 0.0)

    class Away(Keys):
        async def verify(self, secret: str) -> access.Caller:
            if self.asked:
                raise errors.Unreachable
            return await super().verify(secret)

    async with served(tmp_path, keys=Away()) as (_, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = ProbeStub(channel).Watch(ProbeRequest(), timeout=SECONDS, metadata=bearer("key-a"))
        assert len(await taken(call)) == 3


@pytest.mark.parametrize("sent", [b"\x0a\xff", b"\x0a\x03\xed\xa0\x80"], ids=["cut short", "half a surrogate pair"])
@pytest.mark.parametrize("rpc", ["Say", "Watch", "Collect", "Chat"])
async def test_what_is_no_message_of_the_method_is_refused_by_name(tmp_path: Path, rpc: str, sent: bytes) -> None:
    async with served(tmp_path) as (_, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = ProbeStub(channel, encode=bytes)
        request: Any = iter([sent]) if rpc in ("Collect", "Chat") else sent
        failure = await refused(getattr(stub, rpc)(request, timeout=SECONDS, metadata=bearer(TOKEN)))
        stranger = await refused(stub.Say(sent, timeout=SECONDS, metadata=bearer("wrong")))
    assert isinstance(failure, errors.Unreadable)
    assert isinstance(stranger, errors.CredentialMissing)


async def test_a_call_without_a_deadline_is_refused(tmp_path: Path, way: str) -> None:
    async with meshed(tmp_path, way=way) as stub:
        failure = await refused(stub.Say(ProbeRequest()))
    assert isinstance(failure, errors.DeadlineMissing)


async def test_a_field_beyond_its_limit_is_named(tmp_path: Path, way: str) -> None:
    async with meshed(tmp_path, way=way) as stub:
        failure = await refused(stub.Say(ProbeRequest(tenant_id="x" * 17), timeout=SECONDS))
        in_stream = await refused(stub.Collect(iter([ProbeRequest(tenant_id="x" * 17)]), timeout=SECONDS))
    assert isinstance(failure, errors.InvalidField)
    assert failure.violations == (("tenant_id", "is longer than 16"),)
    assert isinstance(in_stream, errors.InvalidField)


@pytest.mark.parametrize("rpc", ["Say", "Watch"])
async def test_an_unhandled_exception_tells_the_client_nothing(tmp_path: Path, way: str, rpc: str) -> None:
    async def fall(_request: Any, _context: Any) -> Any:
        raise ValueError("a canary that nobody may see")

    async with meshed(tmp_path, Probe(fall), way=way) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await taken(getattr(stub, rpc)(ProbeRequest(), timeout=SECONDS))
    assert "canary" not in repr(caught.value) + str(caught.value.trailing_metadata())
    assert isinstance(errors.from_rpc(caught.value), errors.Internal)


async def test_what_a_handler_raises_arrives_whole(tmp_path: Path, way: str) -> None:
    async def full(_request: Any, _context: Any) -> Any:
        raise errors.QueueFull(retry_after=timedelta(seconds=5), metadata={"queue": "turns"})

    async with meshed(tmp_path, Probe(full), way=way) as stub:
        failure = await refused(stub.Say(ProbeRequest(), timeout=SECONDS))
    assert isinstance(failure, errors.QueueFull)
    assert failure.retry_after == timedelta(seconds=5)
    assert failure.metadata == {"queue": "turns"}


async def test_a_cancelled_error_of_the_handler_itself_does_not_hang_the_client(tmp_path: Path, way: str) -> None:
    async def cancelled_inside(_request: Any, _context: Any) -> Any:
        inner = asyncio.get_running_loop().create_future()
        inner.cancel()
        await inner

    async with meshed(tmp_path, Probe(cancelled_inside), way=way) as stub:
        failure = await refused(stub.Say(ProbeRequest(), timeout=60))
    assert isinstance(failure, errors.Internal)


async def test_health_says_not_serving_until_ready_and_its_watch_works(tmp_path: Path) -> None:
    async with served(tmp_path) as (server, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await server.set_serving(False)
        stub = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE), timeout=SECONDS)
        first = await watch.read()
        server.set_serving(True)
        second = await watch.read()
        overall = await stub.Check(health_pb2.HealthCheckRequest(), timeout=SECONDS)
        watch.cancel()
    serving = health_pb2.HealthCheckResponse
    assert (first.status, second.status) == (serving.NOT_SERVING, serving.SERVING)
    assert overall.status == serving.SERVING


async def test_a_server_that_has_just_started_is_not_serving(tmp_path: Path) -> None:
    async with served(tmp_path) as (server, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await server.drain(0)
        assert server.handler(f"/{SERVICE}/Say") is not None
        with pytest.raises(grpc.aio.AioRpcError):
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=SECONDS)


async def test_a_server_ends_though_somebody_watches_its_health_or_asks_what_it_serves(tmp_path: Path) -> None:
    """Which clients with health checks do for as long as they are connected."""
    async with served(tmp_path) as (server, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        heard = watch.__aiter__()
        said = [(await anext(heard)).status]
        ask: Any = channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )()
        await ask.write(reflection_pb2.ServerReflectionRequest(list_services="*"))
        await ask.read()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await server.drain(3600)
            said += [each.status async for each in heard]
        serving = health_pb2.HealthCheckResponse
        assert said == [serving.SERVING, serving.NOT_SERVING]
        assert [await watch.code(), await ask.code()] == [Code.OK, Code.OK]


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_answers_in_both_versions_without_a_credential(tmp_path: Path, version: str) -> None:
    async with served(tmp_path) as (_, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        ask = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        request = reflection_pb2.ServerReflectionRequest(list_services="*")
        answers = [each async for each in ask(iter([request]), timeout=SECONDS)]
    assert SERVICE in [each.name for each in answers[0].list_services_response.service]


async def test_reflection_can_be_switched_off(tmp_path: Path) -> None:
    async with (
        served(tmp_path, mesh_reflection=False) as (_, port),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        ask: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        )
        failed = ask(iter([b""]), timeout=SECONDS)
        assert await failed.code() is Code.UNIMPLEMENTED


async def test_a_second_server_on_a_port_is_refused_with_the_settings_name(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, port):
        second = Server(service="storage", address=f"127.0.0.1:{port}", settings=settings(tmp_path))
        said = f"STORAGE_ADDRESS: cannot listen on 127.0.0.1:{port}: the port is in use by another program"
        with pytest.raises(SettingsError, match=said):
            await second.start()


async def test_an_oversized_message_is_refused_as_exhausted(tmp_path: Path) -> None:
    async with (
        served(tmp_path, mesh_max_message_bytes=65536) as (_, port),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        failure = await refused(
            ProbeStub(channel).Say(ProbeRequest(text="x" * 70_000), timeout=SECONDS, metadata=bearer(TOKEN))
        )
    assert isinstance(failure, errors.TooLarge)


async def test_calls_beyond_the_limit_are_refused(tmp_path: Path, way: str) -> None:
    release = asyncio.Event()
    begun = asyncio.Semaphore(0)

    async def wait(request: Any, _context: Any) -> Any:
        begun.release()
        await release.wait()
        return seen(request)

    async with meshed(tmp_path, Probe(wait), mesh_max_concurrent_calls=2, way=way) as stub:
        inside = [stub.Say(ProbeRequest(), timeout=SECONDS) for _ in range(2)]
        for _ in inside:
            await begun.acquire()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Say(ProbeRequest(), timeout=SECONDS)
        release.set()
        await asyncio.gather(*inside)
    assert caught.value.code() is Code.RESOURCE_EXHAUSTED
    assert isinstance(errors.from_rpc(caught.value), errors.Unreachable), "it may be asked again, and is not too large"


async def test_a_handler_that_is_not_async_is_refused_when_it_is_registered(tmp_path: Path) -> None:
    class Plain(Probe):
        say: Any = staticmethod(lambda _request, _context: ProbeResponse())

    with pytest.raises(TypeError, match="/Say must be an async function"):
        async with served(tmp_path, Plain()):
            pass
