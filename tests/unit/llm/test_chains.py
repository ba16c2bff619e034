"""What happens when the first model of a chain does not answer?"""

import asyncio
from dataclasses import replace

import pytest

from kit.errors import (
    InvalidField,
    ModelBusy,
    ModelEmpty,
    ModelGarbage,
    ModelOutputInvalid,
    ModelPaused,
    ModelRefused,
    ModelTimeout,
    ModelToolInvalid,
    ModelUnavailable,
    ParleyError,
)
from llm_service.domain import replies
from llm_service.domain.backend import Answer, Call, Model, cost_micros
from llm_service.domain.calls import Calls
from llm_service.domain.record import Record
from llm_service.domain.served import Route
from parley.llm.v1 import prompt_pb2
from tests.unit.llm.scripted import DONE, MODEL, Scripted, calls_through, route_to

PROMPT = prompt_pb2.Prompt(messages=[prompt_pb2.PromptMessage(text="hi")])
SCHEMA = prompt_pb2.Prompt(messages=PROMPT.messages, output_schema='{"type": "integer"}')
TOOL = prompt_pb2.Prompt(messages=PROMPT.messages, tools=[prompt_pb2.Tool(name="look")])


class Unhurried(Scripted):
    """A backend that takes a moment, and so has to have one."""

    async def answer(self, prompt: prompt_pb2.Prompt, model: Model) -> Answer:
        await asyncio.sleep(0.02)
        return await super().answer(prompt, model)


def chain(*scripts: "Scripted") -> tuple[tuple[Route, ...], Calls]:
    """Routes to the backends, in this order, and calls through them."""
    routes = tuple(route_to(each) for each in scripts)
    return routes, calls_through(*routes)


def two(first: "str | Answer | Exception", *second: "str | Answer | Exception") -> tuple[Scripted, Scripted, Calls]:
    one, other = Scripted(first, name="one"), Scripted(*second, name="two")
    return one, other, chain(one, other)[1]


@pytest.mark.parametrize(
    "failure",
    [ModelRefused(), ModelGarbage(), ModelEmpty(), ModelBusy(), ModelTimeout(), "", Answer(" ", DONE), KeyError("x")],
    ids=repr,
)
async def test_the_second_answers_and_it_is_said_who_was_passed_over_and_why(failure: "str | Exception") -> None:
    _, _, calls = two(failure, "yes")
    record = Record()

    answer = await calls.generate(PROMPT, record, seconds=60)

    said = replies.completion(record, answer, prompt=PROMPT)
    assert (answer.text, said.backend, said.attempts) == ("yes", "two", 2)
    ((over),) = said.passed_over
    kind = {"": ModelEmpty, "Answer": ModelEmpty, "KeyError": ModelGarbage}
    expected = kind.get(failure if failure == "" else type(failure).__name__, type(failure))
    assert (over.model, over.backend) == ("m", "one")
    assert issubclass(expected, ParleyError)
    assert over.failure.reason == expected.reason


async def test_the_first_is_asked_alone_when_it_answers() -> None:
    _, other, calls = two("yes")
    record = Record()

    assert (await calls.generate(PROMPT, record, seconds=60)).text == "yes"
    assert (other.calls, record.passed_over) == (0, [])


async def test_when_all_fail_it_is_said_why_the_first_did_and_all_are_passed_over() -> None:
    _, _, calls = two(ModelRefused("first"), ModelGarbage("second"))
    record = Record()

    with pytest.raises(ModelRefused, match="first"):
        await calls.generate(PROMPT, record, seconds=60)

    said = replies.fallback(record, ModelRefused("first"), prompt=PROMPT)
    assert [each.backend for each in said.passed_over] == ["one", "two"]
    assert (said.fallback, said.failure.message, said.cost_micros) == (True, "first", 0)


async def test_a_model_that_is_paused_is_passed_over_without_being_asked() -> None:
    one, other = Scripted(name="one"), Scripted("yes", name="two")
    routes, calls = chain(one, other)
    for _ in range(3):
        routes[0].health.breaker.enter().failed()
    record = Record()

    assert (await calls.generate(PROMPT, record, seconds=60)).text == "yes"
    assert one.calls == 0
    assert record.passed_over[0][1].reason == ModelPaused.reason


async def test_a_model_with_others_after_it_gets_half_of_the_time_and_the_last_one_the_rest() -> None:
    one, other, third = Scripted("hang", name="one"), Scripted("hang", name="two"), Scripted("hang", name="three")
    calls, record = chain(one, other, third)[1], Record()
    loop = asyncio.get_running_loop()
    began = loop.time()

    with pytest.raises(ModelTimeout):
        await calls.generate(PROMPT, record, seconds=2)

    assert loop.time() - began >= 2
    assert [each.calls for each in (one, other, third)] == [1, 1, 1]


async def test_a_model_that_hangs_leaves_time_for_the_next() -> None:
    calls = calls_through(route_to(Scripted("hang")), route_to(Unhurried("yes")))
    loop = asyncio.get_running_loop()
    began = loop.time()

    assert (await calls.generate(PROMPT, Record(), seconds=2)).text == "yes"
    assert loop.time() - began >= 1


async def test_the_time_that_the_file_gives_a_model_is_all_that_it_gets_the_last_one_too() -> None:
    route = route_to(Scripted("hang"), model=replace(MODEL, timeout_seconds=0.05))
    loop = asyncio.get_running_loop()
    began = loop.time()

    with pytest.raises(ModelTimeout):
        await calls_through(route).generate(PROMPT, Record(), seconds=60)

    assert loop.time() - began < 30


@pytest.mark.parametrize(
    "prompt",
    [
        prompt_pb2.Prompt(messages=PROMPT.messages, output_schema="nope"),
        prompt_pb2.Prompt(messages=PROMPT.messages, tools=[prompt_pb2.Tool(name="a"), prompt_pb2.Tool(name="a")]),
    ],
)
async def test_what_the_caller_got_wrong_asks_nobody_and_is_no_fallback(prompt: prompt_pb2.Prompt) -> None:
    one, other, calls = two("never", "never")
    record = Record()

    with pytest.raises(InvalidField) as raised:
        await calls.generate(prompt, record, seconds=60)
    with pytest.raises(InvalidField):
        async for _ in calls.stream(prompt, record, seconds=60):
            pass

    assert (one.calls, other.calls, record.passed_over) == (0, 0, [])
    assert not replies.may_fall_back("sorry", raised.value)
    assert replies.may_fall_back("sorry", ModelRefused())
    assert not replies.may_fall_back("", ModelRefused())


async def test_a_text_that_does_not_fit_is_asked_for_once_more_and_both_are_counted() -> None:
    backend = Scripted("monday", "```json\n5\n```")
    record = Record()

    answer = await calls_through(route_to(backend)).generate(SCHEMA, record, seconds=60)

    assert (answer.text, record.input_tokens, record.output_tokens, record.attempts) == ("5", 6, 8, 2)
    assert backend.asked[1].messages[1].text == "monday"


async def test_a_model_that_does_not_fit_twice_is_passed_over() -> None:
    one, other = Scripted("monday", "tuesday", "never", name="one"), Scripted("5", name="two")
    record = Record()

    answer = await chain(one, other)[1].generate(SCHEMA, record, seconds=60)

    assert (answer.text, one.calls) == ("5", 2)
    assert record.passed_over[0][1].reason == ModelOutputInvalid.reason


@pytest.mark.parametrize("call", [Call("1", "other", "{}"), Call("1", "look", "[]"), Call("1", "look", "{}\ud800")])
async def test_a_model_whose_call_cannot_be_used_is_passed_over(call: Call) -> None:
    bad, good = Answer("", DONE, calls=(call,)), Answer("", DONE, calls=(Call("", "look", "{}"),))
    calls = chain(Scripted(bad, bad, name="one"), Scripted(good, name="two"))[1]
    record = Record()

    answer = await calls.generate(TOOL, record, seconds=60)

    assert replies.tool_calls(answer) == [prompt_pb2.ToolCall(id="call_1", name="look", arguments="{}")]
    assert record.passed_over[0][1].reason in {ModelToolInvalid.reason, ModelGarbage.reason}


async def test_nesting_that_no_validator_follows_is_a_misfit_and_not_a_fault_of_ours() -> None:
    deep = '{"a":' * 400 + "{}" + "}" * 400
    tool = prompt_pb2.Tool(name="look", parameters='{"additionalProperties": false}')
    prompt = prompt_pb2.Prompt(messages=PROMPT.messages, tools=[tool])
    bad = Answer("", DONE, calls=(Call("1", "look", deep),))
    calls = chain(Scripted(bad, bad, name="one"), Scripted("yes", name="two"))[1]

    assert (await calls.generate(prompt, Record(), seconds=60)).text == "yes"


async def test_what_an_answer_costs_is_what_was_read_and_written_by_their_prices() -> None:
    model = replace(MODEL, input_price_micros=150_000, output_price_micros=600_000)
    record = Record()
    answer = Answer("yes", DONE, input_tokens=1_000_000, output_tokens=500_000)

    await calls_through(route_to(Scripted(answer), model=model)).generate(PROMPT, record, seconds=60)

    assert replies.completion(record, answer, prompt=PROMPT).cost_micros == 150_000 + 300_000


async def test_what_answers_of_no_use_took_is_counted_too_each_by_its_own_models_prices() -> None:
    dear = replace(MODEL, fallbacks=("two",), input_price_micros=10**6, output_price_micros=10**7)
    cheap = replace(MODEL, input_price_micros=10**6, output_price_micros=10**6)
    thought, said = Answer("", DONE, 900, 2000), Answer("yes", DONE, 800, 10)
    record = Record()
    calls = calls_through(
        route_to(Scripted(thought, name="one"), model=dear), route_to(Scripted(said, name="two"), model=cheap)
    )

    answer = await calls.generate(PROMPT, record, seconds=60)

    completion = replies.completion(record, answer, prompt=PROMPT)
    assert (completion.input_tokens, completion.output_tokens) == (1700, 2010)
    assert completion.cost_micros == (900 + 10 * 2000) + (800 + 10)


@pytest.mark.parametrize(
    ("read", "written", "prices", "cost"),
    [
        (0, 0, (10**6, 10**6), 0),
        (7, 9, (0, 0), 0),
        (1, 0, (1, 1), 0),
        (3, 4, (10**6, 2 * 10**6), 11),
        (2**31 - 1, 2**31 - 1, (10**12, 10**12), 2 * (2**31 - 1) * 10**6),
    ],
)
def test_a_cost_is_a_whole_number_of_millionths_that_the_contract_can_carry(
    read: int, written: int, prices: tuple[int, int], cost: int
) -> None:
    model = replace(MODEL, input_price_micros=prices[0], output_price_micros=prices[1])

    found = cost_micros(model, Answer("x", DONE, read, written))

    assert found == cost
    assert found < 2**63


async def test_a_server_that_is_away_counts_in_the_chain_with_all_its_attempts() -> None:
    one = Scripted(*[ModelUnavailable()] * 4, name="one")
    record = Record()

    await chain(one, Scripted("yes", name="two"))[1].generate(PROMPT, record, seconds=60)

    assert (one.calls, record.attempts) == (3, 4)  # then its breaker is open
