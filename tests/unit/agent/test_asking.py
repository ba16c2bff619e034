"""How does the agent service ask the model service, when that one is well, busy, away or gone in the middle?"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_service.backends.asks import Asks, Sleep
from agent_service.backends.llm import DEFAULT_WINDOW_TOKENS, Llm
from agent_service.settings import Settings
from kit import correlation, deadlines, logs
from kit.calling import Mesh
from kit.errors import ModelBusy, ModelTimeout, ModelUnavailable, as_item
from kit.serving import Server
from llm_service.domain.exchange import Exchange
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import completion_pb2, model_pb2, prompt_pb2
from parley.llm.v1 import llm_service_pb2 as llm
from parley.llm.v1.llm_service_pb2_grpc import LlmServiceServicer, add_LlmServiceServicer_to_server
from tests.simulated.wire import free_port
from tests.stalls import SHORT_PATIENCE_SECONDS

SORRY = "sorry"


def busy(seconds: float | None) -> llm.GenerateResponse:
    """Come again after so long, or at a time that is not told."""
    after = None if seconds is None else timedelta(seconds=seconds)
    failure = as_item(ModelBusy(retry_after=after))
    return llm.GenerateResponse(text=SORRY, completion=completion_pb2.Completion(fallback=True, failure=failure))


class Service(LlmServiceServicer):
    """A model service that gives what stands in the list, then "hi"."""

    def __init__(self, *answers: llm.GenerateResponse) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.hangs = False
        self.slow: set[str] = set()
        self.seen: dict[str, tuple[str, float]] = {}
        self.cancelled: list[str] = []
        self.ending = asyncio.Event()
        self.go = asyncio.Event()
        self.streams = 0
        self.pieces: list[llm.GenerateStreamResponse] = []
        self.breaks_off = False
        self.ends_early = 0

    async def Generate(  # noqa: N802 - named by the contract
        self, request: llm.GenerateRequest, _context: Any
    ) -> llm.GenerateResponse:
        return await self._generate(request)

    async def _generate(self, request: llm.GenerateRequest) -> llm.GenerateResponse:
        self.asked += 1
        text = request.prompt.messages[-1].text
        self.seen[text] = (correlation.correlation_id.get(), deadlines.remaining() or 0.0)
        try:
            if self.hangs or text in self.slow:
                await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.append(text)
            raise
        return self.answers.pop(0) if self.answers else llm.GenerateResponse(text="hi")

    async def GenerateMany(  # noqa: N802 - named by the contract
        self, requests: AsyncIterator[llm.GenerateManyRequest], _context: Any
    ) -> AsyncIterator[llm.GenerateManyResponse]:
        self.streams += 1
        if self.streams <= self.ends_early:
            await anext(requests)
            raise ModelUnavailable
        async with aclosing(Exchange(self._generate, self.ending).frames(requests)) as frames:
            async for frame in frames:
                yield frame

    async def GenerateStream(  # noqa: N802 - named by the contract
        self, request: llm.GenerateStreamRequest, _context: Any
    ) -> AsyncIterator[llm.GenerateStreamResponse]:
        for piece in self.pieces or [llm.GenerateStreamResponse(delta="hi")]:
            yield piece
        if self.breaks_off:
            raise ModelUnavailable

    async def ListModels(  # noqa: N802 - named by the contract
        self, request: model_pb2.ListModelsRequest, _context: Any
    ) -> model_pb2.ListModelsResponse:
        models = [
            model_pb2.Model(name="big:latest", window_tokens=32_000, characters_per_token=2.5),
            model_pb2.Model(name="small:1b", window_tokens=2048),
        ]
        return model_pb2.ListModelsResponse(models=models, default_model="small:1b")

    async def CountTokens(  # noqa: N802 - named by the contract
        self, request: model_pb2.CountTokensRequest, _context: Any
    ) -> model_pb2.CountTokensResponse:
        return model_pb2.CountTokensResponse(input_tokens=1)

    async def PullModel(  # noqa: N802 - named by the contract
        self, request: model_pb2.PullModelRequest, _context: Any
    ) -> AsyncIterator[model_pb2.PullModelResponse]:
        yield model_pb2.PullModelResponse(status="success")


@asynccontextmanager
async def serving(service: Service, folder: Path, port: int = 0) -> AsyncIterator[int]:
    """On a port that is nobody else's while it is away."""
    settings = Settings(data_dir=folder, mesh_drain_delay_seconds=0, log_level="error")
    logs.configure(settings, "llm")
    server = Server("llm", f"127.0.0.1:{port or free_port()}", settings=settings)
    server.add(add_LlmServiceServicer_to_server, service, service="parley.llm.v1.LlmService")
    bound = await server.start()
    try:
        yield bound
    finally:
        await server.drain(0)


@asynccontextmanager
async def asking(port: int, folder: Path, *, sleep: Sleep = asyncio.sleep) -> AsyncIterator[Llm]:
    mesh = Mesh(Settings(data_dir=folder, llm_address=f"127.0.0.1:{port}"))
    await mesh.open()
    try:
        model = Llm(mesh.channel("llm"), sleep=sleep)
        yield model
        await model.close()
    finally:
        await mesh.close()


def a_request(text: str = "hello") -> llm.GenerateRequest:
    prompt = prompt_pb2.Prompt(messages=[prompt_pb2.PromptMessage(role=Role.ROLE_CONTACT, text=text)])
    return llm.GenerateRequest(tenant_id="t1", prompt=prompt, fallback_text=SORRY)


async def test_a_busy_model_is_asked_again_when_it_said_so(tmp_path: Path) -> None:
    service = Service(busy(0.2), busy(0.2))
    async with serving(service, tmp_path) as port, asking(port, tmp_path) as model:
        started = time.monotonic()
        answer = await model.generate(a_request(), seconds=10)

    assert (answer.text, service.asked) == ("hi", 3)
    assert time.monotonic() - started >= 0.4


async def test_a_model_that_stays_busy_ends_with_the_fallback_in_time(tmp_path: Path) -> None:
    service = Service(*[busy(0.5)] * 50)
    async with serving(service, tmp_path) as port, asking(port, tmp_path) as model:
        answer = await model.generate(a_request(), seconds=2)

    assert answer.text == SORRY
    assert service.asked <= 4, "no pause is begun that would end later"


async def test_a_busy_model_that_names_no_time_is_not_asked_again(tmp_path: Path) -> None:
    service = Service(*[busy(None)] * 50)
    async with serving(service, tmp_path) as port, asking(port, tmp_path) as model:
        answer = await model.generate(a_request(), seconds=25)

    assert (answer.text, service.asked) == (SORRY, 1)


async def test_a_busy_model_that_names_no_time_to_wait_is_left_alone_for_a_second_all_the_same(tmp_path: Path) -> None:
    service, pauses = Service(*[busy(0)] * 2), list[float]()

    async def paused(seconds: float) -> None:
        pauses.append(seconds)

    async with serving(service, tmp_path) as port, asking(port, tmp_path, sleep=paused) as model:
        answer = await model.generate(a_request(), seconds=25)

    assert (answer.text, service.asked, pauses) == ("hi", 3, [1.0, 1.0])


async def test_a_model_service_that_is_away_is_waited_for_but_not_long(tmp_path: Path) -> None:
    async with serving(Service(), tmp_path) as port:
        pass
    async with asking(port, tmp_path) as model:
        started = time.monotonic()
        with pytest.raises(ModelUnavailable):
            await model.generate(a_request(), seconds=0.5)

    assert time.monotonic() - started < 1


async def test_a_model_service_that_hangs_is_a_timeout(tmp_path: Path) -> None:
    service = Service()
    service.hangs = True
    async with serving(service, tmp_path) as port, asking(port, tmp_path) as model:
        await model.refresh()  # to connect is no part of it
        with pytest.raises(ModelTimeout):
            await model.generate(a_request(), seconds=0.3)


async def test_a_model_service_that_went_down_in_the_middle_is_asked_once_more_when_it_is_back(tmp_path: Path) -> None:
    first = Service()
    first.hangs = True
    async with AsyncExitStack() as both:
        running = AsyncExitStack()
        port = await running.enter_async_context(serving(first, tmp_path))
        model = await both.enter_async_context(asking(port, tmp_path))
        call = asyncio.create_task(model.generate(a_request(), seconds=20))
        while not first.asked:
            await asyncio.sleep(0.01)

        await running.aclose()
        await both.enter_async_context(serving(Service(), tmp_path, port))

        assert (await call).text == "hi"


async def test_a_stream_that_ends_while_it_is_written_to_has_its_asks_asked_once_more(tmp_path: Path) -> None:
    service = Service()
    service.ends_early = 1
    async with serving(service, tmp_path) as port, asking(port, tmp_path) as model:
        heavy = a_request()
        heavy.prompt.output_schema = "x" * 65_536
        answers = await asyncio.gather(*(model.generate(heavy, seconds=20) for _ in range(64)))

    assert {answer.text for answer in answers} == {"hi"}
    assert service.streams == 2


async def test_windows_and_token_lengths_of_models_are_known_after_a_look_and_guessed_before(
    tmp_path: Path,
) -> None:
    async with serving(Service(), tmp_path) as port, asking(port, tmp_path) as model:
        before = model.window("")
        await model.refresh()
        after = [model.window(name) for name in ("", "small:1b", "big", "big:latest", "unheard-of")]
        lengths = [model.characters_per_token(name) for name in ("", "big", "unheard-of")]

        names = model.names()

    assert names == {"big:latest", "small:1b"}
    assert lengths == [4.0, 2.5, 4.0]
    assert before == DEFAULT_WINDOW_TOKENS
    assert after == [2048, 2048, 32_000, 32_000, DEFAULT_WINDOW_TOKENS]


async def test_a_stream_that_is_old_takes_no_new_asks_and_still_brings_the_answers_of_its_own(tmp_path: Path) -> None:
    service = Service()
    service.slow = {"slow"}
    async with serving(service, tmp_path) as port:
        mesh = Mesh(Settings(data_dir=tmp_path, llm_address=f"127.0.0.1:{port}"))
        await mesh.open()
        asks = Asks(mesh.channel("llm"), stream_seconds=0.05)
        slow = asyncio.create_task(asks.ask(a_request("slow"), seconds=10))
        for _ in range(3):
            assert (await asks.ask(a_request("fast"), seconds=10)).text == "hi"
            await asyncio.sleep(0.1)
        service.go.set()

        assert ((await slow).text, service.streams) == ("hi", 3)
        await asks.close()
        await mesh.close()


async def test_many_asks_of_one_process_share_a_stream_and_keep_their_own_id_and_deadline(tmp_path: Path) -> None:
    service = Service()
    async with serving(service, tmp_path) as port, asking(port, tmp_path) as model:

        async def ask(text: str, seconds: float) -> None:
            correlation.bind(f"corr-{text}")
            await model.generate(a_request(text), seconds=seconds)

        await asyncio.gather(*(asyncio.create_task(ask(f"{n}", 10 * n)) for n in range(5, 25)))

    assert service.streams == 1
    assert {text: seen[0] for text, seen in service.seen.items()} == {f"{n}": f"corr-{n}" for n in range(5, 25)}
    assert all(10 * int(text) - 10 < left <= 10 * int(text) for text, (_, left) in service.seen.items())


async def test_a_turn_that_is_given_up_ends_its_ask_at_the_service(tmp_path: Path) -> None:
    service = Service()
    service.slow = {"slow"}
    async with serving(service, tmp_path) as port, asking(port, tmp_path) as model:
        call = asyncio.create_task(model.generate(a_request("slow"), seconds=60))
        async with asyncio.timeout(SHORT_PATIENCE_SECONDS):
            while not service.asked:
                await asyncio.sleep(0.01)
            call.cancel()
            while not service.cancelled:
                await asyncio.sleep(0.01)

    assert service.cancelled == ["slow"]


async def test_a_streamed_answer_is_heard_as_it_comes_and_is_whole_at_the_end(tmp_path: Path) -> None:
    service, heard = Service(), list[str]()
    done = completion_pb2.Completion(model="m")
    service.pieces = [
        *(llm.GenerateStreamResponse(delta=each) for each in ("One. ", "Two.")),
        llm.GenerateStreamResponse(tool_call=prompt_pb2.ToolCall(name="hand_off")),
        llm.GenerateStreamResponse(completed=done),
    ]
    async with serving(service, tmp_path) as port, asking(port, tmp_path) as model:
        answer = await model.stream(a_request(), seconds=10, heard=heard.append)
    assert heard == ["One. ", "One. Two."]
    assert (answer.text, answer.completion.model, answer.tool_calls[0].name) == ("One. Two.", "m", "hand_off")
    assert service.asked == 0


@pytest.mark.parametrize("breaks_off", [True, False])
async def test_a_stream_that_does_not_come_to_an_end_is_asked_for_anew_as_a_whole(
    tmp_path: Path, breaks_off: bool
) -> None:
    service, heard = Service(llm.GenerateResponse(text="the whole")), list[str]()
    service.breaks_off = breaks_off
    async with serving(service, tmp_path) as port, asking(port, tmp_path) as model:
        answer = await model.stream(a_request(), seconds=10, heard=heard.append)
    assert (heard, answer.text, service.asked) == (["hi"], "the whole", 1)


async def test_the_fallback_text_is_not_heard_while_an_answer_may_come_in_its_place(tmp_path: Path) -> None:
    service, heard = Service(), list[str]()
    away = busy(0.2)
    service.pieces = [
        llm.GenerateStreamResponse(delta=SORRY),
        llm.GenerateStreamResponse(completed=away.completion),
    ]
    async with serving(service, tmp_path) as port, asking(port, tmp_path) as model:
        answer = await model.stream(a_request(), seconds=10, heard=heard.append)
    assert (heard, answer.text, service.asked) == ([], "hi", 1)
