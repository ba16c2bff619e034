"""How patient is one call, and with what?"""

import asyncio

import pytest

from kit.errors import ModelBusy, ModelEmpty, ModelGarbage, ModelTimeout, ModelUnavailable
from llm_service.domain.backend import Answer
from llm_service.domain.record import Record
from parley.llm.v1 import prompt_pb2
from tests.stalls import PATIENCE_SECONDS
from tests.unit.llm.scripted import DONE, Scripted, Slept, calls_of


async def test_a_server_that_is_away_is_asked_again_with_growing_jittered_pauses_until_its_breaker_opens() -> None:
    backend, slept, record = Scripted(*[ModelUnavailable()] * 9), Slept(), Record()

    with pytest.raises(ModelUnavailable):
        await calls_of(backend, slept, random=0.5).generate(prompt_pb2.Prompt(), record, seconds=60)

    assert slept == [0.5, 1.0]
    assert (backend.calls, record.attempts) == (3, 3)


async def test_no_pause_is_begun_that_would_end_after_the_deadline() -> None:
    backend, slept = Scripted(*[ModelUnavailable()] * 9), Slept()

    with pytest.raises(ModelUnavailable):
        await calls_of(backend, slept).generate(prompt_pb2.Prompt(), Record(), seconds=0.9)

    assert slept == []
    assert backend.calls == 1


@pytest.mark.parametrize("failure", [ModelGarbage(), ModelEmpty(), ModelBusy(), ModelTimeout()])
async def test_what_asking_again_does_not_change_is_asked_once(failure: Exception) -> None:
    backend = Scripted(failure, "never")

    with pytest.raises(type(failure)):
        await calls_of(backend, Slept()).generate(prompt_pb2.Prompt(), Record(), seconds=60)

    assert backend.calls == 1


async def test_an_answer_after_a_failure_counts_both_attempts() -> None:
    record = Record()

    answer = await calls_of(Scripted(ModelUnavailable(), "yes"), Slept()).generate(
        prompt_pb2.Prompt(), record, seconds=60
    )

    assert (answer.text, record.attempts, record.model, record.backend) == ("yes", 2, "m", "scripted")


async def test_an_unforeseen_fault_of_a_backend_is_garbage_and_tells_nothing() -> None:
    with pytest.raises(ModelGarbage) as raised:
        await calls_of(Scripted(KeyError("secret")), Slept()).generate(prompt_pb2.Prompt(), Record(), seconds=60)

    assert "secret" not in str(raised.value)


async def test_a_place_is_free_again_after_every_kind_of_end() -> None:
    backend = Scripted("yes", ModelGarbage(), "hang", "hang", "yes")
    calls = calls_of(backend, Slept(), places=1)

    await calls.generate(prompt_pb2.Prompt(), Record(), seconds=60)
    with pytest.raises(ModelGarbage):
        await calls.generate(prompt_pb2.Prompt(), Record(), seconds=60)
    with pytest.raises(ModelTimeout):
        await calls.generate(prompt_pb2.Prompt(), Record(), seconds=0.01)
    hanging = asyncio.create_task(calls.generate(prompt_pb2.Prompt(), Record(), seconds=60))
    await asyncio.sleep(0)
    with pytest.raises(ModelBusy):
        await calls.generate(prompt_pb2.Prompt(), Record(), seconds=60)
    hanging.cancel()
    await asyncio.wait((hanging,))

    assert (await calls.generate(prompt_pb2.Prompt(), Record(), seconds=60)).text == "yes"


async def test_a_stream_is_begun_again_only_before_its_first_piece() -> None:
    before, after = Scripted("away", "a|b|end"), Scripted("a|away", "never|end")

    pieces = [piece async for piece in calls_of(before, Slept()).stream(prompt_pb2.Prompt(), Record(), seconds=60)]
    begun = calls_of(after, Slept()).stream(prompt_pb2.Prompt(), Record(), seconds=60)
    first = await anext(begun)
    with pytest.raises(ModelUnavailable):
        await anext(begun)

    assert pieces == ["a", "b", Answer("", DONE)]
    assert (before.calls, after.calls, first) == (2, 1, "a")


async def test_a_stream_that_falls_silent_is_ended_long_before_the_deadline() -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(ModelTimeout):
            async for _ in calls_of(Scripted("a|hang"), Slept()).stream(prompt_pb2.Prompt(), Record(), seconds=600):
                pass


@pytest.mark.parametrize(("script", "error"), [("a|b", ModelGarbage), ("end", ModelEmpty), (" |end", ModelEmpty)])
async def test_a_stream_without_an_end_or_without_a_word_is_not_an_answer(script: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        async for _ in calls_of(Scripted(script), Slept()).stream(prompt_pb2.Prompt(), Record(), seconds=60):
            pass
