"""How patient is one call, and with what?"""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from kit.errors import ModelBusy, ModelEmpty, ModelGarbage, ModelTimeout, ModelUnavailable
from llm_service.domain.backend import Answer, Model
from llm_service.domain.bulkhead import Bulkheads
from llm_service.domain.calls import Calls, Patience, Record
from llm_service.domain.choice import Route
from parley.llm.v1 import llm_service_pb2 as llm

MODEL = Model("m", "scripted", 4096)
DONE = llm.FINISH_REASON_STOP


class Scripted:
    """A backend that does what the list says, one entry a call."""

    name = "scripted"

    def __init__(self, *script: str | Exception) -> None:
        self.script = list(script)
        self.calls = 0

    async def models(self) -> tuple[Model, ...]:
        return (MODEL,)

    async def answer(self, prompt: llm.Prompt, model: Model) -> Answer:
        self.calls += 1
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        if step == "hang":
            await asyncio.Event().wait()
        return Answer(step, DONE, 3, 4)

    async def stream(self, prompt: llm.Prompt, model: Model) -> AsyncGenerator[str | Answer, None]:
        self.calls += 1
        for step in self.script.pop(0).split("|"):  # type: ignore[union-attr]
            if step == "away":
                raise ModelUnavailable
            if step == "hang":
                await asyncio.Event().wait()
            yield Answer("", DONE) if step == "end" else step


class Only:
    """A choice of one."""

    def __init__(self, backend: Scripted) -> None:
        self.backend = backend

    async def route(self, name: str) -> Route:
        return Route(self.backend, MODEL)


class Slept(list[float]):
    """A sleep that only remembers how long."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


def calls_of(backend: Scripted, sleep: Slept, *, random: float = 1.0, places: int = 8) -> Calls:
    patience = Patience(silence_seconds=0.05, random=lambda: random, sleep=sleep)
    return Calls(Only(backend), Bulkheads(places), patience=patience)  # type: ignore[arg-type]


async def test_a_server_that_is_away_is_asked_three_times_more_with_growing_jittered_pauses() -> None:
    backend, slept, record = Scripted(*[ModelUnavailable()] * 9), Slept(), Record()

    with pytest.raises(ModelUnavailable):
        await calls_of(backend, slept, random=0.5).generate(llm.Prompt(), record, seconds=60)

    assert slept == [0.5, 1.0, 2.0]
    assert (backend.calls, record.attempts) == (4, 4)


async def test_no_pause_is_begun_that_would_end_after_the_deadline() -> None:
    backend, slept = Scripted(*[ModelUnavailable()] * 9), Slept()

    with pytest.raises(ModelUnavailable):
        await calls_of(backend, slept).generate(llm.Prompt(), Record(), seconds=0.9)

    assert slept == []
    assert backend.calls == 1


@pytest.mark.parametrize("failure", [ModelGarbage(), ModelEmpty(), ModelBusy(), ModelTimeout()])
async def test_what_asking_again_does_not_change_is_asked_once(failure: Exception) -> None:
    backend = Scripted(failure, "never")

    with pytest.raises(type(failure)):
        await calls_of(backend, Slept()).generate(llm.Prompt(), Record(), seconds=60)

    assert backend.calls == 1


async def test_an_answer_after_a_failure_counts_both_attempts() -> None:
    record = Record()

    answer = await calls_of(Scripted(ModelUnavailable(), "yes"), Slept()).generate(llm.Prompt(), record, seconds=60)

    assert (answer.text, record.attempts, record.model, record.backend) == ("yes", 2, "m", "scripted")


async def test_an_unforeseen_fault_of_a_backend_is_garbage_and_tells_nothing() -> None:
    with pytest.raises(ModelGarbage) as raised:
        await calls_of(Scripted(KeyError("secret")), Slept()).generate(llm.Prompt(), Record(), seconds=60)

    assert "secret" not in str(raised.value)


async def test_a_place_is_free_again_after_every_kind_of_end() -> None:
    backend = Scripted("yes", ModelGarbage(), "hang", "hang", "yes")
    calls = calls_of(backend, Slept(), places=1)

    await calls.generate(llm.Prompt(), Record(), seconds=60)
    with pytest.raises(ModelGarbage):
        await calls.generate(llm.Prompt(), Record(), seconds=60)
    with pytest.raises(ModelTimeout):
        await calls.generate(llm.Prompt(), Record(), seconds=0.01)
    hanging = asyncio.create_task(calls.generate(llm.Prompt(), Record(), seconds=60))
    await asyncio.sleep(0)
    with pytest.raises(ModelBusy):
        await calls.generate(llm.Prompt(), Record(), seconds=60)
    hanging.cancel()
    await asyncio.wait((hanging,))

    assert (await calls.generate(llm.Prompt(), Record(), seconds=60)).text == "yes"


async def test_a_stream_is_begun_again_only_before_its_first_piece() -> None:
    before, after = Scripted("away", "a|b|end"), Scripted("a|away", "never|end")

    pieces = [piece async for piece in calls_of(before, Slept()).stream(llm.Prompt(), Record(), seconds=60)]
    begun = calls_of(after, Slept()).stream(llm.Prompt(), Record(), seconds=60)
    first = await anext(begun)
    with pytest.raises(ModelUnavailable):
        await anext(begun)

    assert pieces == ["a", "b", Answer("", DONE)]
    assert (before.calls, after.calls, first) == (2, 1, "a")


async def test_a_stream_that_falls_silent_is_ended_long_before_the_deadline() -> None:
    async with asyncio.timeout(5):
        with pytest.raises(ModelTimeout):
            async for _ in calls_of(Scripted("a|hang"), Slept()).stream(llm.Prompt(), Record(), seconds=600):
                pass


@pytest.mark.parametrize(("script", "error"), [("a|b", ModelGarbage), ("end", ModelEmpty), (" |end", ModelEmpty)])
async def test_a_stream_without_an_end_or_without_a_word_is_not_an_answer(script: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        async for _ in calls_of(Scripted(script), Slept()).stream(llm.Prompt(), Record(), seconds=60):
            pass
