"""What would a person see? Each chat's formatting undone, strictly: what the chat would not understand fails."""

import re
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser

from channels.channel import Markup, TextLimit, TextUnit

LIMITS: dict[Markup, TextLimit] = {
    "as_written": TextLimit(65_536, "characters"),
    "plain": TextLimit(1000, "bytes"),
    "telegram": TextLimit(4096, "utf16"),
    "whatsapp": TextLimit(1600, "utf16"),
    "slack": TextLimit(4000, "utf16"),
    "discord": TextLimit(2000, "utf16"),
}
RENDERED = [name for name in LIMITS if name != "as_written"]

TELEGRAM_TAGS = {"b", "i", "s", "code", "pre", "blockquote", "a"}
SAME_SIZE = str.maketrans({"\u2217": "*", "\u02cd": "_", "\u223c": "~", "\u02cb": "`", "\u203a": ">"})
ZERO_WIDTH_SPACE = "\u200b"

# As a public bridge reads them: a sign opens behind a space or another sign, and closes before what is no letter.
WHATSAPP_SIGNS = (
    re.compile(r"(?:[\s>_~]|^)\*(\S.*?)\*(?=[^a-zA-Z\d]|$)", re.MULTILINE),
    re.compile(r"(?:[\s>~*]|^)_(\S.*?)_(?=[^a-zA-Z\d]|$)", re.MULTILINE),
    re.compile(r"(?:[\s>_*]|^)~(\S.*?)~(?=[^a-zA-Z\d]|$)", re.MULTILINE),
    re.compile(r"`[^`\n]+`"),
    re.compile(r"^> ", re.MULTILINE),
)
SLACK_OURS = re.compile(r"<https?://[^<>|\s]+\||^> ", re.MULTILINE)
DISCORD_LINK = re.compile(r"\]\(<https?://[^<>\s]+>\)")
DISCORD_SIGNS = re.compile(r"[*_~`|<>\[\]#\\]|^[ \t]*[-+]\s", re.MULTILINE)
DISCORD_PING = re.compile(r"@(?:everyone|here|[!&]?\d)", re.IGNORECASE)


class _Telegram(HTMLParser):
    """Raises where Telegram would answer 400, or would drop an entity."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TELEGRAM_TAGS, tag
        allowed = {"a": {"href"}, "code": {"class"} if self.open[-1:] == ["pre"] else set()}.get(tag, set())
        assert {name for name, _ in attrs} <= allowed, attrs
        assert tag not in self.open, f"{tag} in itself"
        if tag in ("code", "pre"):  # within a quote, or as the language of a block, and in nothing else
            assert set(self.open) <= {"blockquote"} or (tag == "code" and self.open == ["pre"])
        assert "code" not in self.open
        assert all(str(value).lower().startswith(("http://", "https://")) for name, value in attrs if name == "href")
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.seen.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)


def telegram(text: str) -> str:
    """What Telegram counts."""
    assert re.search(r"&(?!(?:amp|lt|gt|quot);)", text) is None, "an entity that Telegram does not know"
    parser = _Telegram()
    parser.feed(text)
    parser.close()
    assert not parser.open
    return "".join(parser.seen)


def whatsapp(text: str) -> str:
    """Signs stay: nothing tells ours from those of the text, which the tests of look-alikes do."""
    assert text.count("```") % 2 == 0
    return text.replace(ZERO_WIDTH_SPACE, "").translate(SAME_SIZE)


def slack(text: str) -> str:
    """As WhatsApp, and nothing in angles but our links."""
    ours = SLACK_OURS.findall(text)
    bare = SLACK_OURS.sub("", text)
    links = sum(each.startswith("<") for each in ours)
    assert bare.count("<") == 0
    assert bare.count(">") == links
    return whatsapp(unescape(bare.replace(">", "")))


def discord(text: str) -> str:
    """Outside code no sign without a backslash but ours, and no mention anywhere."""
    assert not DISCORD_PING.search(text)
    assert text.count("```") % 2 == 0
    return _without_backslashes(DISCORD_LINK.sub("", text), r"\1").replace(ZERO_WIDTH_SPACE, "")


def discord_signs(text: str) -> list[str]:
    """The signs that would format: those without a backslash."""
    return DISCORD_SIGNS.findall(_without_backslashes(text, "x"))


def _without_backslashes(text: str, put: str) -> str:
    return re.sub(r"\\([^0-9A-Za-z\s])", put, text)


SEEN: dict[Markup, Callable[[str], str]] = {
    "plain": str,
    "telegram": telegram,
    "whatsapp": whatsapp,
    "slack": slack,
    "discord": discord,
}


def size(text: str, markup: Markup) -> int:
    """As the provider counts a part."""
    return size_in(text, markup, LIMITS[markup].unit)


def size_in(text: str, markup: Markup, unit: TextUnit) -> int:
    """In another unit than the usual one; Telegram counts after it has parsed."""
    counted = telegram(text) if markup == "telegram" else text
    return {
        "characters": len(counted),
        "utf16": len(counted.encode("utf-16-le")) // 2,
        "bytes": len(counted.encode()),
    }[unit]
