"""What when a model can use no tools?"""

from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace

import pytest

from kit.errors import (
    ModelEmpty,
    ModelRefused,
    ModelToolInvalid,
    ModelUnavailable,
    ModelUnsupported,
    ParleyError,
)
from llm_service.domain.backend import Answer, Call, Model
from llm_service.domain.calls import Calls
from llm_service.domain.record import Record
from llm_service.domain.served import Route
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import prompt_pb2
from tests.unit.llm.scripted import DONE, MODEL, Clock, Scripted, calls_through, route_to

BAD, GOOD = Call("1", "look", "[]"), Call("1", "look", "{}")


class Offered(Scripted):
    """A backend that remembers how many tools it was offered with each call. It streams what it would answer."""

    def __init__(self, *script: str | Answer | Exception, name: str = "one") -> None:
        super().__init__(*script, name=name)
        self.tools: list[int] = []

    async def answer(self, prompt: prompt_pb2.Prompt, model: Model) -> Answer:
        self.tools.append(len(prompt.tools))
        return await super().answer(prompt, model)

    async def stream(self, prompt: prompt_pb2.Prompt, model: Model) -> AsyncGenerator[str | Answer, None]:
        answer = await self.answer(prompt, model)
        yield answer.text
        yield replace(answer, text="")


def a_prompt(choice: prompt_pb2.ToolChoice = prompt_pb2.TOOL_CHOICE_UNSPECIFIED) -> prompt_pb2.Prompt:
    said = prompt_pb2.PromptMessage(role=Role.ROLE_CONTACT, text="hi" * 400)
    return prompt_pb2.Prompt(messages=[said], tools=[prompt_pb2.Tool(name="look")], tool_choice=choice)


async def text(calls: Calls, *, stream: bool = False, record: Record | None = None) -> str:
    record = record or Record()
    if not stream:
        return (await calls.generate(a_prompt(), record, seconds=60)).text
    return "".join([piece async for piece in calls.stream(a_prompt(), record, seconds=60) if isinstance(piece, str)])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("error", [ModelRefused(), ModelUnsupported(), Answer("", DONE, calls=(BAD,))], ids=repr)
async def test_a_model_is_asked_once_more_without_tools_before_the_next_one_is(
    error: Exception | Answer, stream: bool
) -> None:
    one, two, record = Offered(error, "yes"), Offered(name="two"), Record()

    assert await text(calls_through(route_to(one), route_to(two)), stream=stream, record=record) == "yes"
    assert (one.tools, two.tools, record.attempts, record.passed_over) == ([1, 0], [], 2, [])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_model_that_calls_a_tool_where_it_was_to_call_none_is_asked_once_more_without(stream: bool) -> None:
    """vLLM and others tell it the tools all the same, and not every model heeds that it may use none."""
    one, prompt = Offered(Answer("", DONE, calls=(GOOD,)), "yes"), a_prompt(prompt_pb2.TOOL_CHOICE_NONE)
    calls = calls_through(route_to(one))

    if stream:
        *pieces, end = [piece async for piece in calls.stream(prompt, Record(), seconds=60)]
        said = (pieces, getattr(end, "calls", None))
    else:
        answer = await calls.generate(prompt, Record(), seconds=60)
        said = ([answer.text], answer.calls)

    assert said == (["yes"], ())
    assert one.tools == [1, 0]


async def test_the_next_one_is_offered_them_again() -> None:
    one, two = Offered(ModelRefused(), ModelUnavailable(), ModelRefused()), Offered(Answer("", DONE, calls=(GOOD,)))
    record, prompt = Record(), a_prompt()

    answer = await calls_through(route_to(one), route_to(two)).generate(prompt, record, seconds=60)

    assert (answer.calls, len(prompt.tools)) == ((GOOD,), 1)
    assert (one.tools, two.tools) == ([1, 0, 0], [1])
    assert [type(error) for _, error in record.passed_over] == [ModelRefused]


async def test_one_that_took_none_is_offered_none_for_ten_minutes_under_all_its_names() -> None:
    clock = Clock()
    one = Offered(ModelRefused(), "a", "b", "c", ModelUnsupported(), "d")
    route = route_to(one, clock=clock)
    other_name = Route(route.served, replace(route.model, name="other", server_name=MODEL.name))

    for seconds, asked in ((0, route), (500, other_name), (99, route), (2, other_name)):
        clock.now += seconds
        await text(calls_through(asked))

    assert one.tools == [1, 0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    "script",
    [
        [Answer("", DONE, calls=(BAD,)), "yes", "yes"],  # it takes tools, if badly
        [ModelRefused(), ModelEmpty(), "yes"],  # the tools were not what was wrong
    ],
)
async def test_another_one_is_offered_them_the_next_time(script: list[str | Answer | Exception]) -> None:
    one = Offered(*script)
    calls = calls_through(route_to(one))

    for _ in range(2):
        with suppress(ModelEmpty):
            await text(calls)

    assert one.tools == [1, 0, 1]


@pytest.mark.parametrize(
    "error",
    [
        ModelRefused(metadata={"refused": "key"}),
        ModelRefused(metadata={"refused": "length"}),
        ModelUnsupported(metadata={"feature": "raw"}),
        ModelEmpty(),
    ],
    ids=repr,
)
async def test_what_has_nothing_to_do_with_tools_is_not_asked_again(error: ParleyError) -> None:
    one = Offered(error)

    with pytest.raises(type(error)):
        await text(calls_through(route_to(one)))

    assert one.tools == [1]


async def test_a_caller_who_cannot_do_without_a_call_is_told() -> None:
    one = Offered(Answer("", DONE, calls=(BAD,)))

    with pytest.raises(ModelToolInvalid):
        await calls_through(route_to(one)).generate(a_prompt(prompt_pb2.TOOL_CHOICE_REQUIRED), Record(), seconds=60)

    assert one.tools == [1]
