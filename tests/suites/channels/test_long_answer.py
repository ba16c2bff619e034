"""Is a long answer with everything in it readable on every channel, whole, in order and within the limits?"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from channels.channel import Markup, TextLimit
from channels.registry import CHANNELS
from channels.rendering import Part, render
from channels.segments import cost
from tests.unit.channels import chats

ANSWER = (Path(__file__).parent / "long_answer.md").read_text()
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
WORD = re.compile(r"[^\W_]+")
FENCE = re.compile(r"^```\w*\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"(?:^\|.*\|\n)+", re.MULTILINE)
LINK = re.compile(r"!?\[([^]]+)\]\((\S+?)\)(?=[\s.])")
URL = re.compile(r"https://[^\s>]+")

# Every channel that there is, and every dialect that one may yet have.
ROADS: dict[str, tuple[Markup, TextLimit]] = {
    **{name: (channel.markup, channel.max_text) for name, channel in CHANNELS.items()},
    **{f"any that writes {markup}": (markup, limit) for markup, limit in chats.LIMITS.items()},
    **{f"{markup} in short parts": (markup, TextLimit(600, "utf16")) for markup in chats.RENDERED},
}


@cache
def _parts(road: str) -> list[Part]:
    markup, limit = ROADS[road]
    return render(ANSWER, markup, limit=limit)


@cache
def _seen(road: str) -> str:
    see = chats.SEEN.get(ROADS[road][0], str)
    return "\n".join(see(part.text) for part in _parts(road))


def _in_order(words: list[str], text: str) -> Iterator[str]:
    """The words that do not come, each after the one before."""
    seen = iter(WORD.findall(text))
    return (word for word in words if word not in seen)


def test_the_answer_has_everything_in_it() -> None:
    assert len(ANSWER) >= 12_000
    assert len(FENCE.findall(ANSWER)) >= 5
    assert len(TABLE.findall(ANSWER)) >= 10
    assert ANSWER.count(FAMILY) >= 5
    assert len(LINK.findall(ANSWER)) >= 10


@pytest.mark.parametrize("road", ROADS)
def test_every_part_is_within_the_limit(road: str) -> None:
    markup, limit = ROADS[road]
    parts = _parts(road)
    assert all(0 < chats.size_in(part.text, markup, limit.unit) <= limit.size for part in parts)
    assert all(len(part.plain) <= limit.size for part in parts)
    assert all(part.segments == (cost(part.text).segments if limit.segments else 0) for part in parts)
    assert all(part.segments <= limit.segments.most for part in parts if limit.segments)
    assert parts == render(ANSWER, markup, limit=limit)


@pytest.mark.parametrize("road", ROADS)
def test_every_word_arrives_in_order(road: str) -> None:
    """Tables apart, whose heads may be said with every row, and URLs, which may stand behind words."""
    prose = URL.sub("", LINK.sub(r"\1", TABLE.sub("", FENCE.sub(r"\1", ANSWER))))
    assert list(_in_order(WORD.findall(prose), _seen(road))) == []


@pytest.mark.parametrize("road", ROADS)
def test_every_cell_of_every_table_arrives_in_order(road: str) -> None:
    seen = _seen(road)
    for table in TABLE.findall(ANSWER):
        for row in table.splitlines()[2:]:
            assert list(_in_order(WORD.findall(LINK.sub(r"\1", row)), seen)) == []


@pytest.mark.parametrize("road", ROADS)
def test_every_link_leads_where_it_led(road: str) -> None:
    text = "\n".join(part.text for part in _parts(road))
    decoded = re.sub(r"%(2A|5F|7E)", lambda code: chr(int(code[1], 16)), text.replace("&amp;", "&"))
    for _, url in LINK.findall(ANSWER):
        assert url in decoded


@pytest.mark.parametrize("road", ROADS)
def test_no_family_is_torn_apart(road: str) -> None:
    assert sum(part.text.count(FAMILY) for part in _parts(road)) == ANSWER.count(FAMILY)


@pytest.mark.parametrize("road", ROADS)
def test_every_line_of_code_keeps_its_spaces(road: str) -> None:
    lines = iter(line.removeprefix('<pre><code class="language-python">') for line in _seen(road).split("\n"))
    wanted = [line for code in FENCE.findall(ANSWER) for line in code.splitlines()]
    assert [line for line in wanted if line not in lines] == []


@pytest.mark.parametrize("road", [road for road in ROADS if ROADS[road][0] in ("whatsapp", "slack", "discord")])
def test_fences_are_balanced_in_every_part_and_stand_on_lines_of_their_own(road: str) -> None:
    for part in _parts(road):
        fences = re.findall(r"^(.*)```(.*)$", part.text, re.MULTILINE)
        assert len(fences) % 2 == 0
        assert all(before == "" for before, _ in fences)
        assert all(behind in ("", "python") for _, behind in fences)


@pytest.mark.parametrize("road", [road for road in ROADS if "short" not in road and ROADS[road][0] != "as_written"])
def test_no_part_ends_with_a_heading(road: str) -> None:
    heads = re.findall(r"^## (.+)$", ANSWER, re.MULTILINE)
    ends = [chats.SEEN[ROADS[road][0]](part.text).rstrip("*").rpartition("\n")[2].lstrip("*") for part in _parts(road)]
    assert not set(ends) & set(heads)
