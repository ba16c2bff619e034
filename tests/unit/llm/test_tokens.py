"""How soon is it learnt how many characters a token of a model has?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_service.domain.tokens import CHARACTERS_PER_TOKEN, Estimate, characters
from parley.llm.v1 import prompt_pb2


def a_prompt(*texts: str, tools: int = 0, schema: str = "") -> prompt_pb2.Prompt:
    tool = prompt_pb2.Tool(name="look", description="Looks it up.", parameters='{"type": "object"}')
    said = [prompt_pb2.PromptMessage(text=text) for text in texts]
    return prompt_pb2.Prompt(messages=said, tools=[tool] * tools, output_schema=schema)


def test_it_starts_at_four_characters_a_token() -> None:
    estimate = Estimate()

    assert (estimate.ratio("m"), estimate.answers("m")) == (CHARACTERS_PER_TOKEN, 0)
    assert estimate.count(a_prompt("x" * 400), "m") == 100


@pytest.mark.parametrize("true", [1.0, 2.5, 6.0])
def test_after_a_few_answers_it_is_within_a_tenth_of_the_truth(true: float) -> None:
    estimate, prompt = Estimate(), a_prompt("x" * 3000)

    for _ in range(5):
        estimate.learn(prompt, "m", tokens=round(3000 / true))

    assert estimate.ratio("m") == pytest.approx(true, rel=0.1)
    assert estimate.answers("m") == 5


@given(st.floats(min_value=0.5, max_value=10), st.lists(st.integers(200, 5000), min_size=40, max_size=40))
def test_prompts_of_any_length_lead_to_the_same_truth(true: float, lengths: list[int]) -> None:
    estimate = Estimate()

    errors = [estimate.learn(a_prompt("x" * length), "m", tokens=max(1, round(length / true))) for length in lengths]

    assert estimate.ratio("m") == pytest.approx(true, rel=0.1)
    assert (errors[-1] or 0.0) < 0.15


def test_one_short_answer_does_not_overturn_it() -> None:
    estimate = Estimate()

    estimate.learn(a_prompt("hi"), "m", tokens=10)

    assert estimate.ratio("m") > 3


def test_old_answers_fade_so_that_another_language_is_learnt_too() -> None:
    estimate, prompt = Estimate(), a_prompt("x" * 1000)

    for _ in range(200):
        estimate.learn(prompt, "m", tokens=250)
    for _ in range(60):
        estimate.learn(prompt, "m", tokens=1000)

    assert estimate.ratio("m") == pytest.approx(1.0, rel=0.1)


def test_each_model_has_a_ratio_of_its_own() -> None:
    estimate = Estimate()

    estimate.learn(a_prompt("x" * 1000), "a", tokens=1000)

    assert estimate.ratio("a") < 2
    assert estimate.ratio("b") == CHARACTERS_PER_TOKEN


def test_how_wrong_the_estimate_was_is_said_as_a_share_of_the_truth() -> None:
    estimate = Estimate()

    assert estimate.learn(a_prompt("x" * 400), "a", tokens=100) == 0
    assert Estimate().learn(a_prompt("x" * 400), "a", tokens=400) == pytest.approx(0.75)
    assert Estimate().learn(a_prompt("x" * 400), "a", tokens=50) == pytest.approx(1.0)


def test_every_message_is_at_least_one_token() -> None:
    assert Estimate().count(a_prompt("", "", "x"), "m") == 3


def test_tools_and_a_schema_are_counted_with_what_was_called() -> None:
    plain, tools = a_prompt("hello"), a_prompt("hello", tools=2)
    tools.messages[0].tool_calls.add(name="look", arguments='{"a": 1}')

    assert characters(plain) == 5
    assert characters(tools) == 5 + len('{"a": 1}') + 2 * len('lookLooks it up.{"type": "object"}')
    assert characters(a_prompt("hello", schema="{}")) == 7


def test_calls_that_were_made_are_counted_when_the_prompt_has_no_tools_any_more() -> None:
    prompt = a_prompt("hello")
    prompt.messages[0].tool_calls.add(name="look", arguments='{"a": 1}')

    assert characters(prompt) == 5 + len('{"a": 1}')


@given(st.lists(st.tuples(st.text(max_size=50), st.integers(1, 2**31 - 1)), max_size=30), st.text(max_size=50))
def test_whatever_a_server_says_that_it_counted_a_prompt_still_has_a_length(
    answers: list[tuple[str, int]], text: str
) -> None:
    estimate = Estimate()

    for said, tokens in answers:
        estimate.learn(a_prompt(said), "m", tokens=tokens)

    assert estimate.ratio("m") > 0
    assert estimate.count(a_prompt(text), "m") >= 1


def test_prompts_without_a_character_never_bring_the_ratio_to_nothing() -> None:
    estimate = Estimate()

    for _ in range(20_000):
        estimate.learn(a_prompt(""), "m", tokens=3)

    assert estimate.count(a_prompt("hello"), "m") <= 20


def test_a_prompt_that_is_mostly_tools_teaches_nothing_of_text() -> None:
    estimate, prompt = Estimate(), a_prompt("hi")
    prompt.tools.add(name="look", parameters="{" + " " * 500 + "}")

    assert estimate.learn(prompt, "m", tokens=100) is None
    assert (estimate.ratio("m"), estimate.answers("m")) == (CHARACTERS_PER_TOKEN, 0)


def test_whoever_counts_no_tools_teaches_no_longer_tokens_than_there_are() -> None:
    estimate, prompt = Estimate(), a_prompt("x" * 1000)
    prompt.tools.add(name="hand_off", description="y" * 900)

    for _ in range(50):
        estimate.learn(prompt, "m", tokens=250)

    assert estimate.ratio("m") == pytest.approx(4.0)
