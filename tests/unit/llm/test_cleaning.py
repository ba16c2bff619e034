"""What of a model's text goes on?"""

from hypothesis import given
from hypothesis import strategies as st

from llm_service.domain.cleaning import clean


@given(st.text(alphabet=st.characters(blacklist_categories=())))
def test_what_is_left_can_be_stored_and_nothing_else_is_lost(text: str) -> None:
    cleaned = clean(text)

    cleaned.encode()
    assert cleaned == "".join(letter for letter in text if letter != "\0" and not 0xD800 <= ord(letter) <= 0xDFFF)
