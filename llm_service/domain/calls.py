"""How is a prompt answered in time, by the first model of its chain that does?

One deadline covers the whole call: every model of the chain, every attempt and pause, and reading the answer. Of what
is left of it, a model with others after it gets half, so that those get their chance.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TypeVar

from kit import logs, metrics
from kit.errors import ModelEmpty, ModelOutputInvalid, ModelRefused, ModelTimeout, ModelUnknown, ParleyError
from llm_service.domain import schemas
from llm_service.domain.attempts import Attempts, Opened
from llm_service.domain.backend import Answer, Model, Pieces
from llm_service.domain.choice import Choice
from llm_service.domain.cleaning import is_blank
from llm_service.domain.offering import sparing
from llm_service.domain.record import Record
from llm_service.domain.repairing import asked_again, unfenced
from llm_service.domain.served import Route
from llm_service.domain.tokens import Estimate
from llm_service.domain.windows import Asked, Windows
from parley.llm.v1 import prompt_pb2

Reply = TypeVar("Reply")
TEXT = "text"  # what a fallback goes to when no model is left


class Calls:
    """Asks the models that the choice names, one after another, until one answers."""

    def __init__(self, choice: Choice, attempts: Attempts, *, estimate: Estimate) -> None:
        self._choice = choice
        self._attempts = attempts
        self._estimate = estimate
        self._windows = Windows(estimate)
        self._log = logs.get("llm")

    async def generate(self, prompt: prompt_pb2.Prompt, record: Record, *, seconds: float) -> Answer:
        """The whole answer, never empty, its calls and its JSON as asked. Raises what kept it from coming."""
        answer, (route, sent) = await self._first(self._fitting, prompt, record=record, seconds=seconds)
        self._answered(route, sent, record=record, answer=answer)
        return answer

    async def stream(self, prompt: prompt_pb2.Prompt, record: Record, *, seconds: float) -> Pieces:
        """The answer as it comes, and an Answer at the end. No other model takes over once a piece has gone out."""
        if prompt.output_schema:
            answer = await self.generate(prompt, record, seconds=seconds)
            yield answer.text
            yield replace(answer, text="")
            return
        (piece, pieces), (route, sent) = await self._first(self._begun, prompt, record=record, seconds=seconds)
        said = False
        try:
            async with aclosing(pieces):
                while isinstance(piece, str):
                    said = said or not is_blank(piece)
                    yield piece
                    piece = await anext(pieces)
            schemas.check_calls(prompt, piece.calls)
            if not said and not piece.calls:
                raise ModelEmpty
        except ParleyError as error:
            self._failed(route.model, record, error=error)
            raise
        self._answered(route, sent, record=record, answer=piece)
        yield piece

    async def count(self, prompt: prompt_pb2.Prompt) -> tuple[Model, int]:
        """The model that would answer, and how many tokens it would read."""
        (route, *_) = await self._choice.chain(prompt.model)
        return route.model, self._estimate.count(prompt, route.model.label)

    async def _first(
        self,
        ask: Callable[..., Awaitable[Reply]],
        prompt: prompt_pb2.Prompt,
        *,
        record: Record,
        seconds: float,
    ) -> tuple[Reply, Asked]:
        """What the first model that answers says, and what it was asked. When none does: why the first one did not."""
        ends_at = asyncio.get_running_loop().time() + seconds
        ask = sparing(ask) if prompt.tools else ask
        chain = await self._chain(prompt, record, ends_at=ends_at)
        for number, route in enumerate(chain, 1):
            record.model, record.backend = route.model.name, route.served.name
            until = _share(route, ends_at, last=number == len(chain))
            asking = partial(ask, record=record, until=until)
            try:
                return await self._as_fits(asking, route, prompt=prompt, made_for=chain[0].model)
            except ParleyError as error:
                to = TEXT if number == len(chain) else chain[number].model.label
                metrics.llm_fallbacks.labels(model=route.model.label, to=to).inc()
                self._failed(route.model, record, error=error)
                record.passed_over.append((route.model, error))
        first = record.passed_over[0][1]
        if len(chain) > 1:
            first.metadata["passed_over"] = ", ".join(
                f"{model.name} {error.name}" for model, error in record.passed_over
            )
        raise first

    async def _as_fits(
        self, ask: Callable[..., Awaitable[Reply]], route: Route, *, prompt: prompt_pb2.Prompt, made_for: Model
    ) -> tuple[Reply, Asked]:
        """Asks with what fits the model's window. What its server refuses as too much is asked once more, smaller."""
        asked = self._windows.first(route, prompt, made_for=made_for)
        try:
            return await ask(*asked), asked
        except ModelRefused as error:
            again = self._windows.after(*asked, error=error)
            if again is None:
                raise
        return await ask(*again), again

    async def _chain(self, prompt: prompt_pb2.Prompt, record: Record, *, ends_at: float) -> tuple[Route, ...]:
        has_calls = any(said.tool_calls for said in prompt.messages)
        if has_calls or prompt.tools or prompt.output_schema or prompt.raw:
            schemas.check(prompt)
        try:
            if self._choice.has_looked:  # a clock around what does not wait would cost more than all of it
                return self._choice.known_chain(prompt.model)
            async with asyncio.timeout_at(ends_at):
                return await self._choice.chain(prompt.model)
        except TimeoutError:
            raise ModelTimeout from None
        except ParleyError as error:
            record.model = prompt.model
            self._failed(Model("none", "none", 0), record, error=error)
            raise

    async def _fitting(self, route: Route, prompt: prompt_pb2.Prompt, *, record: Record, until: float) -> Answer:
        """An answer that fits the tools and the schema. A text that does not is asked for once more."""
        answer = await self._attempts.whole(route, prompt, record=record, until=until)
        if answer.calls:
            schemas.check_calls(prompt, answer.calls)
            return answer
        if not prompt.output_schema:
            return answer
        try:
            return _fits(prompt, answer)
        except ModelOutputInvalid as error:
            again = asked_again(prompt, answer, wrong=error)
        return _fits(prompt, await self._attempts.whole(route, again, record=record, until=until))

    async def _begun(self, route: Route, prompt: prompt_pb2.Prompt, *, record: Record, until: float) -> Opened:
        """The beginning of a stream; one that is nothing but calls is checked while another model may take over."""
        piece, pieces = await self._attempts.opened(route, prompt, record=record, until=until)
        if isinstance(piece, Answer):
            await pieces.aclose()
            schemas.check_calls(prompt, piece.calls)
        return piece, pieces

    def _failed(self, model: Model, record: Record, *, error: ParleyError) -> None:
        if isinstance(error, ModelUnknown):
            error.metadata.setdefault("model", record.model)
        metrics.llm_failures.labels(backend=model.backend, model=model.label, reason=error.name).inc()
        self._log.warning("llm.failed", reason=error.name, model=record.model, **_fields(record))

    def _answered(self, route: Route, prompt: prompt_pb2.Prompt, *, record: Record, answer: Answer) -> None:
        model, read, written = route.model, answer.input_tokens, answer.output_tokens
        label = model.label
        series = {"backend": model.backend, "model": label}
        metrics.llm_seconds.labels(**series).observe(record.answer_seconds)
        if record.first_text_seconds is not None:
            metrics.llm_first_text_seconds.labels(**series).observe(record.first_text_seconds)
        if written and record.answer_seconds > 0:
            metrics.llm_tokens_per_second.labels(**series).observe(written / record.answer_seconds)
        # A server that holds the conversation counts what we did not send.
        if read and record.attempts == 1 and not prompt.model_conversation:
            wrong = self._estimate.learn(prompt, label, tokens=read)
            if wrong is not None:
                metrics.llm_estimate_error.labels(model=label).observe(wrong)
        self._log.info("llm.answered", model=model.name, output_tokens=written, **_fields(record))


def _share(route: Route, ends_at: float, *, last: bool) -> float:
    now = asyncio.get_running_loop().time()
    until = min(ends_at, now + route.model.timeout_seconds)
    return until if last else min(until, now + (ends_at - now) / 2)


def _fits(prompt: prompt_pb2.Prompt, answer: Answer) -> Answer:
    bare = unfenced(answer.text)
    schemas.check_text(prompt.output_schema, bare)
    return answer if bare == answer.text else replace(answer, text=bare)


def _fields(record: Record) -> dict[str, object]:
    return {"backend": record.backend, "attempts": record.attempts, "seconds": round(record.model_seconds, 3)}
