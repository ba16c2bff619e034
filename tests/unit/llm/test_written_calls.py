"""Is a call that a model writes into its text taken for one, whole or in a stream cut anywhere, and nothing else?"""

import json
from collections.abc import AsyncGenerator

import pytest

from kit.errors import ModelToolInvalid
from llm_service.domain.backend import Answer, Call, Model
from llm_service.domain.call_bodies import read
from llm_service.domain.record import Record
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import completion_pb2, prompt_pb2
from tests.unit.llm.scripted import DONE, Scripted, calls_through, route_to

NAMED = '{"name": "look", "arguments": {"city": "Rome"}}'
CALLED = Call("", "look", '{"city":"Rome"}')
SIZES = (1, 2, 3, 7, 1000)

ALONE = [
    NAMED,
    f" \n{NAMED}\n",
    f"```json\n{NAMED}\n```",
    f"[{NAMED}]",
    '{"name": "look", "parameters": {"city": "Rome"}}',
    '{"type": "function", "function": {"name": "look", "parameters": {"city": "Rome"}}}',
    '{"name": "look", "arguments": "{\\"city\\":\\"Rome\\"}"}',
    f"<tool_call>\n{NAMED}\n</tool_call>",
    f"<tool_call>{NAMED}",
    f"[TOOL_CALLS][{NAMED}]",
    f"<|python_tag|>{NAMED}",
    "<tool_call>\n<function=look>\n<parameter=city>\nRome\n</parameter>\n</function>\n</tool_call>",
    "<function=look>\n<parameter=city>\nRome\n</parameter>\n</function>\n</tool_call>",
    "<function=look><parameter=city>Rome",
    '<function=look>{"city":"Rome"}</function>',
    "<tool_call>look\n<arg_key>city</arg_key>\n<arg_value>Rome</arg_value>\n</tool_call>",
    '[TOOL_CALLS]look{"city":"Rome"}',
    '[TOOL_CALLS]look[CALL_ID]a1b2c3d4e[ARGS]{"city":"Rome"}',
]
SEVERAL = [
    f"<tool_call>\n{NAMED}\n</tool_call>\n<tool_call>\n{NAMED}\n</tool_call>",
    "<tool_call>" + 2 * "<function=look>\n<parameter=city>\nRome\n</parameter>\n</function>\n" + "</tool_call>",
    2 * "<function=look>\n<parameter=city>\nRome\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n",
    2 * '[TOOL_CALLS]look{"city":"Rome"}',
]
PARAMETERS = """{"type": "object", "properties": {"name": {"type": "string"}, "note": {"type": ["string", "null"]},
"count": {"type": "integer"}, "sure": {"type": "boolean"}, "list": {"type": "array"}, "any": {}}}"""
# What stands between the tags -> what it is by those.
TYPED = {
    ("name", "12"): "12",
    ("name", " a\n<b> \n"): " a\n<b> \n",
    ("note", "null"): "null",
    ("count", "12"): 12,
    ("sure", "true"): True,
    ("sure", "True"): True,
    ("list", '["a", 1]'): ["a", 1],
    ("list", "a, b"): "a, b",
    ("any", "0.5"): 0.5,
    ("other", "Rome"): "Rome",
}
TEXTS = [
    "Hello you",
    "a < b, [see] {this}\n<tool> [TOOL",
    '{"name": "Ann", "arguments": {"city": "Rome"}}',
    '{"name": "look"}',
    "{not JSON",
    "[1, 2]",
    "[{}]",
    "```json\n{}\n```",
    "```python\nlook()\n```",
    f"It is written as {NAMED}",
    "Write <tool_call> before it.\n\n  [TOOL_CALLS means the same.",
    "Write <function=look> there.\n<function",
    "look<arg_key>city</arg_key><arg_value>Rome</arg_value>",
    "<",
    "Look:\n<tool",
]


class Speaking(Scripted):
    """Says one text, in a stream in pieces of so many characters; something else when no tools are offered."""

    def __init__(self, text: str, size: int = 1000) -> None:
        super().__init__()
        self.text, self.size = text, size

    async def answer(self, prompt: prompt_pb2.Prompt, model: Model) -> Answer:
        return Answer(self.text if prompt.tools else "I cannot look.", DONE, 3, 4)

    async def stream(self, prompt: prompt_pb2.Prompt, model: Model) -> AsyncGenerator[str | Answer, None]:
        text = (await self.answer(prompt, model)).text
        for start in range(0, len(text), self.size):
            yield text[start : start + self.size]
        yield Answer("", DONE, 3, 4)


def a_prompt(
    *, tools: bool = True, choice: prompt_pb2.ToolChoice = prompt_pb2.TOOL_CHOICE_UNSPECIFIED
) -> prompt_pb2.Prompt:
    said = prompt_pb2.PromptMessage(role=Role.ROLE_CONTACT, text="hi")
    prompt = prompt_pb2.Prompt(messages=[said], tool_choice=choice)
    if tools:
        prompt.tools.add(name="look")
    return prompt


async def told(backend: Scripted, prompt: prompt_pb2.Prompt, *, stream: bool) -> tuple[str, Answer]:
    calls = calls_through(route_to(backend))
    if not stream:
        answer = await calls.generate(prompt, Record(), seconds=60)
        return answer.text, answer
    *pieces, end = [piece async for piece in calls.stream(prompt, Record(), seconds=60)]
    assert isinstance(end, Answer)
    return "".join(map(str, pieces)), end


@pytest.mark.parametrize("text", ALONE)
async def test_an_answer_that_is_a_call_is_one(text: str) -> None:
    for stream, size in ((False, 0), *((True, size) for size in SIZES)):
        said, end = await told(Speaking(text, size), a_prompt(), stream=stream)

        assert said == ""
        assert end.calls == (CALLED,)
        assert end.finish_reason == completion_pb2.FINISH_REASON_TOOL_CALLS


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("calls", SEVERAL)
async def test_the_text_before_a_call_is_said_and_several_are_several(calls: str, size: int) -> None:
    said, end = await told(Speaking(f"One moment.\n \t{calls}", size), a_prompt(), stream=True)

    assert said == "One moment.\n \t"
    assert end.calls == (CALLED, CALLED)


@pytest.mark.parametrize(("name", "text"), TYPED)
def test_arguments_between_tags_are_what_the_schema_says(name: str, text: str) -> None:
    of_qwen = f"<function=look>\n<parameter={name}>\n{text}\n</parameter>\n</function>"
    of_glm = f"look\n<arg_key>{name}</arg_key>\n<arg_value>{text}</arg_value>"

    for body in (of_qwen, of_glm):
        (call,) = read(body, {"look": PARAMETERS})
        assert json.loads(call.arguments) == {name: TYPED[name, text]}


@pytest.mark.parametrize("piece", ["<function=", "<function=look>", "<parameter=a>", "<arg_key>a</arg_key>", "\n"])
def test_a_text_of_nothing_but_tags_is_read_in_one_go(piece: str) -> None:
    """A way through it for each of its characters would be minutes."""
    assert isinstance(read(f"<function=look>{piece * 100_000}", {"look": ""}), list)


@pytest.mark.parametrize("text", TEXTS)
async def test_anything_else_is_text(text: str) -> None:
    for stream, size in ((False, 0), *((True, size) for size in SIZES)):
        said, end = await told(Speaking(text, size), a_prompt(), stream=stream)

        assert (said, end.calls) == (text, ())


async def test_without_tools_nothing_is_a_call() -> None:
    assert (await told(Scripted(NAMED), a_prompt(tools=False), stream=False))[0] == NAMED


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>\n<function=launch>\n</function>\n</tool_call>",
        "<function=look",
        "<tool_call>launch\n<arg_key>city</arg_key></tool_call>",
        '<tool_call>{"name": "launch", "arguments": {}}</tool_call>',
        '[TOOL_CALLS]look{"city": "Rome"',
        '{"name": "look", "arguments": "Rome"}',
    ],
)
async def test_a_call_that_is_nonsense_is_asked_for_as_an_answer(text: str, stream: bool) -> None:
    said, end = await told(Speaking(text, 3), a_prompt(), stream=stream)

    assert (said, end.calls) == ("I cannot look.", ())
    with pytest.raises(ModelToolInvalid):
        await told(Speaking(text, 3), a_prompt(choice=prompt_pb2.TOOL_CHOICE_REQUIRED), stream=stream)
