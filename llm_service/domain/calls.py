"""How is a model asked so that the answer, or the reason why there is none, comes in time?

One deadline covers the whole call: the wait between attempts, every attempt, and reading the answer.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, stop_before_delay

from kit import logs, metrics
from kit.errors import ModelEmpty, ModelGarbage, ModelTimeout, ModelUnavailable, ModelUnknown, ParleyError
from llm_service.domain.backend import Answer
from llm_service.domain.bulkhead import Bulkheads
from llm_service.domain.choice import Choice, Route
from llm_service.domain.cleaning import clean
from parley.llm.v1 import llm_service_pb2 as llm

Pieces = AsyncGenerator[str | Answer, None]
Opened = tuple[str | Answer, Pieces]
Reply = TypeVar("Reply")

# Full jitter below 1 s, 2 s and 4 s, and then no more.
RETRY_CEILINGS_SECONDS = (1.0, 2.0, 4.0)


@dataclass(slots=True)
class Record:
    """What one call has come to so far; filled while it runs, so that a failure has one too."""

    model: str = ""
    backend: str = ""
    attempts: int = 0
    model_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How chance and time enter, and how long a stream may fall silent once it has begun."""

    silence_seconds: float
    random: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic


class Calls:
    """Asks the backend that the choice names, within its bulkhead, as often as the deadline allows."""

    def __init__(self, choice: Choice, bulkheads: Bulkheads, *, patience: Patience) -> None:
        self._choice = choice
        self._bulkheads = bulkheads
        self._patience = patience
        self._log = logs.get("llm")

    async def generate(self, prompt: llm.Prompt, record: Record, *, seconds: float) -> Answer:
        """The whole answer, never empty. Raises what kept it from coming."""
        ends_at = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(ends_at):
                route = await self._route(prompt, record)
                with self._bulkheads.place(route.backend.name):
                    answer = await self._repeated(partial(self._ask, route, prompt, record=record), ends_at)
        except TimeoutError:
            late = ModelTimeout()
            self._failed(record, late)
            raise late from None
        except ParleyError as error:
            self._failed(record, error)
            raise
        self._answered(record, answer)
        return answer

    async def stream(self, prompt: llm.Prompt, record: Record, *, seconds: float) -> Pieces:
        """The answer as it comes, and an Answer at the end. Nothing is asked again once a piece has gone out."""
        ends_at = asyncio.get_running_loop().time() + seconds
        try:
            route = await self._route(prompt, record)
            with self._bulkheads.place(route.backend.name):
                piece, pieces = await self._repeated(
                    partial(self._open, route, prompt, record=record, ends_at=ends_at), ends_at
                )
                async with aclosing(pieces):
                    said = False
                    while isinstance(piece, str):
                        said = said or not piece.isspace()
                        yield piece
                        piece = await self._next(pieces, record, until=self._silent_until(ends_at))
            if not said:
                raise ModelEmpty
        except ParleyError as error:
            self._failed(record, error)
            raise
        self._answered(record, piece)
        yield piece

    async def _route(self, prompt: llm.Prompt, record: Record) -> Route:
        route = await self._choice.route(prompt.model)
        record.model, record.backend = route.model.name, route.backend.name
        return route

    async def _repeated(self, ask: Callable[[], Awaitable[Reply]], ends_at: float) -> Reply:
        """Asks again while the server is away. The first attempt is bare: tenacity costs a third of a whole call."""
        try:
            return await ask()
        except ModelUnavailable as error:
            failed = error
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(ModelUnavailable),
            wait=self._jitter,
            stop=stop_after_attempt(1 + len(RETRY_CEILINGS_SECONDS)) | stop_before_delay(_left(ends_at)),
            sleep=self._patience.sleep,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                if attempt.retry_state.attempt_number == 1:
                    raise failed
                return await ask()
        raise failed

    def _jitter(self, state: RetryCallState) -> float:
        return self._patience.random() * RETRY_CEILINGS_SECONDS[min(state.attempt_number, 3) - 1]

    async def _ask(self, route: Route, prompt: llm.Prompt, *, record: Record) -> Answer:
        record.attempts += 1
        answer = await self._hosted(record, route.backend.answer(prompt, route.model))
        text = clean(answer.text)
        if not text or text.isspace():
            raise ModelEmpty
        return answer if text == answer.text else replace(answer, text=text)

    async def _open(self, route: Route, prompt: llm.Prompt, *, record: Record, ends_at: float) -> Opened:
        record.attempts += 1
        pieces = route.backend.stream(prompt, route.model)
        try:
            return await self._next(pieces, record, until=ends_at), pieces
        except BaseException:
            await pieces.aclose()
            raise

    async def _next(self, pieces: Pieces, record: Record, *, until: float) -> str | Answer:
        """The next piece with text in it, or the Answer at the end."""
        try:
            async with asyncio.timeout_at(until):
                return await self._hosted(record, _said(pieces))
        except TimeoutError:
            raise ModelTimeout from None

    def _silent_until(self, ends_at: float) -> float:
        return min(ends_at, asyncio.get_running_loop().time() + self._patience.silence_seconds)

    async def _hosted(self, record: Record, answering: Awaitable[Reply]) -> Reply:
        """A backend is foreign code that reads what strangers wrote: what it does not name itself is garbage."""
        started = self._patience.clock()
        try:
            return await answering
        except (ParleyError, TimeoutError):
            raise
        except Exception as error:
            self._log.warning("llm.garbage", backend=record.backend, error_type=type(error).__name__)
            raise ModelGarbage from error
        finally:
            record.model_seconds += self._patience.clock() - started

    def _failed(self, record: Record, error: ParleyError) -> None:
        if isinstance(error, ModelUnknown):
            error.metadata.setdefault("model", record.model)
        metrics.llm_failures.labels(backend=record.backend or "none", reason=error.name).inc()
        self._log.warning("llm.failed", reason=error.name, **_fields(record))

    def _answered(self, record: Record, answer: Answer) -> None:
        metrics.llm_seconds.labels(backend=record.backend, model=record.model).observe(record.model_seconds)
        metrics.llm_tokens.labels(model=record.model, direction="input").inc(answer.input_tokens)
        metrics.llm_tokens.labels(model=record.model, direction="output").inc(answer.output_tokens)
        self._log.info("llm.answered", model=record.model, output_tokens=answer.output_tokens, **_fields(record))


async def _said(pieces: Pieces) -> str | Answer:
    async for piece in pieces:
        if isinstance(piece, Answer):
            return piece
        if text := clean(piece):
            return text
    raise ModelGarbage("The model server's answer ended before it was done.")


def _fields(record: Record) -> dict[str, object]:
    return {"backend": record.backend, "attempts": record.attempts, "seconds": round(record.model_seconds, 3)}


def _left(ends_at: float) -> float:
    return ends_at - asyncio.get_running_loop().time()
