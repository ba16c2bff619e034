"""What of a model's text goes on?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import ModelEmpty, ModelGarbage
from llm_service.domain.backend import Answer, Call
from llm_service.domain.cleaning import checked, checked_piece
from parley.llm.v1 import completion_pb2

DONE = completion_pb2.FINISH_REASON_STOP


@given(st.text(alphabet=st.characters(blacklist_categories=())))
def test_text_that_a_database_stores_goes_on_as_it_is_and_no_other_does(text: str) -> None:
    storable = "\0" not in text and not any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)

    if storable:
        assert checked_piece(text) == text
    else:
        with pytest.raises(ModelGarbage):
            checked_piece(text)


@pytest.mark.parametrize("text", ["\u200ba", "\U0001f600", "\U0001faff", "\u0e33"])
def test_whatever_is_seen_is_an_answer(text: str) -> None:
    assert checked(Answer(text, DONE)).text == text


@pytest.mark.parametrize("text", ["", " ", "\n\t\u00a0", "\u200b", " \ufeff\u2060\u200e\n"])
def test_nothing_at_all_is_no_answer_unless_a_tool_is_called(text: str) -> None:
    with pytest.raises(ModelEmpty):
        checked(Answer(text, DONE))

    assert checked(Answer(text, DONE, calls=(Call("1", "look", "{}"),))).calls
