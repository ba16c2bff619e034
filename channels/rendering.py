"""What is a reply's text on one channel? Markdown in, the channel's own formatting out, in parts within its limit.

The same text gives the same parts every time: attempts are recorded by the number of their part.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from channels.channel import Channel, Markup, TextLimit
from channels.markup.cutting import cut
from channels.markup.layout import lay_out
from channels.markup.reading import is_plain, read
from channels.markup.styles import STYLES, Style
from channels.markup.tree import Block, Paragraph, Span
from channels.markup.writing import Pen, unformatted, write
from channels.segments import cost
from channels.splitting import split
from channels.text import clean
from parley.chat.v1.message_pb2 import Attachment

_LONGEST_ADDRESS = 4  # a part has room for as many links' URLs: each part that shows a link repeats its URL


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a reply."""

    text: str
    plain: str = ""  # the same unformatted, where the provider may refuse formatting; else ""
    file: Attachment | None = None  # it is a file, and the text stands under it
    segments: int = 0  # that it is of, where each is paid for


def limit_of(channel: Channel, options: Mapping[str, str]) -> TextLimit:
    """The channel's limit, and where segments are paid for, as many of them as the account's options want."""
    limit = channel.max_text
    return replace(limit, segments=limit.segments.asked(options)) if limit.segments else limit


def render(text: str, markup: Markup, *, limit: TextLimit) -> list[Part]:
    """The parts in order, each within the limit; none for a blank text. Never raises."""
    if markup == "as_written":
        return [_part(part, limit) for part in split(text, limit)]
    style, text = STYLES[markup], clean(text).replace("\r\n", "\n").replace("\r", "\n")
    if alone := _alone(text, style, limit=limit):
        return [alone]
    spans = lay_out(_read(text), style, longest_address=limit.size // _LONGEST_ADDRESS)
    if not any(span.text.strip() for span in spans):  # Markdown that shows nothing, such as an empty fence
        spans = (Span(text),) if text.strip() else ()
    return [
        _part(write(part, style), limit, plain=unformatted(part, limit) if style.refusable else "")
        for part in cut(spans, style, limit=limit)
    ]


def _alone(text: str, style: Style, *, limit: TextLimit) -> Part | None:
    """A text without Markdown that is one part as it stands: most are, and the way around costs eight times as much."""
    if not text or len(text) > limit.size or text != text.strip() or not is_plain(text):
        return None
    pen, span = Pen(style, limit), Span(text)
    if not pen.fit(span):
        return None
    return _part(pen.text(), limit, plain=unformatted((span,), limit) if style.refusable else "")


def _part(text: str, limit: TextLimit, *, plain: str = "") -> Part:
    if limit.segments is None:
        return Part(text, plain)
    text = limit.segments.written(text)
    return Part(text, plain, segments=cost(text).segments)


def _read(text: str) -> tuple[Block, ...]:
    try:
        return read(text)
    except Exception:  # the library is foreign code, and a reply that shows its Markdown is better than none
        return (Paragraph((Span(text),)),)
