"""How does one attempt at a model go: from the place that it waits for to what it tells of the model's health?"""

import asyncio
import math
from collections.abc import Callable
from types import TracebackType

from kit import logs, tracing
from kit.errors import (
    ModelBusy,
    ModelGarbage,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
    ModelUnknown,
    ParleyError,
)
from llm_service.domain.record import Record
from llm_service.domain.served import Route

# What tells of a model's health; the others are of one prompt, or of its caller.
TELLING = (ModelUnavailable, ModelGarbage, ModelBusy, ModelRefused, ModelUnknown)

log = logs.get("llm")


class Attempt:
    """One attempt, from the place that it waits for to what it tells the breaker. Entered, it gives the time at which
    it has to end. A generator would do the same at three times the cost, for each call.
    """

    __slots__ = (
        *("_answers", "_began", "_clock", "_passed", "_place", "_record", "_route", "_span", "_until"),
        "silent_at",
    )

    def __init__(self, route: Route, *, record: Record, until: float, clock: Callable[[], float]) -> None:
        self._route, self._record, self._until, self._clock = route, record, until, clock
        self._place = route.served.bulkhead.place(until=until)
        self.silent_at = math.inf  # when a stream that has begun, in loop time, will have been silent for too long

    async def __aenter__(self) -> float:
        health = self._route.health
        health.check_rested()
        health.breaker.check()
        await self._place.__aenter__()
        try:
            health.check_rested()
            self._passed = health.breaker.enter()
            return self._begun()
        except BaseException as error:
            await self._place.__aexit__(type(error), error, None)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        record, took = self._record, self._clock() - self._began
        record.answer_seconds = took - record.reader_seconds
        record.model_seconds += record.answer_seconds
        try:
            if error is not None:
                self._tell(error, record.answer_seconds)
                return
            self._route.health.answered()
            if record.answer_seconds > self._route.model.slow_seconds:
                self._passed.failed()
            else:
                self._passed.succeeded()
        finally:
            self._span.__exit__(kind, error, trace)
            await self._place.__aexit__(kind, error, trace)

    def _begun(self) -> float:
        record, most = self._record, self._passed.seconds
        record.attempts += 1
        record.reader_seconds = 0.0
        self._span = tracing.span("llm.attempt", backend=record.backend, model=record.model, attempt=record.attempts)
        self._span.__enter__()
        self._began, self._answers = self._clock(), self._route.health.answers
        return self._until if most is None else min(self._until, asyncio.get_running_loop().time() + most)

    def _tell(self, error: BaseException, seconds: float) -> None:
        """Raises what it ended with by its name, where it has not one already."""
        named = self._named(error, self._is_late(seconds))
        if isinstance(named, ModelTimeout) and self.silent_at == math.inf:
            self._route.load()
        if named is not error:
            raise named from error

    def _named(self, error: BaseException, late: bool) -> BaseException:
        """What an attempt ended with, by its name, after the breaker was told. `late`: a timeout tells of the server.

        A backend is foreign code that reads what strangers wrote: what it does not name itself is garbage.
        """
        route = self._route
        if isinstance(error, TimeoutError):
            error = ModelTimeout()
        elif isinstance(error, Exception) and not isinstance(error, ParleyError):
            log.warning("llm.garbage", backend=route.served.name, error_type=type(error).__name__)
            error = ModelGarbage()
        late = late and isinstance(error, ModelTimeout)
        if isinstance(error, ParleyError) and (late or _is_telling(error)):
            route.health.failed(error)
            if isinstance(error, ModelUnavailable | ModelBusy) and error.retry_after:
                route.health.rest(error.retry_after)
        if late or isinstance(error, ModelUnavailable | ModelGarbage):
            self._passed.failed()
        else:
            self._passed.left()
        return error

    def _is_late(self, seconds: float) -> bool:
        """Whether no answer by now is the server's doing: it fell silent, or it had long enough, or as long as its
        operator gives it, of which half may have gone to waiting for a place, and to the attempts before. A server that
        answered somebody else meanwhile is well: Ollama answers one at a time, and lets a crowd wait."""
        if self._route.health.answers != self._answers:
            return False
        model, probe_seconds = self._route.model, self._passed.seconds or math.inf
        late_seconds = self._route.served.rule.late_seconds
        enough = min(late_seconds, model.slow_seconds, model.timeout_seconds / 2, probe_seconds)
        return seconds >= enough or asyncio.get_running_loop().time() >= self.silent_at


def _is_telling(error: ParleyError) -> bool:
    return isinstance(error, TELLING) and error.metadata.get("resource") != "conversation"
