"""Can any text, of a model or of somebody whom it quotes, break a rendering or get out of it?"""

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.channel import Markup, TextLimit
from channels.markup.cutting import MOST_PARTS
from channels.markup.dialect import MOST_BRACKETS
from channels.markup.reading import read
from channels.rendering import render
from channels.text import clean
from tests.unit.channels import chats

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
PIECES = (
    *("word", "a", " ", " ", "\n", "\n\n", "\t", "0", "é", "好", FAMILY, "🇩🇪", "\ud800", "\0", "x" * 50),
    *("*", "**", "***", "_", "__", "~", "~~", "`", "``", "```", "\n```\n", "```py\n", "\n~~~\n", "`` a`b ``"),
    *("***both***", "**b *i `c` i* b**", "**b `c`**", "[`c`](http://a.b)", "*i [l](http://a.b)*", "a*b*c", "2*3"),
    *("# ", "> ", "\n> ", "\n> > q\n", "- ", "\n- ", "\n  - ", "1. ", "\n7) ", "---", "===", "    ", "\\", "\\*"),
    *("<", ">", "<b>", "</b>", "</pre>", "</a>", "</code>", "<!--", "-->", "<a href='x'>", "<!channel>", "<@U1>"),
    *("[", "]", "(", ")", "[a](http://b.c)", "[a", "](http://b.c/_*d*_)", "![", "![i](http://j.k/l.png)", "|", '"'),
    *("http://a.b/c_d_e*f", "https://x.y/(z)", "<https://p.q>", "[u](tg://user?id=1)", "[j](javascript:x)", "http://"),
    *("@everyone", "@here", "<@123>", "<@&1>", "<#1>", "<:e:1>", "@", "everyone", "||", ":", "!", "^", "{", "}", "'"),
    *("\n|a|b|\n|-|-|\n|c|d|\n", "\n|a|\n|-|\n", "|-|-|", "e\u0301", "\u200d", "\ufe0f", "\u202e", "*\u2003a*"),
    *("&", "&lt;", "&#42;", "&amp;lt;"),
)
TEXTS = st.one_of(st.text(max_size=400), st.lists(st.sampled_from(PIECES), max_size=80).map("".join))
LINE_STARTS = ("\n> ", "\n- ", "\n+ ", "\n# ", "\n1. ", "\n```\n", "\n* ")
WRITTEN = st.lists(
    st.one_of(st.sampled_from(LINE_STARTS), st.sampled_from("ab1 *_~`#>|[]()<>&\\@!:/-+.xé好")), max_size=80
).map("".join)
NAMES = st.sampled_from(chats.RENDERED)
SMALL = st.integers(100, 400)
MOST_CALLS = 250  # a character
PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")

# What parsers have choked on, as often as it takes for so many characters.
REPEATED: dict[str, Callable[[int], str]] = {
    piece.strip() or repr(piece): lambda size, piece=piece: (piece * size)[:size]
    for piece in (
        *("*", "* ", "*a ", "*a **b ", "a**b c* ", "_a ", "~~a ", "[", "[a", "[](", "[a](b", "![", "![[]()", "]", "<"),
        *("<a ", "<http:", "&", "&a;", "`", "`a``b", "\\", "|", "|a\n|-\n", "|a|b|\n|-|-|\n", ">", "> a\n", "- a\n"),
        *("1. a\n", "- ", "\n", "# a\n", "```\n", "---\n", "(", '[x](y "', "http://a.b ", "http://", "a  \n", "> - "),
        *("*_~~a ", "**a** ", "[a](http://b.c) ", "a\n\n", "@everyone ", FAMILY, "a*b", "\n> q\n\n```\nc\n```\n", "."),
        *("a" * 500 + "[", "a" * 500 + "|", "word ", "好", "é"),
    )
} | {
    "ticks ever longer": lambda size: "".join("e" + "`" * n for n in range(int((2 * size) ** 0.5))),
    "lists ever deeper": lambda size: "".join("  " * n + "- a\n" for n in range(int(size**0.5))),
    "a wide table": lambda size: "\n".join(("|a" * (size // 4), "|-" * (size // 4), "|")),
    "short rows of a wide table": lambda size: "\n".join(("|a" * 40, "|-" * 40, *"|" * (size // 2))),
    "as many brackets as are read": lambda size: "[" * MOST_BRACKETS + "a" * (size - MOST_BRACKETS),
    "as many cells as are read": lambda size: "\n".join(("|a" * 60, "|-" * 60, *"|" * 64, "a" * (size - 400))),
}


@given(TEXTS, NAMES, SMALL)
@settings(max_examples=300, deadline=None)
def test_any_text_is_rendered_within_the_limit_and_understood_by_the_chat(text: str, name: Markup, size: int) -> None:
    limit = replace(chats.LIMITS[name], size=size)
    parts = render(text, name, limit=limit)

    assert len(parts) <= MOST_PARTS
    assert parts == render(text, name, limit=limit)
    for part in parts:
        assert 0 < chats.size(part.text, name) <= size
        assert part.text.strip()
        chats.SEEN[name](part.text)
        assert len(part.plain.encode("utf-16-le")) // 2 <= size
    assert bool(parts) == bool(clean(text).strip())


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_the_library_never_raises_on_its_own(text: str) -> None:
    read(clean(text))


@given(WRITTEN, NAMES)
@settings(max_examples=300, deadline=None)
def test_what_is_escaped_in_markdown_is_seen_as_it_was_written(text: str, name: Markup) -> None:
    """Every sign of it bears a backslash: so nothing of it may format, on any channel."""
    lines = [line.strip() for line in text.split("\n")]
    expected = "\n".join(line for line in lines if line)
    parts = render(PUNCTUATION.sub(r"\\\1", expected), name, limit=TextLimit(100_000, "utf16"))

    assert "".join(chats.SEEN[name](part.text) for part in parts) == expected
    for part in parts:
        if name == "whatsapp":
            assert not [sign.pattern for sign in chats.WHATSAPP_SIGNS if sign.search(part.text)]
        if name == "discord":
            assert not chats.discord_signs(part.text)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_the_plain_text_that_stands_in_for_html_says_the_same(text: str) -> None:
    for part in render(text, "telegram", limit=chats.LIMITS["telegram"]):
        seen = iter(part.plain)
        assert all(character in seen for character in chats.telegram(part.text))


@given(st.lists(st.sampled_from(PIECES), max_size=60), NAMES)
@settings(max_examples=200, deadline=None)
def test_every_word_arrives_whatever_stands_between_them(pieces: list[str], name: Markup) -> None:
    """But for what Markdown itself takes out of sight: a fence's language and a link's title."""
    kept = [piece for piece in pieces if piece not in ('"', "```", "```py\n", "`` a`b ``", "\n~~~\n", "'", "\n```\n")]
    text = "".join(f"{piece}w{number}w" for number, piece in enumerate(kept) if "](" not in piece)
    parts = render(text, name, limit=TextLimit(100_000, "utf16"))

    seen = "".join(chats.SEEN[name](part.text) for part in parts)
    words = re.findall(r"w\d+w", text)
    assert sorted(set(words) - set(re.findall(r"(?=(w\d+w))", seen))) == []


@pytest.mark.parametrize(
    "text",
    [
        *("@everyone", "`@here`", "```\n<@123>\n```", "@**everyone**", "@\\everyone", "@&#101;veryone"),
        *("[@here](http://a.b)", "http://a.b/@everyone", "[a](http://b.c/<@1>)", "[a](http://b.c/@here)"),
    ],
)
def test_nobody_is_rung_on_discord(text: str) -> None:
    for part in render(text, "discord", limit=chats.LIMITS["discord"]):
        assert not chats.DISCORD_PING.search(part.text)


@pytest.mark.parametrize("text", REPEATED)
def test_twice_the_text_is_no_more_than_twice_the_work(text: str) -> None:
    """Calls of functions are counted, Python's and C's: no clock, so a busy machine cannot fail it."""
    once, twice = (_work(REPEATED[text](size)) for size in (2000, 4000))
    assert twice <= once * 2.4 + 10_000
    assert twice <= MOST_CALLS * 4000


def _work(text: str) -> int:
    calls = 0

    def count(_frame: FrameType, _event: str, _argument: object) -> None:
        nonlocal calls
        calls += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        render(text, "discord", limit=chats.LIMITS["discord"])
    finally:
        sys.setprofile(before)
    return calls
