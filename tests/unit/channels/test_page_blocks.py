"""What does a page build of a reply?"""

import pytest

from channels.markup.page import blocks


def hrefs(value: object) -> list[str]:
    """Every address that a page would follow."""
    if isinstance(value, dict):
        return [str(value[name]) for name in ("href",) if name in value] + [
            each for part in value.values() for each in hrefs(part)
        ]
    return [each for part in value for each in hrefs(part)] if isinstance(value, list | tuple) else []


def words(value: object) -> str:
    """All that a reader sees."""
    if isinstance(value, dict):
        return str(value.get("text", "")) + "".join(words(part) for part in value.values())
    return "".join(words(part) for part in value) if isinstance(value, list | tuple) else ""


def test_each_kind_of_block_keeps_what_it_says() -> None:
    heading, paragraph, items, quote, code, table, rule, numbered = blocks(
        "# Hours\n\n**Open** from *nine*, ~~not~~ `now`\n\n- one\n- two\n\n> said\n\n```python\nprint(1)\n```\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n---\n\n3. three\n4. four"
    )
    assert heading == {"kind": "heading", "spans": [{"text": "Hours", "marks": []}]}
    assert [(each["text"], each["marks"]) for each in paragraph["spans"]] == [
        ("Open", ["bold"]),
        (" from ", []),
        ("nine", ["italic"]),
        (", ", []),
        ("not", ["strike"]),
        (" ", []),
        ("now", ["code"]),
    ]
    assert [(each["number"], words(each["blocks"])) for each in items["items"]] == [("", "one"), ("", "two")]
    assert (quote["kind"], words(quote)) == ("quote", "said")
    assert code == {"kind": "code", "text": "print(1)", "language": "python"}
    assert [[words(cell) for cell in row] for row in table["rows"]] == [["a", "b"], ["1", "2"]]
    assert rule == {"kind": "rule"}
    assert [each["number"] for each in numbered["items"]] == ["3.", "4."]


def test_words_lead_where_they_say() -> None:
    found = blocks(
        "See [our page](https://example.com/a?b=1&c=2), https://example.org/x or [write](mailto:a@example.com)."
    )
    assert hrefs(found) == ["https://example.com/a?b=1&c=2", "https://example.org/x", "mailto:a@example.com"]
    assert words(found) == "See our page, https://example.org/x or write."


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "\u0001javascript:alert(1)",
        "java&#x0A;script:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example",
        "/relative",
        "tg://user?id=1",
        "mailto:a@example.com?subject=I+quit",
        "https:evil.example",
    ],
)
def test_no_other_address_is_followed_and_the_words_stay(url: str) -> None:
    found = blocks(f"[go](<{url}>) and ![image]({url})")
    assert hrefs(found) == []
    assert "go" in words(found)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[https://bank.example](https://evil.example)", "https://bank.example (https://evil.example)"),
        ("[bank.example/login](https://evil.example)", "bank.example/login (https://evil.example)"),
        ("[help@bank.example](mailto:me@evil.example)", "help@bank.example (mailto:me@evil.example)"),
        *(
            (f"[{words}]({url})", f"{words} ({url})")
            for words, url in (
                ("https://bank.com", "https://bank.com.evil.example/login"),
                ("https://bank.com", "https://bank.com@evil.example/"),
                ("https://bank.com", "https://evil.example/https://bank.com"),
                ("bank.com", "https://evil.example/bank.com"),
                ("bank.com", "https://notbank.com"),
                ("bank.com/login", "https://bank.com/other"),
                ("Visit https://bank.com now", "https://evil.example"),
                ("Visit bank.com now", "https://evil.example"),
                ("\u200bhttps://bank.com", "https://evil.example"),
                ("ba\u00adnk.com", "https://evil.example"),
                ("bank\u2024com", "https://evil.example"),
                ("\uff42\uff41\uff4e\uff4b\uff0e\uff43\uff4f\uff4d", "https://evil.example"),
                ("info@bank.com", "https://evil.example/?info@bank.com"),
                ("write to info@bank.com", "mailto:info@evil.example"),
            )
        ),
    ],
)
def test_words_that_hide_where_they_lead_have_the_address_behind_them(written: str, shown: str) -> None:
    assert words(blocks(written)) == shown
    (behind,) = set(hrefs(blocks(written)))
    assert shown.endswith(f"({behind})")


@pytest.mark.parametrize(
    ("words", "url"),
    [
        ("https://bank.example", "https://bank.example/"),
        ("bank.example", "https://www.bank.example/login"),
        ("www.bank.example", "https://bank.example"),
        ("bank.example/login", "https://bank.example/login?from=chat"),
        ("bank.com", "https://help.bank.com:8443/"),
        ("open https://bank.example/a_b!", "https://bank.example/a_b"),
        ("help@bank.example", "mailto:help@bank.example"),
        ("Note: the docs of Node.js 22", "https://nodejs.org/docs"),
        ("see README.md, section 2.1", "https://example.org/readme"),
    ],
)
def test_words_that_say_where_they_lead_or_nothing_of_it_stand_alone(words: str, url: str) -> None:
    (found,) = blocks(f"[{words}]({url})")
    assert "".join(span["text"] for span in found["spans"]) == words
    assert {span["href"] for span in found["spans"]} == {url}


def test_html_is_words() -> None:
    nasty = "<img src=x onerror=alert(1)>\n\n<script>x</script>\n\n<a href='javascript:x'>y</a> &lt;b&gt;"
    found = blocks(nasty)
    assert {each["kind"] for each in found} == {"paragraph"}
    assert words(found) == "<img src=x onerror=alert(1)><script>x</script><a href='javascript:x'>y</a> <b>"


def test_what_is_not_markdown_stays_to_the_letter() -> None:
    assert blocks("2*3*4 = 24, snake_case, 1 < 2") == (
        {"kind": "paragraph", "spans": [{"text": "2*3*4 = 24, snake_case, 1 < 2", "marks": []}]},
    )
    assert blocks("") == ({"kind": "paragraph", "spans": [{"text": "", "marks": []}]},)
