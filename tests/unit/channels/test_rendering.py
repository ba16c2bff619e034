"""Is a model's Markdown shown as each chat shows it, and cut so that every part is whole?"""

import pytest

from channels.channel import Markup, TextLimit
from channels.markup.cutting import MOST_PARTS
from channels.rendering import render
from tests.unit.channels import chats

ROOMY = TextLimit(10_000, "utf16")
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
ZERO_WIDTH_SPACE = "\u200b"
STAR, TICK = "\u2217", "\u02cb"  # the look-alikes

# Markdown, and what telegram, whatsapp, slack, discord and plain text make of it.
SHOWN: dict[str, tuple[str, ...]] = {
    "emphasis": (
        "a **bold**, *leaning*, ~~gone~~ `x_y` word",
        "a <b>bold</b>, <i>leaning</i>, <s>gone</s> <code>x_y</code> word",
        "a *bold*, _leaning_, ~gone~ `x_y` word",
        "a *bold*, _leaning_, ~gone~ `x_y` word",
        "a **bold**, _leaning_, ~~gone~~ `x_y` word",
        "a bold, leaning, gone x_y word",
    ),
    "emphasis in emphasis": (
        "*a **b** c*",
        "<i>a <b>b</b> c</i>",
        "_a *b* c_",
        "_a *b* c_",
        "_a **b** c_",
        "a b c",
    ),
    "emphasis within a word": (  # WhatsApp and Slack would show the stars
        "Haus**tür**schlüssel",
        "Haus<b>tür</b>schlüssel",
        "Haustürschlüssel",
        "Haustürschlüssel",
        "Haus**tür**schlüssel",
        "Haustürschlüssel",
    ),
    "emphasis beside a mark, in a script without spaces": (
        "**注意。**请 **서울(Seoul)**은 **「無料」**です",
        "<b>注意。</b>请 <b>서울(Seoul)</b>은 <b>「無料」</b>です",
        *["注意。请 서울(Seoul)은 「無料」です"] * 2,
        "**注意。**请 **서울(Seoul)**은 **「無料」**です",
        "注意。请 서울(Seoul)은 「無料」です",
    ),
    "emphasis over two lines": (
        "**one\ntwo**",
        "<b>one</b>\n<b>two</b>",
        "*one*\n*two*",
        "*one*\n*two*",
        "**one**\n**two**",
        "one\ntwo",
    ),
    "sums": (
        "2*3*4 and 2**8",
        "2*3*4 and 2**8",
        *[f"2*3*4 and 2{STAR}{STAR}8"] * 2,
        "2\\*3\\*4 and 2\\*\\*8",
        "2*3*4 and 2**8",
    ),
    "a heading": ("## Open *now* ##", "<b>Open <i>now</i></b>", *["*Open _now_*"] * 2, "**Open _now_**", "Open now"),
    "lists": (
        "- one\n  - two\n- three\n\n3. a\n7. b",
        "• one\n  • two\n• three\n\n3. a\n7. b",
        "- one\n  - two\n- three\n\n3. a\n7. b",
        "• one\n  • two\n• three\n\n3. a\n7. b",
        "- one\n  - two\n- three\n\n3. a\n7. b",
        "- one\n  - two\n- three\n\n3. a\n7. b",
    ),
    "a loose list with a second paragraph and code": (
        "1. a\n\n   more\n\n2. b\n   ```\n   c\n   ```",
        "1. a\n  more\n\n2. b\n<pre>c</pre>",
        *["1. a\n  more\n\n2. b\n```\nc\n```"] * 3,
        "1. a\n  more\n\n2. b\nc",
    ),
    "a quote": (
        "> one\n> **two**\n> > three\n\nfour",
        "<blockquote>one\n<b>two</b>\n\nthree</blockquote>\n\nfour",
        *["> one\n> *two*\n> \n> three\n\nfour"] * 2,
        "> one\n> **two**\n> \n> three\n\nfour",
        "> one\n> two\n> \n> three\n\nfour",
    ),
    "code": (
        "```python\nif a < b:\n    `x`\n```",
        '<pre><code class="language-python">if a &lt; b:\n    `x`</code></pre>',
        "```\nif a < b:\n    `x`\n```",
        "```\nif a &lt; b:\n    `x`\n```",
        "```python\nif a < b:\n    `x`\n```",
        "if a < b:\n    `x`",
    ),
    "code that holds a fence": (
        "~~~\na\n```\nb\n~~~",
        "<pre>a\n```\nb</pre>",
        *[f"```\na\n`{ZERO_WIDTH_SPACE}`{ZERO_WIDTH_SPACE}`\nb\n```"] * 3,
        "a\n```\nb",
    ),
    "code in the line of its fence": (
        "Run:\n``` npm start\n```\n```pip install x\n```",
        "Run:\n\n<pre>npm start</pre>\n\n<pre>pip install x</pre>",
        *["Run:\n\n```\nnpm start\n```\n\n```\npip install x\n```"] * 3,
        "Run:\n\nnpm start\n\npip install x",
    ),
    "what else stands behind a fence": (
        '```js title="a.js"\nrun()\n```',
        '<pre><code class="language-js">run()</code></pre>',
        *["```\nrun()\n```"] * 2,
        "```js\nrun()\n```",
        "run()",
    ),
    "code that holds a tick": ("`` a`b ``", "<code>a`b</code>", *[f"`a{TICK}b`"] * 3, "a`b"),
    "a table that fits a phone": (
        "| Day | Open |\n| --- | ---: |\n| Mon | **9** |\n| 日 | `-` |",
        "<pre>Day  Open\n---  ----\nMon  9\n日   -</pre>",
        *["```\nDay  Open\n---  ----\nMon  9\n日   -\n```"] * 3,
        "Day: Mon\nOpen: 9\n\nDay: 日\nOpen: -",
    ),
    "a table that is too wide": (
        "| Name | What it is for |\n| --- | --- |\n| [Parley](https://p.example) | many words of explanation |\n"
        "| B | |",
        '<b>Name</b>: <a href="https://p.example">Parley</a>\n<b>What it is for</b>: many words of explanation\n\n'
        "<b>Name</b>: B",
        "*Name*: Parley (https://p.example)\n*What it is for*: many words of explanation\n\n*Name*: B",
        "*Name*: <https://p.example|Parley>\n*What it is for*: many words of explanation\n\n*Name*: B",
        "**Name**: [Parley](<https://p.example>)\n**What it is for**: many words of explanation\n\n**Name**: B",
        "Name: Parley (https://p.example)\nWhat it is for: many words of explanation\n\nName: B",
    ),
    "a row with more cells than heads": (  # Markdown would drop the third
        "|a|b|\n|-|-|\n|1|2|3|",
        *["|a|b|\n|-|-|\n|1|2|3|"] * 3,
        "\\|a\\|b\\|\n\\|-\\|-\\|\n\\|1\\|2\\|3\\|",
        "|a|b|\n|-|-|\n|1|2|3|",
    ),
    "links": (
        "[here](https://a.example/?b=1&c=2) https://d.example/e_f. <https://g.example>",
        '<a href="https://a.example/?b=1&amp;c=2">here</a> https://d.example/e_f. https://g.example',
        "here (https://a.example/?b=1&c=2) https://d.example/e_f. https://g.example",
        "<https://a.example/?b=1&amp;c=2|here> https://d.example/e_f. https://g.example",
        "[here](<https://a.example/?b=1&c=2>) https://d.example/e_f. https://g.example",
        "here (https://a.example/?b=1&c=2) https://d.example/e_f. https://g.example",
    ),
    "words that look like another address": (
        "[bank.example](https://thief.example)",
        *["bank.example (https://thief.example)"] * 5,
    ),
    "links to what is no page": (
        "[me](tg://user?id=1) [mail](mailto:a@b.example) [file](/x)",
        *["me (tg://user?id=1) mail (mailto:a@b.example) file (/x)"] * 5,
    ),
    "an address with signs": (
        "https://a.example/*b*/_c_/d_e",
        "https://a.example/*b*/_c_/d_e",
        *["https://a.example/%2Ab%2A/%5Fc%5F/d_e"] * 3,
        "https://a.example/*b*/_c_/d_e",
    ),
    "an image": (
        "![a dog](https://a.example/d.png)",
        '<a href="https://a.example/d.png">a dog</a>',
        "a dog (https://a.example/d.png)",
        "<https://a.example/d.png|a dog>",
        "[a dog](<https://a.example/d.png>)",
        "a dog (https://a.example/d.png)",
    ),
    "breaks": ("a  \nb\\\nc\n\n---\n\nd", *["a\nb\nc\n\n———\n\nd"] * 4, "a\nb\nc\n\n---\n\nd"),
    "what only looks like markup": (
        r"\*a\* <b>b</b> & \[c\]",
        "*a* &lt;b&gt;b&lt;/b&gt; &amp; [c]",
        f"{STAR}a{STAR} <b>b</b> & [c]",
        f"{STAR}a{STAR} &lt;b&gt;b&lt;/b&gt; &amp; [c]",
        r"\*a\* \<b\>b\</b\> & \[c\]",
        "*a* <b>b</b> & [c]",
    ),
    "a reference that nobody refers to": (
        "[1]: https://a.example",
        *["[1]: https://a.example"] * 3,
        r"\[1\]: https://a.example",
        "[1]: https://a.example",
    ),
    "a family": (
        f"**{FAMILY}** 🇩🇪",
        f"<b>{FAMILY}</b> 🇩🇪",
        *[f"*{FAMILY}* 🇩🇪"] * 2,
        f"**{FAMILY}** 🇩🇪",
        f"{FAMILY} 🇩🇪",
    ),
    "what shows nothing": (
        "```\n```",
        "```\n```",
        *[f"{TICK * 3}\n{TICK * 3}"] * 2,
        "\\`\\`\\`\n\\`\\`\\`",
        "```\n```",
    ),
}
CHATS: tuple[Markup, ...] = ("telegram", "whatsapp", "slack", "discord", "plain")


@pytest.mark.parametrize("name", CHATS)
@pytest.mark.parametrize("what", SHOWN)
def test_markdown_becomes_what_the_chat_shows(what: str, name: Markup) -> None:
    markdown, *expected = SHOWN[what]
    assert [part.text for part in render(markdown, name, limit=ROOMY)] == [expected[CHATS.index(name)]]


def test_a_channel_that_renders_nothing_gets_the_text_as_it_was_written() -> None:
    text = "# Hi *there* <b>\n\n```\n  x\n```\n\n| a |\n|---|"
    assert [part.text for part in render(text, "as_written", limit=ROOMY)] == [text]


@pytest.mark.parametrize("name", CHATS)
@pytest.mark.parametrize("text", ["", " \n\t\n", "\0"])
def test_a_blank_text_has_no_parts(text: str, name: Markup) -> None:
    assert render(text, name, limit=ROOMY) == []


@pytest.mark.parametrize("text", ["Hello! Is it 9 a.m.?", "  two\tspaces  stay", "a\n\n\nb", "Größe 5 \u2013 ok; 50%"])
@pytest.mark.parametrize("name", CHATS)
def test_words_without_signs_are_kept_to_the_letter(text: str, name: Markup) -> None:
    assert [part.text.strip() for part in render(text, name, limit=ROOMY)] == [text.strip()]


def test_what_is_open_where_a_part_ends_is_closed_and_opened_again() -> None:
    text = "**" + "bold words " * 20 + "end** and > no quote"
    telegram, whatsapp = (
        [part.text for part in render(text, name, limit=TextLimit(150, "utf16"))] for name in ("telegram", "whatsapp")
    )
    assert len(telegram) == len(whatsapp) == 2
    assert telegram[0].startswith("<b>bold")
    assert telegram[0].endswith("</b>")
    assert telegram[1].startswith("<b>")
    assert telegram[1].endswith("end</b> and &gt; no quote")
    assert whatsapp[0].startswith("*bold")
    assert whatsapp[0].endswith("*")
    assert whatsapp[1].endswith(" end* and > no quote")
    assert whatsapp[1].count("*") == 2


@pytest.mark.parametrize("name", ["whatsapp", "slack", "discord"])
def test_a_fence_is_closed_and_opened_again_and_its_lines_keep_their_spaces(name: Markup) -> None:
    lines = [f"    line_{number} = {{{number}: '*'}}" for number in range(40)]
    parts = render("Code:\n```py\n" + "\n".join(lines) + "\n```\nDone.", name, limit=TextLimit(300, "utf16"))

    inside = []
    for part in parts:
        opened, closed = part.text.index("```"), part.text.rindex("```")
        assert part.text.count("```") == 2
        inside += part.text[opened:closed].split("\n")[1:-1]
    assert inside == lines


def test_a_quote_goes_on_in_the_next_part() -> None:
    parts = render("> " + "quoted words " * 30, "whatsapp", limit=TextLimit(150, "utf16"))
    assert len(parts) > 2
    assert all(part.text.startswith("> quoted") for part in parts)


def test_telegram_counts_what_is_left_when_it_has_parsed() -> None:
    text = " ".join(["**b**", "`c`", "<&>"] * 511)
    (part,) = render(text, "telegram", limit=chats.LIMITS["telegram"])
    assert len(part.text) > 4096 >= len(chats.telegram(part.text)) > 4000


def test_a_link_that_is_longer_than_its_share_of_a_part_is_written_out_and_may_be_cut() -> None:
    url = "https://a.example/" + "x" * 600
    parts = render(f"[label]({url})", "discord", limit=TextLimit(300, "utf16"))
    assert "".join("".join(part.text for part in parts).split()) == f"label({url})"


def test_the_plain_text_of_a_part_names_the_pages_that_its_links_led_to() -> None:
    (part,) = render("*See* [here](https://a.example) & [there](https://b.example).", "telegram", limit=ROOMY)
    assert part.plain == "See here (https://a.example) & there (https://b.example)."


@pytest.mark.parametrize("name", CHATS)
def test_what_is_over_the_last_part_is_cut_with_a_mark_that_is_seen(name: Markup) -> None:
    limit = TextLimit(100, "utf16")
    parts = render("Some **more** words. " * 1000, name, limit=limit)

    assert len(parts) == MOST_PARTS
    assert parts[-1].text.endswith("[...]" if name == "plain" else "[…]")
    assert all(chats.size(part.text, name) <= limit.size for part in parts)
    assert not any("…" in part.text or "..." in part.text for part in parts[:-1])


@pytest.mark.parametrize("name", CHATS)
@pytest.mark.parametrize(
    "text", [">" * 500 + " w0 w1", "- " * 200 + "w0 w1", "".join("  " * n + f"- w{n}\n" for n in range(99))]
)
def test_what_is_nested_deeper_than_anybody_reads_still_arrives(text: str, name: Markup) -> None:
    seen = "".join(chats.SEEN[name](part.text) for part in render(text, name, limit=ROOMY))
    assert "w0" in seen
    assert "w1" in seen
    assert text.count("w") == seen.count("w")
