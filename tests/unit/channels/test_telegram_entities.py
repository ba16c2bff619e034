"""Does an address stand behind the words that lead to it, wherever Telegram says that they are?"""

from typing import Any

import pytest

from channels.telegram_entities import words

URL = "https://shop.example/"


def link(offset: object, length: object, **more: object) -> dict[str, object]:
    return {"type": "text_link", "offset": offset, "length": length, "url": URL, **more}


@pytest.mark.parametrize(
    ("text", "entity", "read"),
    [
        ("see here", link(4, 4), f"see here ({URL})"),
        ("here, see", link(0, 4), f"here ({URL}), see"),
        ("\U0001f6d2\U0001f6d2 here!", link(5, 4), f"\U0001f6d2\U0001f6d2 here ({URL})!"),  # two units each
        ("a\0\ud83d here!", link(4, 4), f"a here ({URL})!"),  # what is not kept is counted all the same
        (URL, link(0, len(URL)), URL),  # it shows its own
        ("see here", link(4, 4, type="url"), "see here"),
        ("see here", link(4, 4, url=None), "see here"),
        ("see here", link(4, 4, url="https://a\ud83d.example"), "see here (https://a.example)"),
    ],
)
def test_it_stands_where_the_words_end_counted_in_utf_16(text: str, entity: dict[str, object], read: str) -> None:
    assert words({"text": text, "entities": [entity]}) == read
    assert words({"caption": text, "caption_entities": [entity]}) == read


def test_each_of_several_has_its_own_in_whatever_order_they_come() -> None:
    both = [link(6, 3, url="https://b.example"), link(0, 3)]
    assert words({"text": "one - two", "entities": both}) == f"one ({URL}) - two (https://b.example)"


@pytest.mark.parametrize(
    "entities",
    [
        None,
        "no list",
        [None, 7, "x", {}],
        [link(-1, 4), link(4, -4), link(4, 0), link(5, 4), link(2**70, 1), link(1, 2**70)],
        [link("4", 4), link(4, None), link(True, 4), link(4.0, 4), link(4, 4, url=7)],
    ],
)
def test_an_entity_that_is_none_or_lies_outside_of_the_text_changes_nothing(entities: Any) -> None:
    assert words({"text": "see here", "entities": entities}) == "see here"


def test_one_that_cuts_an_emoji_in_two_loses_the_emoji_at_most() -> None:
    assert words({"text": "a \U0001f6d2 b", "entities": [link(0, 3)]}) == f"a  ({URL}) b"
