"""What does this process know of one backend while it runs? Its places, its retry budget, and how its models fare."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from kit import logs, metrics
from kit.errors import ModelBusy, ParleyError
from llm_service.domain.backend import UNLISTED, Backend, Model
from llm_service.domain.breaker import Breaker, Rule, State
from llm_service.domain.budget import Budget
from llm_service.domain.bulkhead import Bulkhead
from llm_service.domain.loading import Loads

_STATES = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


class Health:
    """Of one model at one backend: its breaker, until when it is left alone, whether it takes tools, and how the last
    call ended."""

    __slots__ = ("_clock", "_no_tools_until", "_until", "answers", "breaker", "failure")

    def __init__(self, breaker: Breaker, *, clock: Callable[[], float]) -> None:
        self.breaker = breaker
        self._clock = clock
        self._until = 0.0
        self._no_tools_until = 0.0
        self.failure: ParleyError | None = None
        self.answers = 0

    def answered(self) -> None:
        """A call succeeded."""
        self.failure = None
        self.answers += 1

    @property
    def has_answered(self) -> bool:
        """Whether any call ever did."""
        return self.answers > 0

    def failed(self, error: ParleyError) -> None:
        """A call failed. The error itself would keep all that its traceback leads to."""
        self.failure = type(error)(error.message)

    def rest(self, time: timedelta) -> None:
        """The server named a time (Retry-After): no call before it has passed."""
        self._until = max(self._until, self._clock() + time.total_seconds())

    @property
    def resting_seconds(self) -> float:
        """Time that is left of it; 0 when there is none."""
        return max(0.0, self._until - self._clock()) if self._until else 0.0

    @property
    def takes_tools(self) -> bool:
        """Whether it is offered any: always but for a while after it took none."""
        return not self._no_tools_until or self._clock() >= self._no_tools_until

    def spare_tools(self, seconds: float) -> None:
        """It took none: for so long it is offered none."""
        self._no_tools_until = self._clock() + seconds

    def check_rested(self) -> None:
        """Raises ModelBusy, with the time that is left, while the server wants to be left alone."""
        if left := self.resting_seconds:
            raise ModelBusy("The model server asked to be left alone.", retry_after=timedelta(seconds=left))


@dataclass(slots=True)
class Served:
    """One backend. What was seen once stays known while its server is away."""

    backend: Backend
    kind: str
    bulkhead: Bulkhead
    offers_all: bool
    rule: Rule
    clock: Callable[[], float]
    base_url: str = ""
    budget: Budget = field(default_factory=Budget)
    found: dict[str, Model] = field(default_factory=dict)
    reachable: bool = False
    lists: bool = True  # its models, as Ollama does, and others need not
    may_list: bool = True  # our key, them
    refusal: str = ""
    loads: Loads | None = None  # where models are loaded when they are asked for
    _healths: dict[str, Health] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the backend."""
        return self.backend.name

    def health(self, model: str) -> Health:
        """Of one of its models."""
        health = self._healths.get(model)
        if health is None:
            breaker = Breaker(self.rule, clock=self.clock, heard=self._hearing(model))
            health = self._healths[model] = Health(breaker, clock=self.clock)
        return health

    async def aclose(self) -> None:
        """Ends what goes on beside the calls, and gives the backend's connections back."""
        if self.loads is not None:
            await self.loads.aclose()
        await self.backend.aclose()

    def show(self) -> None:
        """In the metrics, a model is left alone no longer than its time, though nobody asks it when that is over."""
        for model, health in self._healths.items():
            if health.breaker.state is State.OPEN and not health.breaker.paused_seconds:
                self._shown(model).set(_STATES[State.HALF_OPEN])

    def find(self, name: str) -> Model | None:
        """A model that its server lists; without a tag, its latest."""
        return self.found.get(name) or self.found.get(f"{name}:latest")

    def first_for_chat(self) -> str:
        """The first model that its server lists, without those that it says cannot chat. Empty for none."""
        return next((name for name, model in self.found.items() if model.is_for_chat), "")

    def _hearing(self, model: str) -> Callable[[State], None]:
        log = logs.get("llm")
        state = self._shown(model)

        def heard(to: State) -> None:
            state.set(_STATES[to])
            metrics.llm_breaker_transitions.labels(backend=self.name, model=model, to=to.value).inc()
            level = log.info if to is State.CLOSED else log.warning
            level("llm.breaker", backend=self.name, model=model, state=to.value)

        return heard

    def _shown(self, model: str) -> Any:
        return metrics.llm_breaker_state.labels(backend=self.name, model=model)


@dataclass(frozen=True, slots=True)
class Route:
    """Who is asked."""

    served: Served
    model: Model

    @property
    def health(self) -> Health:
        """Of the model there. Two names of ours for one model of a server share it."""
        return self.served.health(self.model.called if self.model.listed else UNLISTED)

    def load(self) -> None:
        """Has the model loaded, where that may be why it did not answer in time."""
        if self.served.loads is not None and self.model.listed:
            self.served.loads.begin(self.model, self.health.breaker)
