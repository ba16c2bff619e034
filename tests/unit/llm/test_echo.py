"""What does echo say?"""

import pytest

from llm_service.backends import echo
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import completion_pb2, prompt_pb2

SYSTEM, PERSON, AGENT = Role.ROLE_SYSTEM, Role.ROLE_CONTACT, Role.ROLE_AGENT


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ([(SYSTEM, "Be kind."), (PERSON, "hi")], 'echo: you said "hi"'),
        ([(PERSON, "one"), (PERSON, "two")], 'echo: you said "one" and "two"'),
        ([(PERSON, "1"), (PERSON, "2"), (PERSON, "3")], 'echo: you said "1", "2" and "3"'),
        ([(PERSON, "old"), (AGENT, "answered"), (PERSON, "new")], 'echo: you said "new"'),
        ([(SYSTEM, "Be kind.")], "echo: you said nothing"),
    ],
)
async def test_it_repeats_everything_said_since_the_last_answer(said: list[tuple[Role, str]], answer: str) -> None:
    messages = [prompt_pb2.PromptMessage(role=role, text=text) for role, text in said]

    assert (await echo.Echo().answer(prompt_pb2.Prompt(messages=messages), echo.MODEL)).text == answer


async def test_it_stops_where_the_caller_says() -> None:
    prompt = prompt_pb2.Prompt(messages=[prompt_pb2.PromptMessage(role=PERSON, text="x" * 100)], max_output_tokens=5)

    answer = await echo.Echo().answer(prompt, echo.MODEL)

    assert answer.text == 'echo: you said "xxxx'
    assert answer.finish_reason == completion_pb2.FINISH_REASON_LENGTH
