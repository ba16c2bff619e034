"""What answers when there is no model? Echo repeats what was said, and says that it is echo.

It is deterministic and needs nothing, so a first start, a test and a load run have something that answers.
"""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import replace
from itertools import takewhile

from kit.errors import ModelUnsupported
from llm_service.backends.openai_models import no_pulling
from llm_service.domain.backend import Answer, Model, Progress, most_tokens
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import completion_pb2, prompt_pb2

NAME = "echo"
MODEL = Model(name="echo", backend=NAME, window_tokens=32_768)
CHARACTERS_PER_TOKEN = 4


class Echo:
    """A backend that repeats everything which the person said since somebody last answered. It calls no tool."""

    def __init__(self, name: str = NAME) -> None:
        self.name = name

    async def models(self) -> tuple[Model, ...]:
        return (replace(MODEL, backend=self.name),)

    async def answer(self, prompt: prompt_pb2.Prompt, model: Model) -> Answer:
        return _answer(prompt, model)

    async def stream(self, prompt: prompt_pb2.Prompt, model: Model) -> AsyncGenerator[str | Answer, None]:
        answer = _answer(prompt, model)
        for word in answer.text.split(" "):
            yield word if word == "echo:" else f" {word}"
        yield Answer("", answer.finish_reason, answer.input_tokens, answer.output_tokens)

    def pull(self, name: str) -> AsyncGenerator[Progress, None]:
        return no_pulling(name)

    async def aclose(self) -> None:
        """There is nothing to give back."""


def _answer(prompt: prompt_pb2.Prompt, model: Model) -> Answer:
    if prompt.output_schema:
        raise ModelUnsupported(
            "Echo repeats what people say: it writes no JSON.", metadata={"feature": "output_schema"}
        )
    text = f"echo: you said {_listed(_unanswered(prompt.messages))}"
    most = most_tokens(prompt, model) * CHARACTERS_PER_TOKEN
    cut = text[:most] if most else text
    reason = completion_pb2.FINISH_REASON_STOP if cut == text else completion_pb2.FINISH_REASON_LENGTH
    return Answer(cut, reason, _tokens(said.text for said in prompt.messages), _tokens([cut]))


def _unanswered(messages: Iterable[prompt_pb2.PromptMessage]) -> list[str]:
    newest_first = takewhile(lambda said: said.role == Role.ROLE_CONTACT, reversed(list(messages)))
    return [said.text for said in newest_first][::-1]


def _listed(texts: list[str]) -> str:
    """`"one", "two" and "three"`"""
    quoted = [f'"{text}"' for text in texts] or ["nothing"]
    return " and ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))


def _tokens(texts: Iterable[str]) -> int:
    return sum(len(text) for text in texts) // CHARACTERS_PER_TOKEN
