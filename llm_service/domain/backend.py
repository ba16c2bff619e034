"""What is a backend, and what passes between it and the rest of the service?"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from parley.llm.v1 import llm_service_pb2 as llm


@dataclass(frozen=True, slots=True)
class Model:
    """One model of one backend."""

    name: str
    backend: str
    window_tokens: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said, and what it says that it took. A stream ends with one, its text then empty."""

    text: str
    finish_reason: llm.FinishReason
    input_tokens: int = 0
    output_tokens: int = 0


class Backend(Protocol):
    """A model server. Every failure of it is one of the `Model…` errors of kit; anything else is taken as garbage."""

    name: str

    async def models(self) -> tuple[Model, ...]:
        """What the server has now; ModelUnavailable when it does not answer."""

    async def answer(self, prompt: llm.Prompt, model: Model) -> Answer:
        """The whole answer in one piece."""

    def stream(self, prompt: llm.Prompt, model: Model) -> AsyncGenerator[str | Answer, None]:
        """The answer as it comes, and at the end an Answer that counts it."""
