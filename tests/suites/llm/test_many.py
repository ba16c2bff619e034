"""How do many asks fare on one stream: slow beside fast, cancelled, late, refused, and when the service restarts?

The agent service's own caller asks the real model service here, over sockets and within one process.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path

import grpc
import pytest

from agent_service.backends.llm import Llm
from kit import correlation, errors, local, logs
from kit.calling import Mesh
from kit.lifetime import Lifetime
from kit.settings import load
from llm_service.__main__ import serve
from llm_service.settings import Settings
from parley.error.v1.error_reason_pb2 import ErrorReason
from parley.llm.v1 import llm_service_pb2 as llm
from parley.llm.v1.llm_service_pb2_grpc import LlmServiceStub
from tests.simulated import ollama as simulated
from tests.simulated.wire import free_port
from tests.stalls import SHORT_PATIENCE_SECONDS
from tests.suites.llm.service import a_prompt
from tests.waiting import until

SORRY = "Sorry, later."


@pytest.fixture(params=["sockets", "one process"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Rig:
    """A model server, the model service in front of it, and who asks."""

    def __init__(self, server: simulated.Ollama, settings: Settings) -> None:
        self.server = server
        self._settings = settings
        self._lifetime = Lifetime()
        self._running: asyncio.Task[None] | None = None
        self.mesh = Mesh(settings)

    async def start(self) -> None:
        self._lifetime = Lifetime()
        self._running = asyncio.create_task(serve(self._settings, self._lifetime))
        async with asyncio.timeout(30):
            await self._lifetime.wait_ready(["llm"])

    async def stop(self) -> None:
        self._lifetime.stop()
        if self._running is not None:
            await self._running


@asynccontextmanager
async def rigged(folder: Path, way: str, *, mode: str = "ok") -> AsyncIterator[tuple[Rig, Llm]]:
    async with AsyncExitStack() as stack:
        stack.enter_context(local.share() if way == "one process" else nullcontext())
        server = await stack.enter_async_context(simulated.running(mode))
        given = {"OLLAMA_BASE_URL": server.base_url, "LLM_CONCURRENCY": "256", "MESH_DRAIN_DELAY_SECONDS": "0.1"}
        given |= {"DATA_DIR": str(folder), "LLM_ADDRESS": f"127.0.0.1:{free_port()}", "LOG_LEVEL": "error"}
        settings = load(Settings, environ=given, env_file=folder / "none")
        logs.configure(settings, "llm")
        rig = Rig(server, settings)
        await rig.start()
        stack.push_async_callback(rig.stop)
        await rig.mesh.open()
        stack.push_async_callback(rig.mesh.close)
        model = Llm(rig.mesh.channel("llm"))
        await model.refresh()
        stack.push_async_callback(model.close)
        yield rig, model


async def test_a_slow_ask_does_not_hold_a_fast_one(tmp_path: Path, way: str) -> None:
    async with rigged(tmp_path, way, mode="hang") as (rig, model):
        slow = asyncio.create_task(model.generate(_request("slow"), seconds=30))
        await until(lambda: len(rig.server.chats) == 1)
        await rig.server.switch("ok")

        fast = await model.generate(_request("fast"), seconds=20)

        assert (fast.text, slow.done()) == ("re: fast", False)
        slow.cancel()


async def test_a_cancelled_ask_ends_the_work_at_the_model_server_and_frees_its_place(tmp_path: Path, way: str) -> None:
    async with rigged(tmp_path, way, mode="hang") as (rig, model):
        asks = [asyncio.create_task(model.generate(_request(f"{n}"), seconds=30)) for n in range(2)]
        await until(lambda: len(rig.server.chats) == 2)

        asks[0].cancel()

        await until(lambda: sum(seen.abandoned for seen in rig.server.chats) == 1)
        assert not asks[1].done()
        asks[1].cancel()
        await until(lambda: all(seen.abandoned for seen in rig.server.chats))


async def test_a_stream_that_its_caller_drops_ends_all_its_work(tmp_path: Path, way: str) -> None:
    async with rigged(tmp_path, way, mode="hang") as (rig, _):
        going = asyncio.Event()

        async def requests() -> AsyncIterator[llm.GenerateManyRequest]:
            yield llm.GenerateManyRequest(asks=[_ask(1), _ask(2)])
            await going.wait()

        call = LlmServiceStub(rig.mesh.channel("llm")).GenerateMany(requests(), timeout=60)
        reading = asyncio.ensure_future(anext(aiter(call)))
        await until(lambda: len(rig.server.chats) == 2)

        reading.cancel()
        call.cancel()

        await until(lambda: all(seen.abandoned for seen in rig.server.chats))
        going.set()


async def test_each_ask_has_its_own_deadline_and_its_own_end(tmp_path: Path, way: str) -> None:
    async with rigged(tmp_path, way, mode="hang") as (_, model):
        started = time.monotonic()
        ends = await asyncio.gather(
            model.generate(_request("told", SORRY), seconds=1.0),
            model.generate(_request("untold"), seconds=0.5),
            return_exceptions=True,
        )

    assert isinstance(ends[0], llm.GenerateResponse)
    assert (ends[0].text, ends[0].completion.failure.reason) == (SORRY, ErrorReason.ERROR_REASON_MODEL_TIMEOUT)
    assert isinstance(ends[1], errors.ModelTimeout)
    assert time.monotonic() - started < 10, "the server would not end them"


async def test_two_hundred_asks_at_once_are_each_given_their_own_answer(tmp_path: Path, way: str) -> None:
    async with rigged(tmp_path, way) as (_, model):
        answers = await asyncio.gather(*(model.generate(_request(f"{n}"), seconds=20) for n in range(200)))

    assert [answer.text for answer in answers] == [f"re: {n}" for n in range(200)]


async def test_an_ask_outside_its_limits_fails_alone(tmp_path: Path, way: str) -> None:
    async with rigged(tmp_path, way) as (_, model):
        bad, good = await asyncio.gather(
            model.generate(_request("hello", "x" * 5000), seconds=20),
            model.generate(_request("hello"), seconds=20),
            return_exceptions=True,
        )

    assert isinstance(bad, errors.InvalidField)
    assert isinstance(good, llm.GenerateResponse)
    assert good.text == "re: hello"


async def test_a_message_outside_its_limits_ends_the_stream_with_the_field(tmp_path: Path, way: str) -> None:
    async with rigged(tmp_path, way) as (rig, _):

        async def requests() -> AsyncIterator[llm.GenerateManyRequest]:
            yield llm.GenerateManyRequest(asks=[llm.Ask(id=1)])

        with pytest.raises(grpc.aio.AioRpcError) as raised:
            async for _ in LlmServiceStub(rig.mesh.channel("llm")).GenerateMany(
                requests(), timeout=SHORT_PATIENCE_SECONDS
            ):
                pass

    failure = errors.from_rpc(raised.value)
    assert isinstance(failure, errors.InvalidField)
    assert ("asks[0].timeout", "is required") in failure.violations


async def test_a_caller_that_half_closes_gets_the_answers_and_then_the_end(tmp_path: Path, way: str) -> None:
    async with rigged(tmp_path, way) as (rig, _):

        async def requests() -> AsyncIterator[llm.GenerateManyRequest]:
            yield llm.GenerateManyRequest(asks=[_ask(7), _ask(8)])

        call = LlmServiceStub(rig.mesh.channel("llm")).GenerateMany(requests(), timeout=SHORT_PATIENCE_SECONDS)
        answered = [answer.id async for frame in call for answer in frame.answers]

    assert sorted(answered) == [7, 8]


async def test_a_restart_of_the_service_costs_no_ask(tmp_path: Path, way: str) -> None:
    """While it restarts, people go on asking: those under way are answered, the others wait for its return."""
    async with rigged(tmp_path, way, mode="slow:0.3") as (rig, model):
        asking = asyncio.Event()

        async def asker(n: int) -> list[str]:
            texts = []
            while not asking.is_set():
                texts.append((await model.generate(_request(f"{n}", SORRY), seconds=20)).text)
            return texts

        askers = [asyncio.create_task(asker(n)) for n in range(20)]
        for _ in range(2):
            await asyncio.sleep(0.4)
            started = time.monotonic()
            await rig.stop()
            assert time.monotonic() - started < 3
            await rig.start()
        await asyncio.sleep(0.4)
        asking.set()
        texts = await asyncio.gather(*askers)

    assert [set(each) for each in texts] == [{f"re: {n}"} for n in range(20)]


async def test_an_ask_does_not_lend_its_correlation_id_or_deadline_to_those_after_it(
    tmp_path: Path, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with rigged(tmp_path, way) as (_, model):
        logs.configure(load(Settings, environ={"LOG_LEVEL": "info"}, env_file=tmp_path / "none"), "llm")
        for name in ("first", "second"):
            await asyncio.create_task(_asked_as(f"corr-{name}", model))

    lines = [line for line in capsys.readouterr().err.splitlines() if "llm.answered" in line]
    assert ["corr-first" in lines[0], "corr-second" in lines[1], len(lines)] == [True, True, 2]


async def _asked_as(name: str, model: Llm) -> None:
    correlation.bind(name)
    await model.generate(_request("hello"), seconds=20)


def _request(text: str, fallback: str = "") -> llm.GenerateRequest:
    return llm.GenerateRequest(tenant_id="t1", prompt=a_prompt(text), fallback_text=fallback)


def _ask(number: int) -> llm.Ask:
    ask = llm.Ask(id=number, request=_request("hello"))
    ask.timeout.FromSeconds(30)
    return ask
