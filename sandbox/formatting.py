"""How is a text shown that has formatting in it? As runs of characters, each with its looks, by the rules of each chat.

Written from the providers' pages and not from our own writer, which would agree with its own mistakes.
WhatsApp: https://faq.whatsapp.com/539178204879377 · Telegram: https://core.telegram.org/bots/api#html-style
Slack: https://docs.slack.dev/messaging/formatting-message-text · Discord: https://support.discord.com/hc/articles/210298617
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import pairwise

BLOCKS = frozenset({"pre", "quote"})
LITERAL = frozenset({"pre", "code"})


@dataclass(frozen=True, slots=True)
class Run:
    """Characters that look alike."""

    text: str
    styles: tuple[str, ...] = ()  # bold, italic, strike, underline, spoiler, code, pre, quote, link
    link: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """What marks a style. Group 1 is shown; `link`, where there is one, is where it leads."""

    pattern: re.Pattern[str]
    style: str


class Unparsed(ValueError):
    """Telegram would refuse this HTML; says why."""


def plain(runs: Sequence[Run]) -> str:
    """What stands there, without how it looks."""
    ends = (BLOCKS & set(run.styles) - set(after.styles) for run, after in pairwise((*runs, Run(""))))
    return "".join(run.text + "\n" * bool(end) for run, end in zip(runs, ends, strict=True)).rstrip("\n")


def _inline(sign: str) -> re.Pattern[str]:
    """Between two signs, which stand at the edges of words."""
    mark = re.escape(sign)
    return re.compile(rf"(?<![\w\\]){mark}(?=\S)(.+?)(?<=[^\s\\]){mark}(?!\w)")


_PRE = Rule(re.compile(r"```(?:[a-z0-9+#-]*\n)?(.*?)\n?```\n?", re.DOTALL), "pre")
_CODE = Rule(re.compile(r"`([^`\n]+)`"), "code")
_QUOTE = Rule(re.compile(r"^> ?(.*(?:\n(?=>))?)\n?", re.MULTILINE), "quote")
_MARKS = (Rule(_inline("*"), "bold"), Rule(_inline("_"), "italic"), Rule(_inline("~"), "strike"))

WHATSAPP = (_PRE, _CODE, _QUOTE, *_MARKS)
SLACK = (
    _PRE,
    _CODE,
    Rule(re.compile(r"^(?:&gt;|>) ?(.*(?:\n(?=&gt;|>))?)\n?", re.MULTILINE), "quote"),
    *_MARKS,
    Rule(re.compile(r"<(?P<link>[a-z]+:[^|>]+)\|([^>]+)>"), "link"),
)
DISCORD = (
    _PRE,
    _CODE,
    _QUOTE,
    Rule(re.compile(r"(?<!\\)\[([^\]]+)\]\(<?(?P<link>(?<=<)[^>]+|(?<!<)[^)>]+)>?\)"), "link"),
    Rule(re.compile(r"(?<!\\)\*\*(.+?)(?<!\\)\*\*"), "bold"),
    Rule(re.compile(r"(?<!\\)~~(.+?)(?<!\\)~~"), "strike"),
    Rule(_inline("_"), "italic"),
    Rule(_inline("*"), "italic"),
)


def whatsapp(text: str) -> tuple[Run, ...]:
    """As WhatsApp shows it: there is no escape."""
    return tuple(_runs(text, WHATSAPP, unescape=lambda leaf, _: leaf))


def slack(text: str) -> tuple[Run, ...]:
    """As Slack shows mrkdwn: three characters are escaped."""

    def unescape(leaf: str, _styles: tuple[str, ...]) -> str:
        return leaf.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")

    return tuple(_runs(text, SLACK, unescape=unescape))


def discord(text: str) -> tuple[Run, ...]:
    """As Discord shows it: a backslash takes the next sign's meaning away, but not in code."""

    def unescape(leaf: str, styles: tuple[str, ...]) -> str:
        return leaf if LITERAL & set(styles) else re.sub(r"\\([^A-Za-z0-9\s])", r"\1", leaf)

    return tuple(_runs(text, DISCORD, unescape=unescape))


Unescape = Callable[[str, tuple[str, ...]], str]


def _runs(
    text: str, rules: Sequence[Rule], *, unescape: Unescape, styles: tuple[str, ...] = (), link: str = ""
) -> Iterator[Run]:
    """The first mark that begins, then what is in it, then the rest."""
    while text:
        found = [(match.start(), index) for index, rule in enumerate(rules) if (match := rule.pattern.search(text))]
        if not found or LITERAL & set(styles):
            break
        rule = rules[min(found)[1]]
        match = rule.pattern.search(text)
        assert match
        if match.start():
            yield Run(unescape(text[: match.start()], styles), styles, link)
        leads = match.groupdict().get("link") or link
        shown = next(group for group in match.groups() if group != match.groupdict().get("link"))
        yield from _runs(shown, rules, unescape=unescape, styles=(*styles, rule.style), link=leads)
        text = text[match.end() :]
    if text:
        yield Run(unescape(text, styles), styles, link)


_TAGS = {
    **dict.fromkeys(("b", "strong"), "bold"),
    **dict.fromkeys(("i", "em"), "italic"),
    **dict.fromkeys(("u", "ins"), "underline"),
    **dict.fromkeys(("s", "strike", "del"), "strike"),
    **dict.fromkeys(("tg-spoiler", "span"), "spoiler"),
    **{"code": "code", "pre": "pre", "blockquote": "quote", "a": "link"},
}
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}


def telegram(text: str) -> tuple[Run, ...]:
    """As Telegram shows its HTML. Raises Unparsed where Telegram refuses it."""
    reader = _TelegramHtml()
    reader.feed(text)
    reader.close()
    if reader.open:
        raise Unparsed(f'Can\'t find end tag corresponding to start tag "{reader.open[-1][0]}"')
    return tuple(_under_blocks(reader.runs))


def _under_blocks(runs: Sequence[Run]) -> Iterator[Run]:
    """A block ends its line, so that the line break after it is not seen."""
    before: frozenset[str] = frozenset()
    for run in runs:
        block = BLOCKS & set(run.styles)
        text = run.text.removeprefix("\n") if before - block else run.text
        if text:
            yield Run(text, run.styles, run.link)
        before = block


class _TelegramHtml(HTMLParser):
    """Few tags, four named entities, and nothing that is not closed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.runs: list[Run] = []
        self.open: list[tuple[str, str]] = []  # tag, where it leads

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _TAGS:
            raise Unparsed(f'Unsupported start tag "{tag}"')
        self.open.append((tag, dict(attrs).get("href") or ""))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1][0] != tag:
            raise Unparsed(f'Unmatched end tag, found "</{tag}>"')
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "<" in data:
            raise Unparsed('Unsupported start tag ""')
        self._add(data)

    def handle_entityref(self, name: str) -> None:
        self._add(_ENTITIES.get(name, f"&{name};"))

    def handle_charref(self, name: str) -> None:
        number = int(name[1:], 16) if name[:1] in "xX" else int(name)
        self._add(chr(number) if 0 < number < 0x110000 else f"&#{name};")

    def _add(self, text: str) -> None:
        styles = tuple(dict.fromkeys(_TAGS[tag] for tag, _ in self.open))
        link = next((link for _, link in reversed(self.open) if link), "")
        last = self.runs[-1] if self.runs else None
        if last and (last.styles, last.link) == (styles, link):
            self.runs[-1] = Run(last.text + text, styles, link)
        else:
            self.runs.append(Run(text, styles, link))
