"""The front door of LlmService: requests in, the calls of the domain, replies out."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import timedelta

import grpc

from kit import deadlines, errors
from kit.moments import span
from llm_service.domain.backend import Answer
from llm_service.domain.calls import Calls, Record
from llm_service.domain.choice import Choice
from llm_service.domain.exchange import Exchange
from parley.llm.v1 import llm_service_pb2 as llm
from parley.llm.v1 import llm_service_pb2_grpc as rpc

# Of the caller's deadline, what is kept back from the model: enough to send the fallback text as the contract says, and
# without one, enough that the caller reads why instead of a bare DEADLINE_EXCEEDED.
FALLBACK_SECONDS = 0.5
REASON_SECONDS = 0.1


class LlmServer(rpc.LlmServiceServicer):
    """Serves parley.llm.v1.LlmService."""

    def __init__(self, calls: Calls, choice: Choice) -> None:
        self._calls = calls
        self._choice = choice
        self._ending = asyncio.Event()

    def end_streams(self) -> None:
        """Streams of many asks take no more, and end when what they took is answered."""
        self._ending.set()

    async def Generate(
        self,
        request: llm.GenerateRequest,
        _context: grpc.aio.ServicerContext[llm.GenerateRequest, llm.GenerateResponse],
    ) -> llm.GenerateResponse:
        return await self._generate(request)

    async def GenerateMany(
        self,
        requests: AsyncIterator[llm.GenerateManyRequest],
        _context: grpc.aio.ServicerContext[llm.GenerateManyRequest, llm.GenerateManyResponse],
    ) -> AsyncGenerator[llm.GenerateManyResponse, None]:
        async with aclosing(Exchange(self._generate, self._ending).frames(requests)) as frames:
            async for frame in frames:
                yield frame

    async def GenerateStream(
        self,
        request: llm.GenerateStreamRequest,
        _context: grpc.aio.ServicerContext[llm.GenerateStreamRequest, llm.GenerateStreamResponse],
    ) -> AsyncGenerator[llm.GenerateStreamResponse, None]:
        record = Record()
        async with aclosing(self._calls.stream(request.prompt, record, seconds=_left(REASON_SECONDS))) as pieces:
            async for piece in pieces:
                if isinstance(piece, Answer):
                    yield llm.GenerateStreamResponse(completed=_completion(record, piece))
                else:
                    yield llm.GenerateStreamResponse(delta=piece)

    async def ListModels(
        self,
        _request: llm.ListModelsRequest,
        _context: grpc.aio.ServicerContext[llm.ListModelsRequest, llm.ListModelsResponse],
    ) -> llm.ListModelsResponse:
        listing = await self._choice.listing()
        models = [
            llm.Model(name=each.name, backend=each.backend, window_tokens=each.window_tokens, available=available)
            for each, available in listing.models
        ]
        return llm.ListModelsResponse(
            models=models,
            default_model=listing.default_model,
            default_backend=listing.default_backend,
            note=listing.note,
        )

    async def _generate(self, request: llm.GenerateRequest) -> llm.GenerateResponse:
        record = Record()
        kept = FALLBACK_SECONDS if request.fallback_text else REASON_SECONDS
        try:
            answer = await self._calls.generate(request.prompt, record, seconds=_left(kept))
        except errors.ParleyError as error:
            if not request.fallback_text:
                raise
            return _fallback(request.fallback_text, record, error=error)
        return llm.GenerateResponse(text=answer.text, completion=_completion(record, answer))


def _left(kept_seconds: float) -> float:
    """What the model gets of the caller's time. Kit refuses calls without a deadline before they come here."""
    left = deadlines.remaining()
    if left is None:
        raise errors.DeadlineMissing
    return max(left - kept_seconds, left / 2, 0.0)


def _completion(record: Record, answer: Answer) -> llm.Completion:
    return llm.Completion(
        finish_reason=answer.finish_reason,
        model=record.model,
        backend=record.backend,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        attempts=record.attempts,
        model_time=span(timedelta(seconds=record.model_seconds)),
    )


def _fallback(text: str, record: Record, *, error: errors.ParleyError) -> llm.GenerateResponse:
    completion = _completion(record, Answer("", llm.FINISH_REASON_FALLBACK))
    completion.fallback = True
    completion.failure.CopyFrom(errors.as_item(error))
    return llm.GenerateResponse(text=text, completion=completion)
