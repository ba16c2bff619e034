"""Is JSON found that a model wrapped for people, and how is it asked again?"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import ModelOutputInvalid
from llm_service.domain.backend import Answer
from llm_service.domain.repairing import asked_again, unfenced
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import prompt_pb2
from tests.unit.llm.scripted import DONE


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        '  {"a": 1}\n',
        '```json\n{"a": 1}\n```',
        '```\n{"a": 1}\n```',
        '```JSON \r\n{"a": 1}\r\n```\n\n',
        '\n\n```json\n\n{"a": 1}```',
    ],
)
def test_json_is_found_with_a_fence_or_without(text: str) -> None:
    assert unfenced(text) == '{"a": 1}'


@pytest.mark.parametrize(
    "text", ["```json {}```", "```json\n{}", "{}\n```", "```", 'Here:\n```json\n{"a": 1}\n```', ""]
)
def test_what_is_no_whole_fence_stays_as_it_is(text: str) -> None:
    assert unfenced(text) == text


@given(st.dictionaries(st.text(), st.text() | st.integers()), st.sampled_from(["", "json", "JSON"]))
def test_a_fence_around_any_json_gives_that_json(value: dict[str, object], word: str) -> None:
    assert json.loads(unfenced(f"```{word}\n{json.dumps(value)}\n```")) == value


def test_the_second_ask_is_the_first_with_the_answer_and_what_was_wrong_and_the_first_stays_as_it_was() -> None:
    prompt = prompt_pb2.Prompt(model="m", output_schema='{"type": "object"}', max_output_tokens=5)
    prompt.messages.add(role=Role.ROLE_CONTACT, text="when?")

    again = asked_again(prompt, Answer("monday", DONE), wrong=ModelOutputInvalid("It does not fit: rule 7."))

    assert [said.role for said in again.messages] == [Role.ROLE_CONTACT, Role.ROLE_AGENT, Role.ROLE_CONTACT]
    assert [said.text for said in again.messages][:2] == ["when?", "monday"]
    assert "rule 7" in again.messages[2].text
    assert '{"type": "object"}' in again.messages[2].text
    assert (again.model, again.output_schema, again.max_output_tokens) == ("m", prompt.output_schema, 5)
    assert len(prompt.messages) == 1
