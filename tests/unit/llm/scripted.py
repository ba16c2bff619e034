"""A backend that does what a list says, and calls that ask it, with time and chance in the hands of a test."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

from kit.errors import ModelUnavailable
from llm_service.domain.attempts import Attempts, Patience
from llm_service.domain.backend import Answer, Model, Progress
from llm_service.domain.breaker import Rule
from llm_service.domain.bulkhead import Bulkhead
from llm_service.domain.calls import Calls
from llm_service.domain.served import Route, Served
from llm_service.domain.tokens import Estimate
from parley.llm.v1 import completion_pb2, prompt_pb2

MODEL = Model("m", "scripted", 4096, silence_seconds=0.05)
DONE = completion_pb2.FINISH_REASON_STOP


class Scripted:
    """A backend that does what the list says, one entry a call."""

    def __init__(self, *script: str | Answer | Exception, name: str = "scripted") -> None:
        self.name = name
        self.script = list(script)
        self.calls = 0
        self.asked: list[prompt_pb2.Prompt] = []

    async def models(self) -> tuple[Model, ...]:
        return (MODEL,)

    async def answer(self, prompt: prompt_pb2.Prompt, model: Model) -> Answer:
        self.calls += 1
        self.asked.append(prompt)
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        if step == "hang":
            await asyncio.Event().wait()
        return step if isinstance(step, Answer) else Answer(step, DONE, 3, 4)

    async def stream(self, prompt: prompt_pb2.Prompt, model: Model) -> AsyncGenerator[str | Answer, None]:
        self.calls += 1
        script = self.script.pop(0)
        assert isinstance(script, str)
        for step in script.split("|"):
            if step == "away":
                raise ModelUnavailable
            if step == "hang":
                await asyncio.Event().wait()
            yield Answer("", DONE) if step == "end" else step

    async def pull(self, name: str) -> AsyncGenerator[Progress, None]:
        yield Progress("success")

    async def aclose(self) -> None:
        """Nothing to give back."""


class Chain:
    """A choice that is made already."""

    has_looked = True

    def __init__(self, *routes: Route) -> None:
        self.routes = routes

    async def chain(self, name: str) -> tuple[Route, ...]:
        return self.known_chain(name)

    def known_chain(self, name: str) -> tuple[Route, ...]:
        return self.routes


class Slept(list[float]):
    """A sleep that only remembers how long."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


class Clock:
    """A time that a test moves; it stands still by itself."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def route_to(
    backend: Scripted,
    *,
    places: int = 8,
    queue: int = 0,
    clock: Callable[[], float] | None = None,
    model: Model = MODEL,
    rule: Rule | None = None,
) -> Route:
    """A route to the scripted backend, with a breaker and places of its own."""
    bulkhead = Bulkhead(backend.name, places=places, queue=queue)
    served = Served(
        backend, "scripted", bulkhead, offers_all=True, rule=rule or Rule(), clock=clock or Clock(), reachable=True
    )
    return Route(served, replace(model, backend=backend.name))


def calls_through(*routes: Route, sleep: Slept | Clock | None = None, random: float = 1.0) -> Calls:
    """Calls whose chain these routes are."""
    pausing = sleep.sleep if isinstance(sleep, Clock) else Slept() if sleep is None else sleep
    attempts = Attempts(Patience(random=lambda: random, sleep=pausing))
    return Calls(Chain(*routes), attempts, estimate=Estimate())  # type: ignore[arg-type]  # all of a choice that is used


def calls_of(backend: Scripted, sleep: Slept, *, random: float = 1.0, places: int = 8) -> Calls:
    """Calls that have this one backend."""
    return calls_through(route_to(backend, places=places), sleep=sleep, random=random)
