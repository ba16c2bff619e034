"""What must every backend do? One suite for all; a new backend is one more line in BACKENDS."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from llm_service.backends.echo import Echo
from llm_service.backends.ollama import Ollama
from llm_service.domain.backend import Answer, Backend, Model
from parley.llm.v1 import llm_service_pb2 as llm
from tests.simulated import ollama as simulated
from tests.suites.llm.service import a_prompt, wired

FAR = "Größe, 大きさ, 🏳️‍🌈 and a last word"


@asynccontextmanager
async def _ollama() -> AsyncIterator[Backend]:
    # "odd" streams three bytes at a time: every line, and every character of FAR, is cut somewhere.
    async with simulated.running("odd") as server, wired(server.base_url) as wire:
        yield Ollama(wire, window_tokens=4096)


@asynccontextmanager
async def _echo() -> AsyncIterator[Backend]:
    yield Echo()


BACKENDS: dict[str, Callable[[], AbstractAsyncContextManager[Backend]]] = {"ollama": _ollama, "echo": _echo}


@pytest.fixture(params=BACKENDS)
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    async with BACKENDS[request.param]() as made:
        yield made


async def test_lists_its_models_under_its_own_name(backend: Backend) -> None:
    models = await backend.models()

    assert models
    assert {model.backend for model in models} == {backend.name}
    assert all(model.window_tokens >= 512 for model in models)


async def test_answers_what_was_said_last(backend: Backend) -> None:
    answer = await backend.answer(a_prompt("where is my parcel?"), await _model(backend))

    assert "where is my parcel?" in answer.text
    assert answer.finish_reason == llm.FINISH_REASON_STOP


async def test_carries_every_character_there_and_back(backend: Backend) -> None:
    assert FAR in (await backend.answer(a_prompt(FAR), await _model(backend))).text


async def test_says_how_many_tokens_it_read_and_wrote(backend: Backend) -> None:
    answer = await backend.answer(a_prompt("a question of some length"), await _model(backend))

    assert answer.input_tokens > 0
    assert answer.output_tokens > 0


async def test_a_stream_says_the_same_in_pieces_and_ends_with_the_count(backend: Backend) -> None:
    model = await _model(backend)
    whole = await backend.answer(a_prompt(FAR), model)

    *pieces, end = [piece async for piece in backend.stream(a_prompt(FAR), model)]

    assert len(pieces) > 3
    assert "".join(str(piece) for piece in pieces) == whole.text
    assert end == Answer("", whole.finish_reason, whole.input_tokens, whole.output_tokens)


async def test_a_stream_may_be_left_early_and_the_next_call_works(backend: Backend) -> None:
    model = await _model(backend)
    stream = backend.stream(a_prompt(FAR), model)
    await anext(stream)

    await stream.aclose()

    assert "again" in (await backend.answer(a_prompt("again"), model)).text


async def _model(backend: Backend) -> Model:
    return (await backend.models())[0]
