"""What is a backend, and what passes between it and the rest of the service?"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from parley.llm.v1 import completion_pb2, prompt_pb2

UNLISTED = "unlisted"


@dataclass(frozen=True, slots=True)
class Model:
    """One model of one backend, and what an operator said about it. Prices are per million tokens, in millionths."""

    name: str
    backend: str
    window_tokens: int
    server_name: str = ""  # what its server calls it; empty: the same
    max_output_tokens: int = 0
    timeout_seconds: float = 600.0
    silence_seconds: float = 15.0
    slow_seconds: float = 60.0
    input_price_micros: int = 0
    output_price_micros: int = 0
    fallbacks: tuple[str, ...] = ()
    keep_alive: str = ""
    is_for_chat: bool = True  # false when its server says that it is for something else, or nothing of it
    prompt_id: str = ""
    prompt_version: str = ""
    listed: bool = True
    is_guessed: bool = False  # its window: neither its server nor an operator said it

    @property
    def label(self) -> str:
        """Its name in metrics. Callers may name what nobody knows, and each such name would be a series of its own."""
        return self.name if self.listed else UNLISTED

    @property
    def called(self) -> str:
        """Its name at its server."""
        return self.server_name or self.name


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that the model asks to have used, as the server wrote it; the arguments are JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said, and what it says that it took. A stream ends with one, its text then empty."""

    text: str
    finish_reason: completion_pb2.FinishReason
    input_tokens: int = 0
    output_tokens: int = 0
    calls: tuple[Call, ...] = ()
    model_conversation: str = ""


def cost_micros(model: Model, answer: Answer) -> int:
    """What the answer costs by the model's prices, in millionths of their currency."""
    spent = answer.input_tokens * model.input_price_micros + answer.output_tokens * model.output_price_micros
    return round(spent / 1_000_000)


def most_tokens(prompt: prompt_pb2.Prompt, model: Model) -> int:
    """How many tokens to write at most: the caller's limit or the model's, the smaller one; 0 when there is none."""
    return min(filter(None, (prompt.max_output_tokens, model.max_output_tokens)), default=0)


Pieces = AsyncGenerator[str | Answer, None]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a server is with fetching a model."""

    status: str
    layer: str = ""
    completed_bytes: int = 0
    total_bytes: int = 0


class Backend(Protocol):
    """A model server. Every failure of it is one of the `Model…` errors of kit; anything else is taken as garbage."""

    name: str

    async def models(self) -> tuple[Model, ...]:
        """What the server has now; ModelUnavailable when it does not answer. A window of 0 tokens: it does not say."""

    async def answer(self, prompt: prompt_pb2.Prompt, model: Model) -> Answer:
        """The whole answer in one piece."""

    def stream(self, prompt: prompt_pb2.Prompt, model: Model) -> Pieces:
        """The answer as it comes, and at the end an Answer that counts it."""

    def pull(self, name: str) -> AsyncGenerator[Progress, None]:
        """Fetches a model to the server; ModelUnsupported where there is no such thing."""

    async def aclose(self) -> None:
        """Gives its connections back."""
