"""Does a model come to answer that takes longer to load than anybody waits? Ollama ends a load with its call."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kit.errors import ModelPaused, ModelTimeout
from llm_service.backends.ollama import Ollama
from llm_service.domain.backend import Model
from parley.llm.v1 import llm_service_pb2 as llm
from tests.simulated import ollama as simulated
from tests.suites.llm.service import Setup, a_prompt, serving, wired
from tests.unit.llm.scripted import Clock
from tests.waiting import until

if TYPE_CHECKING:
    from parley.llm.v1.llm_service_pb2_grpc import LlmServiceAsyncStub

SORRY = "Sorry, later."
# One model by two names, and little time for it by one of them.
OURS: dict[str, object] = {"backend": "ollama", "name": simulated.MODEL}
MODELS = {"hurried": {**OURS, "timeout_seconds": 0.3}, "patient": OURS}


async def test_what_is_loaded_beside_the_calls_is_what_they_ask_for() -> None:
    model = Model("small", "ollama", 2048, server_name="llama3.2:latest", keep_alive="1800")
    async with simulated.running() as server, wired(server.base_url) as wire:
        await Ollama(wire, window_tokens=4096).load(model)

    (load,) = server.loads
    assert load.body == {
        "model": "llama3.2:latest",
        "stream": False,
        "keep_alive": 1800,
        "options": {"num_ctx": 2048},
    }


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_model_that_loads_for_longer_than_people_wait_answers_once_it_is_there(
    stream: bool, tmp_path: Path
) -> None:
    clock = Clock()  # 300 s of a pause never pass by themselves
    ask = _streamed if stream else _whole
    setup = Setup(clock=clock, models=MODELS)
    async with simulated.running("cold") as server, serving(server.base_url, tmp_path, setup) as stub:
        assert await ask(stub, "hurried") == (SORRY, ModelTimeout.reason)
        await until(lambda: [load.began_load for load in server.loads] == [True])

        reasons = [(await ask(stub, "hurried"))[1] for _ in range(3)]
        assert reasons == [ModelTimeout.reason] * 2 + [ModelPaused.reason]
        assert [load.abandoned for load in server.loads] == [False]

        clock.now += 40
        asked = len(server.chats)
        await server.switch("ok")
        async with asyncio.timeout(30):
            while (said := await ask(stub, "patient"))[0] == SORRY:
                await asyncio.sleep(0.01)

    assert said == ("re: hello there", 0)
    assert len(server.chats) == asked + 1
    assert [load.abandoned for load in server.loads] == [False]


async def test_a_load_ends_with_the_service(tmp_path: Path) -> None:
    async with simulated.running("cold") as server:
        async with serving(server.base_url, tmp_path, Setup(models=MODELS)) as stub:
            await _whole(stub, "hurried")
            await until(lambda: [load.began_load for load in server.loads] == [True])

        await until(lambda: server.loads[0].abandoned)


async def _whole(stub: "LlmServiceAsyncStub", model: str) -> tuple[str, int]:
    request = llm.GenerateRequest(tenant_id="t1", prompt=a_prompt(model=model), fallback_text=SORRY)
    answer = await stub.Generate(request, timeout=30)
    return answer.text, answer.completion.failure.reason


async def _streamed(stub: "LlmServiceAsyncStub", model: str) -> tuple[str, int]:
    request = llm.GenerateStreamRequest(tenant_id="t1", prompt=a_prompt(model=model), fallback_text=SORRY)
    parts = [part async for part in stub.GenerateStream(request, timeout=30)]
    return "".join(part.delta for part in parts), parts[-1].completed.failure.reason
