"""How is a model told that its JSON does not fit, and how is JSON found that it wrapped for people?"""

import re

from kit.errors import ModelOutputInvalid
from llm_service.domain.backend import Answer
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import prompt_pb2

# Before its first line only blanks: with \s, which takes the ends of lines too, a fence that is never closed would cost
# the square of its length, and models do write empty lines without end.
_fence = re.compile(r"\A\s*```[A-Za-z]*[ \t\r]*\n(.*)```\s*\Z", re.DOTALL)


def unfenced(text: str) -> str:
    """Without the code fence that models put around JSON."""
    found = _fence.match(text)
    return (found[1] if found else text).strip()


def asked_again(prompt: prompt_pb2.Prompt, answer: Answer, *, wrong: ModelOutputInvalid) -> prompt_pb2.Prompt:
    """The prompt, its answer, and what was wrong with it."""
    again = prompt_pb2.Prompt()
    again.CopyFrom(prompt)
    again.messages.add(role=Role.ROLE_AGENT, text=answer.text)
    told = f"{wrong.message} Answer again with JSON alone that fits the schema:\n{prompt.output_schema}"
    again.messages.add(role=Role.ROLE_CONTACT, text=told)
    return again
