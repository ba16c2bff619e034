"""What answers when there is no model? Echo repeats what was said, and says that it is echo.

It is deterministic and needs nothing, so a first start, a test and a load run have something that answers.
"""

from collections.abc import AsyncGenerator, Iterable
from itertools import takewhile

from llm_service.domain.backend import Answer, Model
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import llm_service_pb2 as llm

NAME = "echo"
MODEL = Model(name="echo", backend=NAME, window_tokens=32_768)
CHARACTERS_PER_TOKEN = 4


class Echo:
    """A backend that repeats everything which the person said since somebody last answered."""

    name = NAME

    async def models(self) -> tuple[Model, ...]:
        return (MODEL,)

    async def answer(self, prompt: llm.Prompt, model: Model) -> Answer:  # noqa: ARG002 - named by the protocol
        return _answer(prompt)

    async def stream(self, prompt: llm.Prompt, model: Model) -> AsyncGenerator[str | Answer, None]:  # noqa: ARG002 - as well
        answer = _answer(prompt)
        for word in answer.text.split(" "):
            yield word if word == "echo:" else f" {word}"
        yield Answer("", answer.finish_reason, answer.input_tokens, answer.output_tokens)


def _answer(prompt: llm.Prompt) -> Answer:
    text = f"echo: you said {_listed(_unanswered(prompt.messages))}"
    most = prompt.max_output_tokens * CHARACTERS_PER_TOKEN
    cut = text[:most] if most else text
    reason = llm.FINISH_REASON_STOP if cut == text else llm.FINISH_REASON_LENGTH
    return Answer(cut, reason, _tokens(said.text for said in prompt.messages), _tokens([cut]))


def _unanswered(messages: Iterable[llm.PromptMessage]) -> list[str]:
    newest_first = takewhile(lambda said: said.role == Role.ROLE_CONTACT, reversed(list(messages)))
    return [said.text for said in newest_first][::-1]


def _listed(texts: list[str]) -> str:
    """`"one", "two" and "three"`"""
    quoted = [f'"{text}"' for text in texts] or ["nothing"]
    return " and ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))


def _tokens(texts: Iterable[str]) -> int:
    return sum(len(text) for text in texts) // CHARACTERS_PER_TOKEN
