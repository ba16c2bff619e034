"""Are long replies cut where a person would, and never so that anything is lost?"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.channel import TextLimit, TextUnit
from channels.registry import CHANNELS
from channels.splitting import split

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"  # one picture, seven code points
SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
UNITS: tuple[TextUnit, ...] = ("characters", "utf16", "bytes")
PIECES = (
    *("word", "é", "e\u0301", FAMILY, "👍🏽", "🇩🇪", "한", "\u1112\u1161\u11ab", "x" * 30),
    *("。", "!", "...", " ", "\n", "\n\n", "\t", "\r\n", "\0", "\ud800"),
)
TEXTS = st.one_of(st.text(max_size=300), st.lists(st.sampled_from(PIECES), max_size=80).map("".join))
LIMITS = st.builds(TextLimit, size=st.integers(4, 120), unit=st.sampled_from(UNITS))


def size(text: str, unit: str) -> int:
    """How long the provider thinks that it is."""
    return {"characters": len(text), "utf16": len(text.encode("utf-16-le")) // 2, "bytes": len(text.encode())}[unit]


def without_space(text: str) -> str:
    """What a person reads."""
    return "".join(text.replace("\0", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore").split())


@given(TEXTS, LIMITS)
@settings(max_examples=400, deadline=None)
def test_nothing_but_white_space_is_lost_and_every_part_fits(text: str, limit: TextLimit) -> None:
    parts = split(text, limit)

    assert without_space("".join(parts)) == without_space(text)
    assert all(0 < size(part, limit.unit) <= limit.size for part in parts)
    assert all(part.strip() for part in parts)
    assert parts == split(text, limit)


@given(TEXTS)
@settings(max_examples=100, deadline=None)
def test_a_text_that_fits_is_left_as_it_is(text: str) -> None:
    expected = text.replace("\0", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    expected = expected.replace("\r\n", "\n")
    assert split(text, TextLimit(10_000, "characters")) == ([expected] if expected.strip() else [])


@pytest.mark.parametrize(
    ("text", "size_", "parts"),
    [
        ("first paragraph\n\nsecond one", 20, ["first paragraph", "second one"]),
        ("a line\nand another one", 20, ["a line", "and another one"]),
        ("One sentence. Another is here", 20, ["One sentence.", "Another is here"]),
        ('He said "no." Then he left', 20, ['He said "no."', "Then he left"]),
        ("これは文です。つぎの文です", 10, ["これは文です。", "つぎの文です"]),
        ("これは。\ufe01つぎの文です", 6, ["これは。\ufe01つ", "ぎの文です"]),
        ("many words without an end", 12, ["many words", "without an", "end"]),
        ("exactly ten and more", 11, ["exactly ten", "and more"]),
        ("x" * 25, 10, ["x" * 10, "x" * 10, "x" * 5]),
        ("a. " + "word " * 5, 20, ["a. word word word", "word word "]),
        ("version 3.11.7 is out", 14, ["version 3.11.7", "is out"]),
        ("   \n ", 5, []),
        ("", 5, []),
    ],
)
def test_the_roughest_joint_is_taken(text: str, size_: int, parts: list[str]) -> None:
    assert split(text, TextLimit(size_, "characters")) == parts


@pytest.mark.parametrize(
    "cluster",
    [FAMILY, "👍🏽", "🇩🇪", "e\u0301\u0323", "1\ufe0f\u20e3", "\u1112\u1161\u11ab", SCOTLAND],
)
@pytest.mark.parametrize("unit", UNITS)
def test_what_a_person_sees_as_one_character_stays_whole(cluster: str, unit: TextUnit) -> None:
    text = cluster * 40
    for parts in (split(text, TextLimit(limit, unit)) for limit in range(size(cluster, unit), 120)):
        assert all(part.count(cluster) * len(cluster) == len(part) for part in parts)


def test_a_cluster_longer_than_the_limit_is_cut_between_code_points() -> None:
    parts = split("e" + "\u0301" * 5000, TextLimit(1000, "bytes"))
    assert all(len(part.encode()) <= 1000 for part in parts)
    assert "".join(parts) == "e" + "\u0301" * 5000


def test_windows_line_ends_become_ours_before_anything_is_counted() -> None:
    assert split("a\r\nb", TextLimit(3, "characters")) == ["a\nb"]


@pytest.mark.parametrize("name", CHANNELS)
def test_the_longest_text_of_the_contract_is_split_for_every_channel(name: str) -> None:
    text = ("A sentence of words. " * 4000)[:65_536]
    parts = split(text, CHANNELS[name].max_text)
    assert len(parts) <= 1000
    assert "".join("".join(parts).split()) == "".join(text.split())
