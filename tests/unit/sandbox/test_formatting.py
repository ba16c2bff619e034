"""Is a formatted text shown as the person's chat would show it, and refused where Telegram refuses it?"""

import pytest

from sandbox.formatting import Run, Unparsed, discord, plain, slack, telegram, whatsapp

BOLD, CODE = ("bold",), ("code",)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain * text", (Run("plain * text"),)),
        ("a *b* c", (Run("a "), Run("b", BOLD), Run(" c"))),
        ("*_b_*", (Run("b", ("bold", "italic")),)),
        ("2*3*4 and snake_case_name", (Run("2*3*4 and snake_case_name"),)),
        ("`*a*` ~no~", (Run("*a*", CODE), Run(" "), Run("no", ("strike",)))),
        ("```\nx *y*\n```", (Run("x *y*", ("pre",)),)),
        ("> said\nand", (Run("said", ("quote",)), Run("and"))),
        ("> one\n> two\nand", (Run("one\n", ("quote",)), Run("two", ("quote",)), Run("and"))),
    ],
)
def test_whatsapp_shows_its_marks(text: str, shown: tuple[Run, ...]) -> None:
    assert whatsapp(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a &lt;b&gt; &amp;amp; c", (Run("a <b> &amp; c"),)),
        ("*a &amp; b*", (Run("a & b", BOLD),)),
        ("`x &lt; y`", (Run("x < y", CODE),)),
        ("see <https://example.com|here>", (Run("see "), Run("here", ("link",), "https://example.com"))),
        ("&gt; said", (Run("said", ("quote",)),)),
        ("&gt; one\n&gt; *two*\nand", (Run("one\n", ("quote",)), Run("two", ("quote", "bold")), Run("and"))),
    ],
)
def test_slack_shows_its_marks_and_unescapes(text: str, shown: tuple[Run, ...]) -> None:
    assert slack(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**a** _b_ ~~c~~", (Run("a", BOLD), Run(" "), Run("b", ("italic",)), Run(" "), Run("c", ("strike",)))),
        (r"\*\*a\*\* \_b\_", (Run("**a** _b_"),)),
        (r"`\*`", (Run(r"\*", CODE),)),
        ("[here](<https://example.com>)", (Run("here", ("link",), "https://example.com"),)),
        ("[a](<https://x.test/(b)>) c", (Run("a", ("link",), "https://x.test/(b)"), Run(" c"))),
        ("[a](https://x.test/b) c", (Run("a", ("link",), "https://x.test/b"), Run(" c"))),
        ("```py\nx = 1\n```", (Run("x = 1", ("pre",)),)),
    ],
)
def test_discord_shows_its_marks_and_takes_escapes_away(text: str, shown: tuple[Run, ...]) -> None:
    assert discord(text) == shown


def test_telegram_shows_its_html() -> None:
    link = Run("here", ("bold", "link"), "https://example.com")
    assert telegram('1 &lt; 2 <b>a <a href="https://example.com">here</a></b>') == (
        Run("1 < 2 "),
        Run("a ", BOLD),
        link,
    )
    assert telegram("<pre><code>x</code></pre>") == (Run("x", ("pre", "code")),)


@pytest.mark.parametrize("text", ["<b>a", "a</b>", "<b><i>a</b></i>", "<script>a</script>", "1 < 2", "<img src=x>"])
def test_telegram_refuses_html_that_it_cannot_read(text: str) -> None:
    with pytest.raises(Unparsed):
        telegram(text)


def test_what_stands_there_keeps_its_lines() -> None:
    assert plain(whatsapp("> one\n> two\nthree")) == "one\ntwo\nthree"
    assert plain(telegram("<blockquote>one\ntwo</blockquote>\nthree")) == "one\ntwo\nthree"
    assert plain(telegram("<blockquote><b>one</b>\ntwo</blockquote>\nthree")) == "one\ntwo\nthree"
