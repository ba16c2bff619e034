"""Does each part of a text message stay within its segments, at the least that it can cost?"""

from math import ceil

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from channels.channel import TextLimit
from channels.registry import CHANNELS
from channels.rendering import limit_of, render
from channels.segments import Cost, Segmenting, cost
from channels.splitting import split

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
PRINT = "\u201cIt\u2019s 9\u202f\u2013\u202f17 \u2026\u201d"
PIECES = (
    "word",
    "word word. ",
    "{x}",
    "€",
    "ç",
    "👍🏽",
    "🇩🇪",
    FAMILY,
    "\u201c",
    "\u2026",
    " ",
    "\n",
    "\n\n",
    "é",
    "한",
    PRINT,
)
TEXTS = st.one_of(
    st.text(max_size=400),
    st.lists(st.sampled_from(PIECES), max_size=200).map("".join),
    st.lists(st.sampled_from(PIECES[:3]), max_size=300).map("".join),
)
SEGMENTINGS = st.builds(Segmenting, most=st.integers(1, 4), smart=st.booleans())


def without_space(text: str) -> str:
    """What a person reads."""
    return "".join(text.split())


@pytest.mark.parametrize(
    ("text", "segments", "encoding"),
    [
        ("", 1, "GSM-7"),
        ("x" * 160, 1, "GSM-7"),
        ("x" * 161, 2, "GSM-7"),
        ("x" * 306, 2, "GSM-7"),
        ("x" * 307, 3, "GSM-7"),
        ("Grüße an Ångström für 5 £, Ω\r\n", 1, "GSM-7"),
        ("€" * 80, 1, "GSM-7"),
        ("€" * 80 + "x", 2, "GSM-7"),
        ("€" * 76 * 2, 2, "GSM-7"),  # 153 is odd, and an escape never ends a segment
        ("€" * 76 * 2 + "x", 2, "GSM-7"),
        ("€" * 76 * 2 + "xx", 3, "GSM-7"),
        ("ç" * 70, 1, "UCS-2"),
        ("ç" * 71, 2, "UCS-2"),
        ("ç" * 134, 2, "UCS-2"),
        ("ç" * 135, 3, "UCS-2"),
        ("👍" * 35, 1, "UCS-2"),
        ("👍" * 66, 2, "UCS-2"),  # 67 is odd, and a pair never ends a segment
        ("👍" * 67, 3, "UCS-2"),
        ("x" * 159 + "👍", 3, "UCS-2"),
        ("`", 1, "UCS-2"),
    ],
)
def test_a_text_is_of_as_many_segments_as_twilio_charges(text: str, segments: int, encoding: str) -> None:
    counted = cost(text)
    assert (counted.segments, counted.encoding) == (segments, encoding)


@given(TEXTS, SEGMENTINGS)
@settings(max_examples=100, deadline=None)
@example("x" * 153 + "€" + "x" * 160, Segmenting(2))
def test_every_part_is_within_its_segments_and_nothing_but_white_space_is_lost(text: str, wanted: Segmenting) -> None:
    limit = TextLimit(1600, "utf16", Segmenting(wanted.most, smart=False))
    parts = [part.text for part in render(text, "as_written", limit=limit)]
    assert all(cost(part).segments <= wanted.most for part in parts)
    assert without_space("".join(parts)) == without_space("".join(split(text, TextLimit(10_000, "utf16"))))
    written = render(text, "as_written", limit=TextLimit(1600, "utf16", wanted))
    assert all(part.segments == cost(part.text).segments <= wanted.most for part in written)


@given(TEXTS, SEGMENTINGS)
@settings(max_examples=60, deadline=None)
def test_markdown_rendered_for_a_text_message_stays_within_its_segments(text: str, wanted: Segmenting) -> None:
    parts = render(text, "plain", limit=TextLimit(1600, "utf16", wanted))
    assert all(part.segments == cost(part.text).segments <= wanted.most for part in parts)


@given(TEXTS, st.integers(2, 6))
@settings(max_examples=60, deadline=None)
def test_no_more_parts_are_made_than_of_the_dearest_letters_in_quarters(text: str, most: int) -> None:
    """No joint is sought in the first quarter of a part, and a picture of a family is eleven units."""
    parts = render(text, "as_written", limit=TextLimit(1600, "utf16", Segmenting(most)))
    units = len(text.encode("utf-16-le")) // 2
    assert len(parts) <= ceil(units / ((most * 66 - 22) // 4)) + 1


@pytest.mark.parametrize("cluster", [FAMILY, "👍🏽", "🇩🇪", "e\u0301\u0323", "1\ufe0f\u20e3"])
@pytest.mark.parametrize("most", [1, 2, 3])
def test_what_a_person_sees_as_one_character_stays_in_one_part(cluster: str, most: int) -> None:
    for before in range(12):
        for part in render("x" * before + cluster * 80, "plain", limit=TextLimit(1600, "utf16", Segmenting(most))):
            assert part.text.lstrip("x").count(cluster) * len(cluster) == len(part.text.lstrip("x"))


def test_one_emoji_makes_only_its_own_part_dearer() -> None:
    text = "\n\n".join(["A paragraph of plain words, again and again. " * 20] * 3 + ["Bye 👋"])
    parts = render(text, "plain", limit=CHANNELS["sms"].max_text)
    assert [cost(part.text).encoding for part in parts] == ["GSM-7", "GSM-7", "GSM-7", "UCS-2"]
    assert sum(part.segments for part in parts) < cost(text).segments / 2 + 2


@pytest.mark.parametrize(
    ("text", "sent", "encoding"),
    [
        (PRINT, '"It\'s 9 - 17 ..."', "GSM-7"),
        ("\u00ab\u00a0\u00c9t\u00e9\u00a0\u00bb", '" \u00c9t\u00e9 "', "GSM-7"),
        (f"{PRINT} 👍", f"{PRINT} 👍", "UCS-2"),  # it would be dear all the same
        ("\u2026" * 67, "\u2026" * 67, "UCS-2"),  # three points each would take more
    ],
)
def test_signs_of_print_become_plainer_where_that_costs_less(text: str, sent: str, encoding: str) -> None:
    (part,) = render(text, "plain", limit=limit_of(CHANNELS["sms"], {}))
    assert (part.text, cost(part.text).encoding) == (sent, encoding)
    (left,) = render(text, "plain", limit=limit_of(CHANNELS["sms"], {"smart_encoding": "false"}))
    assert left.text == text


@pytest.mark.parametrize(
    ("options", "most", "smart"),
    [
        ({}, 10, True),
        ({"max_segments": "2", "smart_encoding": "false"}, 2, False),
        ({"max_segments": "0"}, 1, True),
        ({"max_segments": "999"}, 24, True),
        ({"max_segments": "-1", "smart_encoding": "perhaps"}, 10, True),
        ({"max_segments": "²"}, 10, True),
    ],
)
def test_an_account_says_of_how_many_segments_a_part_is(options: dict[str, str], most: int, smart: bool) -> None:
    assert limit_of(CHANNELS["sms"], options).segments == Segmenting(most, smart=smart)
    assert limit_of(CHANNELS["whatsapp"], options).segments is None


def test_a_text_that_ends_before_its_end_keeps_room_for_the_sign_that_says_so() -> None:
    parts = render("word " * 20_000, "plain", limit=TextLimit(1600, "utf16", Segmenting(2)))
    assert parts[-1].text.endswith("[...]")
    assert {part.segments for part in parts} == {2}
    assert Cost(2, "GSM-7") == cost(parts[-1].text)
