"""Which loads go on beside the calls, and what does a breaker learn of them?"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from kit.errors import ModelTimeout, ModelUnavailable
from llm_service.domain.attempts import Attempts, Patience
from llm_service.domain.breaker import Breaker, Rule, State
from llm_service.domain.loading import MOST_AT_ONCE, Loads
from llm_service.domain.record import Record
from llm_service.domain.served import Route
from parley.llm.v1 import prompt_pb2
from tests.unit.llm.scripted import MODEL, Clock, Scripted, route_to


class Loading:
    """A server that takes as long to load as a test says, whose time is the test's."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.begun: list[str] = []
        self.done = asyncio.Event()
        self.failure: Exception | None = None
        self.loads = Loads(self._load, backend="ours", clock=self.clock)
        self.breaker = Breaker(Rule(), clock=self.clock, heard=lambda _: None)

    async def _load(self, model: object) -> None:
        self.begun.append(getattr(model, "name", ""))
        await self.done.wait()
        if self.failure is not None:
            raise self.failure

    async def begin(self, name: str = "m") -> None:
        self.loads.begin(replace(MODEL, name=name), self.breaker)
        await settled()

    async def end(self, after_seconds: float) -> None:
        self.clock.now += after_seconds
        self.done.set()
        await settled()
        self.done.clear()

    def open(self) -> None:
        for _ in range(3):
            self.breaker.enter().failed()
        assert self.breaker.state is State.OPEN


async def settled() -> None:
    """What can go on has."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_model_is_loaded_once_at_a_time_and_a_few_together() -> None:
    server = Loading()
    for name in ("a", "a", "b", "c", "d", "e", "a"):
        await server.begin(name)

    assert server.begun == ["a", "b", "c", "d"]
    assert len(server.begun) == MOST_AT_ONCE
    await server.end(1)
    await server.begin("a")
    assert server.begun[-1:] == ["a"]
    await server.loads.aclose()


async def test_a_model_that_was_loaded_is_asked_at_once() -> None:
    server = Loading()
    server.open()
    await server.begin()
    await server.end(after_seconds=40)

    assert server.breaker.paused_seconds == 0
    assert server.breaker.enter().seconds == Rule().probe_seconds


async def test_failures_before_a_load_count_no_more() -> None:
    server = Loading()
    for _ in range(2):
        server.breaker.enter().failed()
    await server.begin()
    await server.end(after_seconds=40)
    server.breaker.enter().failed()

    assert server.breaker.state is State.CLOSED


@pytest.mark.parametrize(("seconds", "failure"), [(0.1, None), (40.0, ModelUnavailable()), (40.0, KeyError("foreign"))])
async def test_a_model_that_was_in_memory_and_one_that_was_not_loaded_stay_paused(
    seconds: float, failure: Exception | None
) -> None:
    server = Loading()
    server.failure = failure
    server.open()
    await server.begin()
    await server.end(seconds)

    assert server.breaker.paused_seconds == 300 - seconds
    await server.begin()
    assert server.begun == ["m", "m"]
    await server.loads.aclose()


async def test_what_is_closed_loads_no_more_and_waits_for_none() -> None:
    server = Loading()
    await server.begin()
    async with asyncio.timeout(10):
        await server.loads.aclose()
    await server.begin()

    assert server.begun == ["m"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


Ask = Callable[[Attempts, Route, float], Awaitable[object]]
ASKS: dict[str, Ask] = {
    "whole": lambda attempts, route, until: attempts.whole(route, prompt_pb2.Prompt(), record=Record(), until=until),
    "stream": lambda attempts, route, until: attempts.opened(route, prompt_pb2.Prompt(), record=Record(), until=until),
}


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize(("listed", "begun"), [(True, ["m"]), (False, [])])
async def test_a_call_without_an_answer_in_time_has_a_model_loaded_that_its_server_lists(
    ask: str, listed: bool, begun: list[str]
) -> None:
    server = Loading()
    route = route_to(Scripted("hang"), model=replace(MODEL, listed=listed))
    route.served.loads = server.loads
    attempts = Attempts(Patience(random=lambda: 1.0))

    with pytest.raises(ModelTimeout):
        await ASKS[ask](attempts, route, asyncio.get_running_loop().time() + 0.01)
    await settled()

    assert server.begun == begun
    await server.loads.aclose()


async def test_a_stream_that_fell_silent_has_nothing_loaded() -> None:
    server = Loading()
    route = route_to(Scripted("one|hang"))
    route.served.loads = server.loads
    until = asyncio.get_running_loop().time() + 60
    _, pieces = await Attempts(Patience(random=lambda: 1.0)).opened(
        route, prompt_pb2.Prompt(), record=Record(), until=until
    )

    with pytest.raises(ModelTimeout):
        await anext(pieces)
    await settled()

    assert server.begun == []
