"""What does each kind of chat show, and how is a text kept from formatting anything by itself?

WhatsApp: https://faq.whatsapp.com/539178204879377 · Telegram: https://core.telegram.org/bots/api#html-style
Slack: https://docs.slack.dev/messaging/formatting-message-text · Discord: https://docs.discord.com/developers/reference
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from channels.channel import Markup
from channels.markup import escapes
from channels.markup.tree import Kind, Mark

Around = tuple[str, str]  # what opens, what closes


@dataclass(frozen=True, slots=True)
class Style:
    """How one kind of chat is written for."""

    shows: Mapping[Kind, Callable[[str], Around]] = field(default_factory=dict)  # what is not named is left out
    escape: Mapping[Kind | None, Callable[[str], str]] = field(default_factory=dict)  # None: of all other text
    bounded: frozenset[Kind] = frozenset()  # shown only between spaces and punctuation, else marks stand there in plain
    line_quote: str = ""  # stands before each line of a quote
    bullet: str = "- "
    rule: str = "---"
    cut: str = "[...]"  # where a text ends before its end
    in_addresses: re.Pattern[str] | None = None  # percent-encoded: the channel would format it
    counts_markup: bool = True  # against the limit of a part
    refusable: bool = False  # the provider may refuse the formatting, so each part is kept in plain, too


def _always(opens: str, closes: str) -> Callable[[str], Around]:
    return lambda _value: (opens, closes)


def _telegram_code(language: str) -> Around:
    if not language:
        return "<pre>", "</pre>"
    return f'<pre><code class="language-{language}">', "</code></pre>"


_QUOTE = _always("", "")
_FENCE = _always("```\n", "\n```")
_TICK = _always("`", "`")
_DRAWN = "\u2014" * 3  # a thematic break
_CUT = "[\u2026]"

PLAIN = Style(shows={"quote": _QUOTE}, line_quote="> ")  # ASCII only: one dash of print makes a text message of UCS-2

_TELEGRAM = Style(
    shows={
        "quote": _always("<blockquote>", "</blockquote>"),
        "pre": _telegram_code,
        "link": lambda url: (f'<a href="{escapes.attribute(url)}">', "</a>"),
        "bold": _always("<b>", "</b>"),
        "italic": _always("<i>", "</i>"),
        "strike": _always("<s>", "</s>"),
        "code": _always("<code>", "</code>"),
    },
    escape=dict.fromkeys((None, "pre", "code", "address", "raw"), escapes.angles),
    bullet="\u2022 ",
    rule=_DRAWN,
    cut=_CUT,
    counts_markup=False,  # "1-4096 characters after entities parsing"
    refusable=True,
)
_WHATSAPP = Style(
    shows={
        "quote": _QUOTE,
        "pre": _FENCE,
        "bold": _always("*", "*"),
        "italic": _always("_", "_"),
        "strike": _always("~", "~"),
        "code": _TICK,
    },
    escape={None: escapes.look_alikes, "pre": escapes.apart, "code": escapes.without_ticks},
    bounded=frozenset({"bold", "italic", "strike", "code"}),
    line_quote="> ",
    rule=_DRAWN,
    cut=_CUT,
    in_addresses=escapes.RISKY,
)
_SLACK = Style(
    shows={**_WHATSAPP.shows, "link": lambda url: (f"<{escapes.angles(url)}|", ">")},
    escape={
        None: lambda text: escapes.angles(escapes.look_alikes(text)),
        "pre": lambda text: escapes.angles(escapes.apart(text)),
        "code": lambda text: escapes.angles(escapes.without_ticks(text)),
        "address": escapes.angles,
    },
    bounded=_WHATSAPP.bounded,
    line_quote="> ",
    bullet="\u2022 ",  # mrkdwn has no lists
    rule=_DRAWN,
    cut=_CUT,
    in_addresses=escapes.RISKY,
)
_DISCORD = Style(
    shows={
        "quote": _QUOTE,
        "pre": lambda language: (f"```{language}\n", "\n```"),
        "link": lambda url: ("[", f"](<{url}>)"),  # in angles: no preview
        "bold": _always("**", "**"),
        "italic": _always("_", "_"),
        "strike": _always("~~", "~~"),
        "code": _TICK,
    },
    escape={
        None: escapes.backslashes,
        "pre": lambda text: escapes.mentions(escapes.apart(text)),
        "code": lambda text: escapes.mentions(escapes.without_ticks(text)),
        "address": escapes.mentions,
    },
    bounded=frozenset({"italic"}),
    line_quote="> ",
    rule=_DRAWN,
    cut=_CUT,
    in_addresses=escapes.DISCORD_RISKY,
)

STYLES: dict[Markup, Style] = {
    "plain": PLAIN,
    "telegram": _TELEGRAM,
    "whatsapp": _WHATSAPP,
    "slack": _SLACK,
    "discord": _DISCORD,
}


def around(style: Style, mark: Mark) -> Around:
    """What opens and what closes it."""
    return style.shows[mark.kind](mark.value)
