"""Which tools is a model offered, and what when it can use none?

The contract does not say which models take tools, so it is tried: one that fails with tools is asked once more without,
and one that answers then is offered none for a while.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from agent_service.domain.hand_off import LEAST_WINDOW_TOKENS, TOOL
from parley.error.v1.error_reason_pb2 import ErrorReason
from parley.llm.v1.llm_service_pb2 import GenerateRequest, GenerateResponse
from parley.llm.v1.prompt_pb2 import Tool

# How long a model that took none is offered none.
REST = timedelta(minutes=10)
# Its backend, or its server, says that it takes none.
TAKES_NONE = (ErrorReason.ERROR_REASON_MODEL_UNSUPPORTED, ErrorReason.ERROR_REASON_MODEL_REFUSED)
# It called what there is not, or with nonsense: once more without tools, and then it is over.
CONFUSED = (ErrorReason.ERROR_REASON_MODEL_TOOL_INVALID,)


class Generate(Protocol):
    """How a model is asked."""

    async def __call__(self, request: GenerateRequest, *, seconds: float) -> GenerateResponse:
        """The answer, or the fallback text."""


class Tools:
    """Offers tools to the models that take them."""

    def __init__(self, generate: Generate, *, now: Callable[[], datetime], offered: bool) -> None:
        self._generate = generate
        self._now = now
        self._offered = offered
        self._resting: dict[str, datetime] = {}

    def offer(self, model: str, window_tokens: int) -> Sequence[Tool]:
        """The tools for a prompt to this model."""
        rests = self._resting.get(model, None)
        if not self._offered or window_tokens < LEAST_WINDOW_TOKENS or (rests is not None and rests > self._now()):
            return ()
        return (TOOL,)

    async def generate(
        self, request: GenerateRequest, *, seconds: float, ask: Generate | None = None
    ) -> GenerateResponse:
        """The answer; with the time that is left, one without tools when the tools are what is wrong."""
        began, ask = self._now(), ask or self._generate
        answer = await ask(request, seconds=seconds)
        reason = answer.completion.failure.reason
        left = seconds - (self._now() - began).total_seconds()
        if not request.prompt.tools or reason not in (*TAKES_NONE, *CONFUSED) or left <= 0:
            return answer
        del request.prompt.tools[:]
        again = await ask(request, seconds=left)
        if reason in TAKES_NONE and not again.completion.fallback:
            self._resting[request.prompt.model] = self._now() + REST
        return again
