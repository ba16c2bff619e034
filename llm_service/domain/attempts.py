"""How is one model asked until it answers, or it is clear that it will not?

Before every attempt stand the wish of its server to be left alone, its breaker, and a place at its backend; between two
attempts a pause with full jitter and the retry budget. All of it ends at one deadline.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, stop_before_delay

from kit import metrics
from kit.errors import (
    ModelBusy,
    ModelGarbage,
    ModelUnavailable,
    ParleyError,
)
from llm_service.domain.attempt import Attempt
from llm_service.domain.backend import Answer, Pieces
from llm_service.domain.cleaning import checked, checked_calls, checked_piece
from llm_service.domain.record import Record
from llm_service.domain.served import Route
from llm_service.domain.written_calls import apart, heard
from parley.llm.v1 import prompt_pb2

Opened = tuple[str | Answer, Pieces]
Reply = TypeVar("Reply")

# Full jitter below 1 s, 2 s and 4 s, and then no more.
RETRY_CEILINGS_SECONDS = (1.0, 2.0, 4.0)
# After a time that the server named, callers come back spread over this long.
SPREAD_SECONDS = 0.25
_enough = stop_after_attempt(1 + len(RETRY_CEILINGS_SECONDS))


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

    async def whole(self, route: Route, prompt: prompt_pb2.Prompt, *, record: Record, until: float) -> Answer:
        """The whole answer; never without text or a call."""
        ask = partial(self._whole, route, prompt, record=record, until=until)
        return await self._repeated(ask, route, record=record, until=until)

    async def opened(self, route: Route, prompt: prompt_pb2.Prompt, *, record: Record, until: float) -> Opened:
        """The first piece of a stream and those after it. Nothing is asked again once a piece is there."""
        ask = partial(self._open, route, prompt, record=record, until=until)
        return await self._repeated(ask, route, record=record, until=until)

    async def _whole(self, route: Route, prompt: prompt_pb2.Prompt, *, record: Record, until: float) -> Answer:
        attempt = Attempt(route, record=record, until=until, clock=self._patience.clock)
        async with attempt as ends_at, asyncio.timeout_at(ends_at):
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
        attempt = Attempt(route, record=record, until=until, clock=self._patience.clock)
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
