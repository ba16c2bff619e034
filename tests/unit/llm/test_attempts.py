"""How does an attempt end, what does its breaker learn of it, and when is there another?"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from kit.errors import ModelBusy, ModelEmpty, ModelGarbage, ModelPaused, ModelRefused, ModelTimeout, ModelUnavailable
from llm_service.domain.attempts import SPREAD_SECONDS, Attempts, Patience
from llm_service.domain.backend import Answer, Model
from llm_service.domain.breaker import Rule, State
from llm_service.domain.record import Record
from llm_service.domain.served import Route
from parley.llm.v1 import prompt_pb2
from tests.unit.llm.scripted import MODEL, Clock, Scripted, Slept, calls_through, route_to

PROMPT = prompt_pb2.Prompt()


class Slow(Scripted):
    """A backend that lets the time of a test pass before it does what its list says."""

    def __init__(self, clock: Clock, *script: "str | Answer | Exception", seconds: float) -> None:
        super().__init__(*script)
        self.clock, self.seconds = clock, seconds

    async def answer(self, prompt: prompt_pb2.Prompt, model: Model) -> Answer:
        self.clock.now += self.seconds
        return await super().answer(prompt, model)


async def asked(route: Route, clock: Clock, *, seconds: float = 60.0, sleep: Slept | None = None) -> Answer:
    """One call at this route, whose time is the test's."""
    patience = Patience(random=lambda: 1.0, sleep=clock.sleep if sleep is None else sleep, clock=clock)
    until = asyncio.get_running_loop().time() + seconds
    return await Attempts(patience).whole(route, PROMPT, record=Record(), until=until)


async def failures_until_open(*script: "str | Answer | Exception", seconds: float = 0.0) -> int:
    """How many calls of this kind open the breaker; 0 when nine do not."""
    clock = Clock()
    route = route_to(Slow(clock, *script * 9, seconds=seconds), clock=clock)
    for number in range(1, 10):
        with suppress(ModelGarbage, ModelEmpty, ModelRefused, ModelBusy):
            await asked(route, clock)
        if route.health.breaker.state is State.OPEN:
            return number
    return 0


@pytest.mark.parametrize(
    ("ending", "opened_after"),
    [
        (ModelGarbage(), 3),
        (KeyError("what a backend does not name"), 3),
        ("\0", 3),
        (ModelEmpty(), 0),
        ("", 0),
        (ModelRefused(), 0),
        (ModelBusy(), 0),
        ("yes", 0),
    ],
    ids=repr,
)
async def test_what_a_server_is_ill_of_counts_and_what_it_is_not_does_not(
    ending: "str | Exception", opened_after: int
) -> None:
    assert await failures_until_open(ending) == opened_after


async def test_an_answer_that_took_too_long_is_used_and_counts_as_a_failure() -> None:
    clock = Clock()
    route = route_to(Slow(clock, "one", "two", "three", "four", seconds=60.1), clock=clock)

    said = [(await asked(route, clock)).text for _ in range(3)]

    assert said == ["one", "two", "three"]
    with pytest.raises(ModelPaused):
        await asked(route, clock)
    assert await failures_until_open("yes", seconds=60.0) == 0


async def test_what_is_slow_is_said_by_the_model() -> None:
    clock = Clock()
    route = route_to(Slow(clock, *["x"] * 3, seconds=2), clock=clock, model=replace(MODEL, slow_seconds=1.0))

    for _ in range(3):
        await asked(route, clock)

    assert route.health.breaker.state is State.OPEN


@pytest.mark.parametrize(
    ("seconds", "model", "rule", "state"),
    [
        (2.0, MODEL, Rule(), State.CLOSED),
        (9.9, MODEL, Rule(), State.CLOSED),
        (10.0, MODEL, Rule(), State.OPEN),
        (1.9, replace(MODEL, timeout_seconds=4.0), Rule(), State.CLOSED),
        (2.0, replace(MODEL, timeout_seconds=4.0), Rule(), State.OPEN),
        (3.0, replace(MODEL, slow_seconds=3.0), Rule(), State.OPEN),
        (3.1, MODEL, Rule(late_seconds=3.2), State.CLOSED),
        (3.2, MODEL, Rule(late_seconds=3.2), State.OPEN),
    ],
)
async def test_a_timeout_counts_when_the_caller_gave_long_enough_or_as_long_as_the_operator(
    seconds: float, model: Model, rule: Rule, state: State
) -> None:
    clock = Clock()
    route = route_to(Slow(clock, *["hang"] * 3, seconds=seconds), clock=clock, model=model, rule=rule)

    for _ in range(3):
        with pytest.raises(ModelTimeout):
            await asked(route, clock, seconds=0.01)

    assert route.health.breaker.state is state
    assert (route.health.failure is None) is (state is State.CLOSED)


async def test_a_timeout_does_not_count_where_the_model_answered_somebody_else_meanwhile() -> None:
    clock = Clock()
    route = route_to(Slow(clock, *["hang"] * 6, seconds=20), clock=clock)

    for _ in range(5):
        waiting = asyncio.create_task(asked(route, clock, seconds=0.05))
        await asyncio.sleep(0)
        route.health.answered()
        with pytest.raises(ModelTimeout):
            await waiting

    assert (route.health.breaker.state, route.health.failure) == (State.CLOSED, None)


async def test_a_stream_that_falls_silent_counts_however_short_that_took() -> None:
    route = route_to(Scripted(*["a|hang"] * 3))

    for _ in range(3):
        with pytest.raises(ModelTimeout):
            async for _ in calls_through(route).stream(PROMPT, Record(), seconds=600):
                pass

    assert route.health.breaker.state is State.OPEN


async def test_a_caller_that_goes_away_says_nothing_of_the_server() -> None:
    clock = Clock()
    route = route_to(Slow(clock, *["hang"] * 5, seconds=30), clock=clock)

    for _ in range(5):
        calling = asyncio.create_task(asked(route, clock))
        await asyncio.sleep(0)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling

    assert (route.health.breaker.state, route.served.bulkhead.taken) == (State.CLOSED, 0)


@pytest.mark.parametrize("kind", [ModelBusy, ModelUnavailable])
async def test_a_server_that_names_a_time_is_asked_after_it_and_once(kind: type[ModelBusy | ModelUnavailable]) -> None:
    clock = Clock()
    route = route_to(Scripted(kind(retry_after=timedelta(seconds=7)), "yes"), clock=clock)
    began = clock.now

    answer = await asked(route, clock)

    assert (answer.text, route.served.backend.calls) == ("yes", 2)  # type: ignore[attr-defined]
    assert clock.now - began == pytest.approx(7 + SPREAD_SECONDS)


async def test_a_call_that_comes_while_a_server_rests_waits_for_the_end_of_it() -> None:
    clock = Clock()
    backend = Scripted("yes")
    route = route_to(backend, clock=clock)
    route.health.rest(timedelta(seconds=5))
    began = clock.now

    assert (await asked(route, clock)).text == "yes"
    assert backend.calls == 1
    assert clock.now - began >= 5


async def test_a_call_that_has_not_the_time_to_wait_is_told_at_once_how_long_it_would_have_been() -> None:
    clock, slept = Clock(), Slept()
    backend = Scripted()
    route = route_to(backend, clock=clock)
    route.health.rest(timedelta(seconds=50))

    with pytest.raises(ModelBusy) as raised:
        await asked(route, clock, seconds=20, sleep=slept)

    assert raised.value.retry_after == timedelta(seconds=50)
    assert (backend.calls, slept) == (0, [])


async def test_a_shorter_rest_does_not_shorten_a_longer_one() -> None:
    health = route_to(Scripted()).health

    health.rest(timedelta(seconds=50))
    health.rest(timedelta(seconds=5))

    assert health.resting_seconds == 50


async def test_a_busy_server_that_names_no_time_is_not_asked_again() -> None:
    clock, backend = Clock(), Scripted(ModelBusy(), "never")

    with pytest.raises(ModelBusy):
        await asked(route_to(backend, clock=clock), clock)

    assert backend.calls == 1


async def test_an_empty_budget_ends_it_with_the_first_attempt() -> None:
    clock, slept, backend = Clock(), Slept(), Scripted(ModelUnavailable("the first"), "never")
    route = route_to(backend, clock=clock)
    while route.served.budget.spend():
        pass

    with pytest.raises(ModelUnavailable, match="the first"):
        await asked(route, clock, sleep=slept)

    assert (backend.calls, slept) == (1, [])


async def test_pauses_are_below_one_two_and_four_seconds_and_there_are_three() -> None:
    slept = Slept()
    backend = Scripted(*[ModelUnavailable()] * 9)
    route = route_to(backend)
    breaker = route.health.breaker

    class Forgiving(Slept):
        async def __call__(self, seconds: float) -> None:
            slept.append(seconds)
            breaker.enter().succeeded()  # somebody else's call went well meanwhile

    with pytest.raises(ModelUnavailable):
        await calls_through(route, sleep=Forgiving()).generate(PROMPT, Record(), seconds=60)

    assert slept == [1.0, 2.0, 4.0]
    assert backend.calls == 4


async def test_every_attempt_asks_the_same() -> None:
    backend = Scripted(ModelUnavailable(), ModelUnavailable(), "yes")
    prompt = prompt_pb2.Prompt(model="m", messages=[prompt_pb2.PromptMessage(text="hi")])

    await calls_through(route_to(backend)).generate(prompt, Record(), seconds=60)

    assert backend.asked == [prompt, prompt, prompt]
