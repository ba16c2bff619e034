"""The front door of LlmService: requests in, the calls of the domain, replies out."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import grpc

from kit import errors
from llm_service.domain import replies
from llm_service.domain.backend import Answer
from llm_service.domain.calls import Calls
from llm_service.domain.choice import Choice
from llm_service.domain.exchange import Exchange
from llm_service.domain.record import Record
from llm_service.domain.time_left import FALLBACK_SECONDS, REASON_SECONDS, left
from llm_service.domain.tokens import Estimate
from parley.llm.v1 import llm_service_pb2 as llm
from parley.llm.v1 import llm_service_pb2_grpc as rpc
from parley.llm.v1 import model_pb2


class LlmServer(rpc.LlmServiceServicer):
    """Serves parley.llm.v1.LlmService."""

    def __init__(self, calls: Calls, choice: Choice, *, estimate: Estimate) -> None:
        self._calls = calls
        self._choice = choice
        self._estimate = estimate
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
        record, prompt, kept = Record(), request.prompt, request.prompt.model_conversation
        said = False
        try:
            async with aclosing(self._calls.stream(prompt, record, seconds=_seconds(request.fallback_text))) as pieces:
                async for piece in pieces:
                    said = True
                    if isinstance(piece, Answer):
                        for call in replies.tool_calls(piece):
                            yield llm.GenerateStreamResponse(tool_call=call)
                        completion = replies.completion(record, piece, prompt=prompt, kept=kept)
                        yield llm.GenerateStreamResponse(completed=completion)
                    else:
                        yield llm.GenerateStreamResponse(delta=piece)
        except errors.ParleyError as error:
            if said or not replies.may_fall_back(request.fallback_text, error):
                raise
            yield llm.GenerateStreamResponse(delta=request.fallback_text)
            yield llm.GenerateStreamResponse(completed=replies.fallback(record, error, prompt=prompt))

    async def ListModels(
        self,
        _request: model_pb2.ListModelsRequest,
        _context: grpc.aio.ServicerContext[model_pb2.ListModelsRequest, model_pb2.ListModelsResponse],
    ) -> model_pb2.ListModelsResponse:
        listing = await self._choice.listing()
        return model_pb2.ListModelsResponse(
            models=[replies.model(row, self._estimate) for row in listing.rows],
            default_model=listing.default_model,
            default_backend=listing.default_backend,
            note=listing.note,
        )

    async def CountTokens(
        self,
        request: model_pb2.CountTokensRequest,
        _context: grpc.aio.ServicerContext[model_pb2.CountTokensRequest, model_pb2.CountTokensResponse],
    ) -> model_pb2.CountTokensResponse:
        model, tokens = await self._calls.count(request.prompt)
        return model_pb2.CountTokensResponse(
            input_tokens=tokens,
            window_tokens=model.window_tokens,
            model=model.name,
            characters_per_token=self._estimate.ratio(model.label),
            answers_counted=self._estimate.answers(model.label),
        )

    async def PullModel(
        self,
        request: model_pb2.PullModelRequest,
        _context: grpc.aio.ServicerContext[model_pb2.PullModelRequest, model_pb2.PullModelResponse],
    ) -> AsyncGenerator[model_pb2.PullModelResponse, None]:
        served = await self._choice.served(request.backend)
        async with aclosing(served.backend.pull(request.model)) as steps:
            async for step in steps:
                yield replies.progress(step)
        await self._choice.look()

    async def _generate(self, request: llm.GenerateRequest) -> llm.GenerateResponse:
        record, prompt, kept = Record(), request.prompt, request.prompt.model_conversation
        try:
            answer = await self._calls.generate(prompt, record, seconds=_seconds(request.fallback_text))
        except errors.ParleyError as error:
            if not replies.may_fall_back(request.fallback_text, error):
                raise
            completion = replies.fallback(record, error, prompt=prompt)
            return llm.GenerateResponse(text=request.fallback_text, completion=completion)
        completion = replies.completion(record, answer, prompt=prompt, kept=kept)
        return llm.GenerateResponse(text=answer.text, completion=completion, tool_calls=replies.tool_calls(answer))


def _seconds(fallback_text: str) -> float:
    return left(FALLBACK_SECONDS if fallback_text else REASON_SECONDS)
