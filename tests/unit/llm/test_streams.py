"""When may another model take over a stream?"""

from collections.abc import AsyncGenerator

import pytest

from kit.errors import ModelEmpty, ModelGarbage, ModelRefused, ModelToolInvalid, ModelUnavailable
from llm_service.domain import replies
from llm_service.domain.backend import Answer, Call, Model
from llm_service.domain.calls import Calls
from llm_service.domain.record import Record
from parley.llm.v1 import prompt_pb2
from tests.unit.llm.scripted import DONE, Scripted, calls_through, route_to

TOOL = prompt_pb2.Prompt(tools=[prompt_pb2.Tool(name="look")])
GOOD, BAD = Call("1", "look", "{}"), Call("1", "look", "[]")


class Streaming(Scripted):
    """A backend that streams these pieces, and fails where one of them is an error."""

    def __init__(self, *pieces: str | Answer | Exception, name: str = "one") -> None:
        super().__init__(name=name)
        self.pieces = pieces

    async def stream(self, prompt: prompt_pb2.Prompt, model: Model) -> AsyncGenerator[str | Answer, None]:
        self.calls += 1
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


def calls_to(first: Streaming, second: Streaming) -> Calls:
    return calls_through(route_to(first), route_to(second))


async def all_of(calls: Calls, record: Record, prompt: prompt_pb2.Prompt = TOOL) -> list[str | Answer]:
    return [piece async for piece in calls.stream(prompt, record, seconds=60)]


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ((ModelRefused(),), ModelRefused),
        ((), ModelGarbage),
        ((KeyError("x"),), ModelGarbage),
        ((Answer("", DONE),), ModelEmpty),
        (("", "", Answer("", DONE)), ModelEmpty),
        ((Answer("", DONE, calls=(BAD,)),), ModelToolInvalid),
        ((Answer("", DONE, calls=(Call("1", "look", "\ud800"),)),), ModelGarbage),
        (("\0",), ModelGarbage),
    ],
    ids=repr,
)
async def test_before_the_first_piece_the_next_model_takes_over(
    pieces: tuple[str | Answer | Exception, ...], kind: type[Exception]
) -> None:
    second, record = Streaming("yes", Answer("", DONE), name="two"), Record()

    said = await all_of(calls_to(Streaming(*pieces), second), record)

    assert said == ["yes", Answer("", DONE)]
    assert [type(error) for _, error in record.passed_over] == [kind]
    assert record.backend == "two"


@pytest.mark.parametrize(
    ("rest", "kind"),
    [
        ((ModelUnavailable(),), ModelUnavailable),
        ((), ModelGarbage),
        ((KeyError("x"),), ModelGarbage),
        (("\ud800",), ModelGarbage),
        ((Answer("", DONE, calls=(Call("\ud800", "look", "{}"),)),), ModelGarbage),
        ((Answer("", DONE, calls=(BAD,)),), ModelToolInvalid),
    ],
    ids=repr,
)
async def test_after_the_first_piece_nobody_takes_over(
    rest: tuple[str | Answer | Exception, ...], kind: type[Exception]
) -> None:
    second = Streaming("never", Answer("", DONE), name="two")

    pieces = calls_to(Streaming("a", *rest), second).stream(TOOL, Record(), seconds=60)
    first = await anext(pieces)
    with pytest.raises(kind):
        await anext(pieces)

    assert (first, second.calls) == ("a", 0)


async def test_a_stream_of_blanks_alone_is_no_answer() -> None:
    with pytest.raises(ModelEmpty):
        await all_of(calls_through(route_to(Streaming(" ", "\n", Answer("", DONE)))), Record())


async def test_calls_come_at_the_end_with_a_text_before_them_or_alone() -> None:
    end = Answer("", DONE, calls=(GOOD,))

    assert await all_of(calls_through(route_to(Streaming(end))), Record()) == [end]
    assert await all_of(calls_through(route_to(Streaming("hm", end))), Record()) == ["hm", end]


async def test_the_time_of_the_first_text_is_said_only_when_there_is_a_text() -> None:
    alone, spoken = Record(), Record()

    await all_of(calls_through(route_to(Streaming(Answer("", DONE, calls=(GOOD,))))), alone)
    await all_of(calls_through(route_to(Streaming("hm", Answer("", DONE)))), spoken)

    end = Answer("", DONE)
    assert not replies.completion(alone, end, prompt=TOOL).HasField("time_to_first_text")
    assert replies.completion(spoken, end, prompt=TOOL).HasField("time_to_first_text")


async def test_a_stream_with_a_schema_comes_whole_once_it_fits() -> None:
    prompt = prompt_pb2.Prompt(output_schema='{"type": "integer"}')
    backend, record = Scripted("monday", "5"), Record()

    said = await all_of(calls_through(route_to(backend)), record, prompt)

    assert said == ["5", Answer("", DONE, 3, 4)]
    assert (record.input_tokens, record.output_tokens) == (6, 8)
