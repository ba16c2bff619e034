"""Does a call carry what it must, end when it must, and is it repeated only when that is safe?"""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from kit import correlation, deadlines, errors, transport
from kit.calling import Mesh
from kit.serving import Server
from parley.agent.v1 import agent_service_pb2, agent_service_pb2_grpc
from parley.storage.v1 import inbox_service_pb2_grpc, turn_requests_pb2
from tests.unit.kit.probe import (
    SECONDS,
    SERVICE,
    Probe,
    ProbeRequest,
    ProbeStub,
    add_to_server,
    meshed,
    opened,
    seen,
    served,
    settings,
)

Code = grpc.StatusCode
SOON = 1.0  # and yet long enough for a busy machine to begin


async def pumped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


async def test_all_four_kinds_of_call_carry_credential_correlation_and_deadline(tmp_path: Path, way: str) -> None:
    async with meshed(tmp_path, way=way) as stub:
        correlation.bind("request-1")
        deadlines.bind(30.0)
        answers = {
            "unary_unary": await stub.Say(ProbeRequest(text="a"), timeout=60),
            "unary_stream": [each async for each in stub.Watch(ProbeRequest(text="a"))][-1],
            "stream_unary": await stub.Collect(iter([ProbeRequest(text="a"), ProbeRequest(text="b")])),
            "stream_stream": [each async for each in stub.Chat(iter([ProbeRequest(text="a")]))][-1],
        }
    for kind, answer in answers.items():
        assert (answer.caller, answer.correlation_id) == ("mesh", "request-1"), kind
        assert 0 < float(answer.left) < 30.5, kind
    assert answers["stream_unary"].text == "a+b"


async def test_the_shorter_deadline_wins_over_two_hops(tmp_path: Path, way: str) -> None:
    async with AsyncExitStack() as stack:
        far = await stack.enter_async_context(meshed(tmp_path, way=way))

        async def forward(request: Any, _context: Any) -> Any:
            return await far.Say(request, timeout=60)

        near = await stack.enter_async_context(meshed(tmp_path, Probe(forward), way=way))
        answer = await near.Say(ProbeRequest(), timeout=20.0)
    assert 0 < float(answer.left) < 20.5  # gRPC rounds up what it sends


async def test_a_handler_logs_under_the_tenant_of_its_request(tmp_path: Path, way: str) -> None:
    bound: list[dict[str, object]] = []

    async def note(request: Any, _context: Any) -> Any:
        bound.append(dict(correlation.fields.get()))
        return seen(request)

    async with meshed(tmp_path, Probe(note), way=way) as stub:
        await stub.Say(ProbeRequest(tenant_id="default"), timeout=SECONDS)
    assert bound == [{"tenant": "default"}]


async def test_a_proxy_for_the_way_out_is_none_for_the_mesh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody is there
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with meshed(tmp_path) as stub:
        assert (await stub.Say(ProbeRequest(text="a"), timeout=SECONDS)).text == "a"


async def test_a_service_that_takes_a_while_to_greet_is_reached(tmp_path: Path) -> None:
    async with served(tmp_path) as (_server, port), AsyncExitStack() as stack:

        async def hesitate(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.sleep(0.7)  # longer than the longest wait between two attempts
            await asyncio.gather(pumped(reader, there[1]), pumped(there[0], writer))

        far = await stack.enter_async_context(await asyncio.start_server(hesitate, "127.0.0.1", 0))
        address = f"127.0.0.1:{far.sockets[0].getsockname()[1]}"
        mesh = await stack.enter_async_context(opened(settings(tmp_path, storage_address=address)))
        answer = await ProbeStub(mesh.channel("storage")).Say(ProbeRequest(text="a"), timeout=SECONDS)
    assert answer.text == "a"


async def test_no_call_is_made_when_no_time_is_left(tmp_path: Path, way: str) -> None:
    async with meshed(tmp_path, way=way) as stub:
        deadlines.bind(-0.1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Say(ProbeRequest(), timeout=SECONDS)
    assert caught.value.code() is Code.DEADLINE_EXCEEDED


@pytest.mark.parametrize("how", ["cancel", "wait_for", "deadline"])
async def test_a_call_that_ends_early_stops_its_handler(tmp_path: Path, way: str, how: str) -> None:
    started, stopped = asyncio.Event(), asyncio.Event()

    async def linger(_request: Any, _context: Any) -> Any:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    async def ask(stub: Any) -> None:
        await stub.Say(ProbeRequest(), timeout=SOON if how == "deadline" else SECONDS)

    async with meshed(tmp_path, Probe(linger), way=way) as stub:
        asked = asyncio.create_task(asyncio.wait_for(ask(stub), SOON if how == "wait_for" else SECONDS))
        await asyncio.wait_for(started.wait(), SECONDS)
        if how == "cancel":
            asked.cancel()
        await asyncio.wait_for(stopped.wait(), SECONDS)
        outcome = (await asyncio.gather(asked, return_exceptions=True))[0]
    expected = {"cancel": asyncio.CancelledError, "wait_for": TimeoutError, "deadline": grpc.aio.AioRpcError}
    assert isinstance(outcome, expected[how])


async def test_a_stream_that_the_client_leaves_stops_its_handler(tmp_path: Path, way: str) -> None:
    stopped = asyncio.Event()

    class Endless(Probe):
        async def watch(self, request: Any, context: Any) -> Any:
            try:
                while True:
                    yield seen(request)
                    await asyncio.sleep(0.01)
            finally:
                stopped.set()

    async with meshed(tmp_path, Endless(), way=way) as stub:
        call = stub.Watch(ProbeRequest(), timeout=SECONDS)
        assert [await anext(aiter(call)) for _ in range(1)]
        call.cancel()
        await asyncio.wait_for(stopped.wait(), SECONDS)


class Flaky(grpc.GenericRpcHandler):
    """A server that counts attempts and answers each with one status."""

    def __init__(self, code: Code, trailing: tuple[tuple[str, str], ...] = ()) -> None:
        self.attempts: Counter[str] = Counter()
        self.code = code
        self.trailing = trailing

    def service(self, call_details: Any) -> Any:
        async def fail(_request: Any, context: Any) -> Any:
            self.attempts[call_details.method.rpartition("/")[2]] += 1
            await context.abort(self.code, "no", self.trailing)

        return grpc.unary_unary_rpc_method_handler(fail)


async def attempts_at(folder: Path, flaky: Flaky, calls: int = 1) -> Counter[str]:
    """How often a server is asked for an idempotent rpc and for one that is not."""
    server = grpc.aio.server(handlers=(flaky,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    address = f"127.0.0.1:{port}"
    async with opened(settings(folder, storage_address=address, agent_address=address)) as mesh:
        agent = agent_service_pb2_grpc.AgentServiceStub(mesh.channel("agent"))
        inbox = inbox_service_pb2_grpc.InboxServiceStub(mesh.channel("storage"))
        for _ in range(calls):
            for call in (
                agent.HandleMessage(agent_service_pb2.HandleMessageRequest(), timeout=SECONDS),
                inbox.LeaseTurns(turn_requests_pb2.LeaseTurnsRequest(), timeout=SECONDS),
            ):
                with pytest.raises(grpc.aio.AioRpcError):
                    await call
    await server.stop(0)
    return flaky.attempts


async def test_only_idempotent_rpcs_are_repeated_and_only_when_unavailable(tmp_path: Path) -> None:
    assert await attempts_at(tmp_path, Flaky(Code.UNAVAILABLE)) == {"HandleMessage": 3, "LeaseTurns": 1}
    for code in (Code.INTERNAL, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED, Code.ABORTED):
        assert await attempts_at(tmp_path, Flaky(code)) == {"HandleMessage": 1, "LeaseTurns": 1}


async def test_what_a_stopping_server_cancelled_unseen_is_repeated_once_and_only_when_idempotent(
    tmp_path: Path,
) -> None:
    assert await attempts_at(tmp_path, Flaky(Code.CANCELLED)) == {"HandleMessage": 2, "LeaseTurns": 1}


async def test_repeats_are_throttled_when_everything_fails(tmp_path: Path) -> None:
    attempts = await attempts_at(tmp_path, Flaky(Code.UNAVAILABLE), calls=10)
    assert 10 < attempts["HandleMessage"] < 20


async def test_what_a_service_itself_says_is_unavailable_is_not_repeated(tmp_path: Path) -> None:
    asked = 0

    async def away(_request: Any, _context: Any) -> Any:
        nonlocal asked
        asked += 1
        raise errors.StorageUnavailable(retry_after=timedelta(seconds=1))

    class Agent:
        HandleMessage = PreviewContext = CheckText = staticmethod(away)

    server = Server(service="agent", address="127.0.0.1:0", settings=settings(tmp_path))
    server.add(
        agent_service_pb2_grpc.add_AgentServiceServicer_to_server, Agent(), service="parley.agent.v1.AgentService"
    )
    port = await server.start()
    async with opened(settings(tmp_path, agent_address=f"127.0.0.1:{port}")) as mesh:
        stub = agent_service_pb2_grpc.AgentServiceStub(mesh.channel("agent"))
        request = agent_service_pb2.HandleMessageRequest(tenant_id="t", request_id="r", chat_id="c", text="hello")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.HandleMessage(request, timeout=SECONDS)
    await server.drain(0)
    failure = errors.from_rpc(caught.value)
    assert isinstance(failure, errors.StorageUnavailable)
    assert failure.retry_after is not None
    assert asked == 1


async def test_a_dead_service_is_unreachable_at_once_and_found_again_by_who_waits(tmp_path: Path) -> None:
    async with served(tmp_path) as (server, port):
        await server.drain(0)
    async with opened(settings(tmp_path, storage_address=f"127.0.0.1:{port}")) as mesh:
        stub: Any = ProbeStub(mesh.channel("storage"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Say(ProbeRequest(), timeout=SECONDS)
        assert isinstance(errors.from_rpc(caught.value), errors.Unreachable)
        patient = asyncio.ensure_future(stub.Say(ProbeRequest(text="hello"), timeout=SECONDS, wait_for_ready=True))
        again = Server(service="storage", address=f"127.0.0.1:{port}", settings=settings(tmp_path))
        again.add(add_to_server, Probe(), service=SERVICE)
        await again.start()
        assert (await patient).text == "hello"
        await again.drain(0)


async def test_a_drain_under_load_fails_no_call(tmp_path: Path) -> None:
    async def work(request: Any, _context: Any) -> Any:
        await asyncio.sleep(0.01)
        return seen(request)

    async with AsyncExitStack() as stack:
        first, port = await stack.enter_async_context(served(tmp_path, Probe(work)))
        _, other = await stack.enter_async_context(served(tmp_path, Probe(work)))
        address = f"ipv4:127.0.0.1:{port},127.0.0.1:{other}"
        mesh = await stack.enter_async_context(opened(settings(tmp_path, storage_address=address)))
        stub: Any = ProbeStub(mesh.channel("storage"))
        done, until = 0, time.monotonic() + 1.0

        async def load() -> None:
            nonlocal done
            while time.monotonic() < until:
                await stub.Say(ProbeRequest(), timeout=SECONDS)
                done += 1

        workers = [asyncio.create_task(load()) for _ in range(8)]
        await asyncio.sleep(0.3)
        await first.drain(5)
        await asyncio.gather(*workers)
    assert done > 100


async def test_a_mesh_must_be_opened(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="open"):
        Mesh(settings(tmp_path)).channel("storage")


def test_a_server_allows_the_pings_that_our_channels_send(tmp_path: Path) -> None:
    of = settings(tmp_path)
    sent = dict(transport.channel_options(of))["grpc.keepalive_time_ms"]
    # Twice as often as allowed, and gRPC closes the connection: "Too many pings".
    assert dict(transport.server_options(of))["grpc.http2.min_ping_interval_without_data_ms"] * 2 <= sent
