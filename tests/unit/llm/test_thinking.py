"""What of a model's words is shown, when servers leave in them what the model thinks?"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import ModelEmpty
from llm_service.backends.thinking import Thinking
from llm_service.domain.backend import Answer, Model
from parley.llm.v1 import completion_pb2, prompt_pb2

MODEL = Model("m", "b", 4096)
PROMPT = prompt_pb2.Prompt()
DONE, CUT = completion_pb2.FINISH_REASON_STOP, completion_pb2.FINISH_REASON_LENGTH

PARTED = [
    ("<think>\nA fraudster.\n</think>\n\nHello!", "Hello!"),
    (" \n<think>hm</think>Hello!", "Hello!"),
    ("<think></think>\n\nHello!", "Hello!"),
    ("<think>one <think> two</think>\nUse </think> so.", "Use </think> so."),
    ("<think>it never ends", ""),
    ("<think>it ends</think>\n", ""),
    ("<thin", "<thin"),
    ("<thinker> is a tag", "<thinker> is a tag"),
    ("<thinking>hm</thinking>\nHello!", "Hello!"),
    ("[THINK]hm </think>[/THINK]Hello!", "Hello!"),
    ("<seed:think>hm\n</seed:think>Hello!", "Hello!"),
    ("<thought>it never ends</think>", ""),
    ("<think>hm</think>\n\n<think>and</think>\nHello!", "Hello!"),
    ("<think>hm</think>\n<th", "<th"),
    ("<think>hm</think>\n<b>Hello!</b>", "<b>Hello!</b>"),
    ("", ""),
    ("  ", "  "),
    (" \n hi", " \n hi"),
    ("</thing> is no tag", "</thing> is no tag"),
]
UNOPENED = [
    ("Okay, a fraudster.\n</think>\n\nHello!", "Hello!"),
    ("</think>\n\nHello!", "Hello!"),
    ("Some code:\n```py\nx\n```\nDone.\n  </think>\nHello!", "Hello!"),
    ("Okay.\n</think>", ""),
    ("Okay.\n</thought>\nHello!", "Hello!"),
    ("Okay.\n</think>\n<think>And.</think>\nHello!", "Hello!"),
    ("Okay.\n</think>\nWrite </think> there.", "Write </think> there."),
]
MENTIONED = [
    "The tag </think> ends it.",
    "Use `</think>`:\n</think>\nis how it ends.",
    "Write this:\n```\n<think>\nhm\n</think>\n```\nDone.",
    "Write this:\n```\n</think>\n```\nDone.",
    "Write this:\n~~~\n</think>\n~~~\nDone.",
    "Write <think>, then\n</think>\nand the answer.",
    "Write [THINK], then\n[/THINK]\nand the answer.",
]


def whole(text: str, *, thinking: Thinking | None = None, reason: completion_pb2.FinishReason = DONE) -> str:
    return (thinking or Thinking()).without(Answer(text, reason), PROMPT, model=MODEL).text


def streamed(*pieces: str, thinking: Thinking | None = None, reason: completion_pb2.FinishReason = DONE) -> list[str]:
    reading = (thinking or Thinking()).reading(PROMPT, model=MODEL)
    return [*(reading.shown(piece) for piece in pieces), reading.rest(Answer("", reason))]


def knowing() -> Thinking:
    """That the model leaves out the tag at the beginning."""
    thinking = Thinking()
    whole(UNOPENED[0][0], thinking=thinking)
    return thinking


@pytest.mark.parametrize(("text", "answer"), [*PARTED, *UNOPENED, *((text, text) for text in MENTIONED)])
def test_what_a_model_thinks_is_no_part_of_its_answer(text: str, answer: str) -> None:
    assert whole(text) == answer
    assert "".join(streamed(text)) == answer


@pytest.mark.parametrize(("text", "answer"), [*PARTED, *((text, text) for text in MENTIONED)])
@given(data=st.data())
def test_a_stream_that_is_cut_anywhere_shows_the_same(data: st.DataObject, text: str, answer: str) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    assert "".join(streamed(*pieces)) == answer


@pytest.mark.parametrize(("text", "answer"), [*PARTED, *UNOPENED])
def test_of_a_model_that_is_known_nothing_is_shown_before_its_thoughts_are_over(text: str, answer: str) -> None:
    assert "".join(streamed(*text, thinking=knowing())) == answer


def test_an_answer_is_shown_as_it_comes() -> None:
    assert streamed("<b", ">Hi", " there") == ["<b", ">Hi", " there", ""]
    assert streamed("<", "th", "ink>", "hm</th", "ink>\n", "\nHi", " there") == ["", "", "", "", "", "Hi", " there", ""]


def test_thoughts_that_were_shown_as_an_answer_end_the_stream_and_the_next_one_is_known() -> None:
    thinking = Thinking()
    reading = thinking.reading(PROMPT, model=MODEL)

    assert reading.shown("Okay.\n</thi") == "Okay.\n</thi"
    with pytest.raises(ModelEmpty):
        reading.shown("nk>\nHello!")

    assert streamed("Okay.\n", "</think>\n", "Hello!", thinking=thinking) == ["", "", "Hello!", ""]
    other = thinking.reading(PROMPT, model=replace(MODEL, name="n"))
    assert other.shown("Hi") == "Hi"


def test_a_known_model_that_stops_thinking_aloud_is_heard_and_one_that_is_cut_while_it_thinks_is_not() -> None:
    thinking = knowing()

    assert whole("Okay, the customer", thinking=thinking, reason=CUT) == ""
    assert streamed("Hello", " you", thinking=thinking) == ["", "", "Hello you"]
    assert streamed("Hello", " you", thinking=thinking) == ["Hello", " you", ""]


def test_what_was_asked_for_raw_stays_as_it_is() -> None:
    text = "<think>hm</think>Hello!"

    assert Thinking().without(Answer(text, DONE), prompt_pb2.Prompt(raw=True), model=MODEL).text == text
