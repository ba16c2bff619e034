"""What is a reply on a page? Blocks and spans as plain values, of which a page builds its nodes.

No value is markup, so there is nothing to escape and nothing to break out of. The one thing that a page would act on is
a link's address, and only those that a person may follow are among them.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import groupby
from typing import Any

from channels.markup import addresses
from channels.markup.reading import read
from channels.markup.tree import Block, Code, Heading, Listing, Mark, Paragraph, Quote, Rule, Span, Spans, Table
from channels.text import clean

Value = dict[str, Any]

_MAIL = re.compile(r"mailto:[^\s?#@,]+@[^\s?#@,]+", re.IGNORECASE)  # one address and no words of ours
_REMEMBERED = 512  # texts: whoever opens the page again asks for the same ones


@lru_cache(maxsize=_REMEMBERED)
def blocks(text: str) -> tuple[Value, ...]:
    """The text's blocks, in order. Any text is Markdown, so nothing is raised. Not to be changed."""
    return drawn(text)


def drawn(text: str) -> tuple[Value, ...]:
    """The same of a text that nobody will ask for again."""
    text = clean(text).replace("\r\n", "\n").replace("\r", "\n")
    try:
        return tuple(_blocks(read(text)))
    except Exception:  # the library is foreign code, and a reply that shows its Markdown is better than none
        return tuple(_blocks((Paragraph((Span(text),)),)))


def _blocks(found: tuple[Block, ...]) -> list[Value]:
    return [_VALUES[type(block)](block) for block in found]


def _listing(block: Listing) -> Value:
    items = [{"number": item.number, "blocks": _blocks(item.blocks)} for item in block.items]
    return {"kind": "list", "items": items}


_VALUES: dict[type, Callable[[Any], Value]] = {
    Paragraph: lambda block: {"kind": "paragraph", "spans": _spans(block.spans)},
    Heading: lambda block: {"kind": "heading", "spans": _spans(block.spans)},
    Quote: lambda block: {"kind": "quote", "blocks": _blocks(block.blocks)},
    Listing: _listing,
    Code: lambda block: {"kind": "code", "text": block.text, "language": block.language},
    Table: lambda block: {"kind": "table", "rows": [[_spans(cell) for cell in row] for row in block.rows]},
    Rule: lambda _block: {"kind": "rule"},
}


def _spans(spans: Spans) -> list[Value]:
    found: list[Value] = []
    for link, group in groupby(spans, _link):
        label = list(group)
        found += _linked(link, label) if link else map(_span, label)
    return found


def _linked(link: Mark, label: list[Span]) -> Iterator[Value]:
    """Words that lead somewhere; with the address behind them where they would hide it, or lead nowhere."""
    url, words = addresses.written(link.value), "".join(span.text for span in label)
    shown = _may_be_followed(url) and words.strip() and not addresses.hides(words, url)
    yield from ({**_span(span), **({"href": url} if shown else {})} for span in label)
    if not shown and words != link.value:
        yield from map(_span, (Span(" ("), Span(link.value, (Mark("address"),)), Span(")")))


def _span(span: Span) -> Value:
    """A URL that stands in the text is a link to itself."""
    marks = [mark.kind for mark in span.marks if mark.kind not in ("link", "address")]
    itself = any(mark.kind == "address" for mark in span.marks) and _may_be_followed(span.text)
    return {"text": span.text, "marks": marks, **({"href": addresses.written(span.text)} if itself else {})}


def _may_be_followed(url: str) -> bool:
    return addresses.is_web(url) or bool(_MAIL.fullmatch(url))


def _link(span: Span) -> Mark | None:
    return next((mark for mark in span.marks if mark.kind == "link"), None)
