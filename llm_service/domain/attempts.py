"""How is one model asked until it answers, or it is clear that it will not?

Before every attempt stand the wish of its server to be left alone, its breaker, and a place at its backend; between two
attempts a pause with full jitter and the retry budget. All of it ends at one deadline.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, stop_before_delay

from kit import logs, metrics, tracing
from kit.errors import (
    ModelBusy,
    ModelGarbage,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
    ModelUnknown,
    ParleyError,
)
from llm_service.domain.backend import Answer, Model, Pieces, cost_micros
from llm_service.domain.breaker import Pass
from llm_service.domain.cleaning import checked, checked_calls, checked_piece
from llm_service.domain.served import Route
from llm_service.domain.written_calls import apart, heard
from parley.llm.v1 import prompt_pb2

Opened = tuple[str | Answer, Pieces]
Reply = TypeVar("Reply")

# Full jitter below 1 s, 2 s and 4 s, and then no more.
RETRY_CEILINGS_SECONDS = (1.0, 2.0, 4.0)
# After a time that the server named, callers come back spread over this long.
SPREAD_SECONDS = 0.25
# What tells of a model's health; the others are of one prompt, or of its caller.
TELLING = (ModelUnavailable, ModelGarbage, ModelBusy, ModelRefused, ModelUnknown)

_enough = stop_after_attempt(1 + len(RETRY_CEILINGS_SECONDS))


@dataclass(slots=True)
class Record:
    """What one call has come to so far; filled while it runs, so that a failure has one too."""

    model: str = ""
    backend: str = ""
    attempts: int = 0
    # By all answers that came, also those that were of no use: they are paid for, too.
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0
    model_seconds: float = 0.0
    answer_seconds: float = 0.0  # of the last attempt alone
    reader_seconds: float = 0.0  # that a stream waited for whoever reads it, in the last attempt
    first_text_seconds: float | None = None
    passed_over: list[tuple[Model, ParleyError]] = field(default_factory=list)

    def spend(self, model: Model, answer: Answer) -> None:
        """Counts what an answer took, whatever becomes of it."""
        cost = cost_micros(model, answer)
        self.input_tokens += answer.input_tokens
        self.output_tokens += answer.output_tokens
        self.cost_micros += cost
        metrics.llm_tokens.labels(model=model.label, direction="input").inc(answer.input_tokens)
        metrics.llm_tokens.labels(model=model.label, direction="output").inc(answer.output_tokens)
        if cost:
            metrics.llm_cost_micros.labels(model=model.label).inc(cost)


@dataclass(frozen=True, slots=True)
class Patience:
    """How chance and time enter."""

    random: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic


class Attempts:
    """At one route: as many as it takes, and as are allowed."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._log = logs.get("llm")

    async def whole(self, route: Route, prompt: prompt_pb2.Prompt, *, record: Record, until: float) -> Answer:
        """The whole answer; never without text or a call."""
        ask = partial(self._whole, route, prompt, record=record, until=until)
        return await self._repeated(ask, route, record=record, until=until)

    async def opened(self, route: Route, prompt: prompt_pb2.Prompt, *, record: Record, until: float) -> Opened:
        """The first piece of a stream and those after it. Nothing is asked again once a piece is there."""
        ask = partial(self._open, route, prompt, record=record, until=until)
        return await self._repeated(ask, route, record=record, until=until)

    async def _whole(self, route: Route, prompt: prompt_pb2.Prompt, *, record: Record, until: float) -> Answer:
        async with _Attempt(self, route, record=record, until=until) as ends_at, asyncio.timeout_at(ends_at):
            answer = await route.served.backend.answer(prompt, route.model)
            record.spend(route.model, answer)
            return checked(heard(answer, prompt))

    async def _open(self, route: Route, prompt: prompt_pb2.Prompt, *, record: Record, until: float) -> Opened:
        pieces = self._pieces(route, prompt, record=record, until=until)
        try:
            return await anext(pieces), pieces
        except BaseException:
            await pieces.aclose()
            raise

    async def _pieces(self, route: Route, prompt: prompt_pb2.Prompt, *, record: Record, until: float) -> Pieces:
        loop = asyncio.get_running_loop()
        began, silence = self._patience.clock(), route.model.silence_seconds
        stream = apart(route.served.backend.stream(prompt, route.model), prompt)
        spend = partial(record.spend, route.model)
        attempt = _Attempt(self, route, record=record, until=until)
        async with attempt as ends_at, aclosing(stream), asyncio.timeout_at(ends_at) as limit:
            piece = await _next(stream, spend)
            if isinstance(piece, Answer):
                checked(piece)  # Over before it began: unless it calls a tool, another model may still answer.
            else:
                record.first_text_seconds = self._patience.clock() - began
            while isinstance(piece, str):
                limit.reschedule(None)  # whoever reads may take their time
                handed = self._patience.clock()
                yield piece
                record.reader_seconds += self._patience.clock() - handed
                attempt.silent_at = loop.time() + silence
                limit.reschedule(min(ends_at, attempt.silent_at))
                piece = await _next(stream, spend)
        yield piece

    def _ended(self, route: Route, passed: Pass, *, error: BaseException, late: bool) -> BaseException:
        """What an attempt ended with, by its name, after the breaker was told. `late`: a timeout tells of the server.

        A backend is foreign code that reads what strangers wrote: what it does not name itself is garbage.
        """
        if isinstance(error, TimeoutError):
            error = ModelTimeout()
        elif isinstance(error, Exception) and not isinstance(error, ParleyError):
            self._log.warning("llm.garbage", backend=route.served.name, error_type=type(error).__name__)
            error = ModelGarbage()
        late = late and isinstance(error, ModelTimeout)
        if isinstance(error, ParleyError) and (late or _is_telling(error)):
            route.health.failed(error)
            if isinstance(error, ModelUnavailable | ModelBusy) and error.retry_after:
                route.health.rest(error.retry_after)
        if late or isinstance(error, ModelUnavailable | ModelGarbage):
            passed.failed()
        else:
            passed.left()
        return error

    async def _repeated(
        self, ask: Callable[[], Awaitable[Reply]], route: Route, *, record: Record, until: float
    ) -> Reply:
        """Asks again while the server is away. The first attempt is bare: tenacity costs a third of a whole call."""
        route.served.budget.earn()
        try:
            return await ask()
        except ParleyError as error:
            if not _worth_repeating(route, error):
                raise
            failed = error
        left = until - asyncio.get_running_loop().time()
        retrying = AsyncRetrying(
            retry=retry_if_exception(partial(_worth_repeating, route)),
            wait=partial(self._pause, route),
            stop=lambda state: _enough(state) or stop_before_delay(left)(state) or _spent(route, record),
            sleep=self._patience.sleep,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                if attempt.retry_state.attempt_number == 1:
                    raise failed
                metrics.llm_retries.labels(backend=route.served.name, model=route.model.label).inc()
                return await ask()
        raise failed

    def _pause(self, route: Route, state: RetryCallState) -> float:
        chance = self._patience.random()
        if resting := route.health.resting_seconds:
            return resting + chance * SPREAD_SECONDS
        return chance * RETRY_CEILINGS_SECONDS[min(state.attempt_number, 3) - 1]


class _Attempt:
    """One attempt, from the place that it waits for to what it tells the breaker. Entered, it gives the time at which
    it has to end. A generator would do the same at three times the cost, for each call.
    """

    __slots__ = (
        *("_answers", "_attempts", "_began", "_clock", "_passed", "_place", "_record", "_route", "_span", "_until"),
        "silent_at",
    )

    def __init__(self, attempts: Attempts, route: Route, *, record: Record, until: float) -> None:
        self._attempts, self._route, self._record, self._until = attempts, route, record, until
        self._clock = attempts._patience.clock
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
        named = self._attempts._ended(self._route, self._passed, error=error, late=self._is_late(seconds))
        if isinstance(named, ModelTimeout) and self.silent_at == math.inf:
            self._route.load()
        if named is not error:
            raise named from error

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


def _worth_repeating(route: Route, error: BaseException) -> bool:
    """A server that is away may come back, one that named a time is asked after it, unless its breaker is open now."""
    if route.health.breaker.paused_seconds > 0:
        return False
    return isinstance(error, ModelUnavailable) or (isinstance(error, ModelBusy) and route.health.resting_seconds > 0)


def _spent(route: Route, record: Record) -> bool:
    """A call that has only waited so far, for a time that the server named, retries nothing."""
    if record.attempts == 0 or route.served.budget.spend():
        return False
    metrics.llm_retries_denied.labels(backend=route.served.name).inc()
    return True


async def _next(stream: Pieces, spend: Callable[[Answer], None]) -> str | Answer:
    """The next piece with text in it, or the Answer at the end."""
    async for piece in stream:
        if isinstance(piece, Answer):
            spend(piece)
            return checked_calls(piece)
        if piece:
            return checked_piece(piece)
    raise ModelGarbage("The model server's answer ended before it was done.")
