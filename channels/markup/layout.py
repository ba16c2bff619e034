"""In which order does a reader see it? The tree as one row of spans, with what the channel cannot show written out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from channels.markup import addresses, tables
from channels.markup.inlines import merged
from channels.markup.styles import Style
from channels.markup.tree import (
    Block,
    Code,
    Heading,
    Item,
    Kind,
    Listing,
    Mark,
    Marks,
    Paragraph,
    Quote,
    Rule,
    Span,
    Spans,
    Table,
)

_ALWAYS: frozenset[Kind] = frozenset({"quote", "raw", "address"})  # they say how a text is escaped
_EXCLUSIVE: frozenset[Kind] = frozenset(
    {"code", "address", "raw"}
)  # bear no emphasis: Telegram refuses the two together
_RAW = Mark("raw")
_QUOTE = Mark("quote")
_STEP = "  "


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a block stands."""

    around: Marks = ()
    indent: str = ""
    begun: bool = False  # a bullet stands on this line already


def lay_out(blocks: tuple[Block, ...], style: Style, *, longest_address: int) -> Spans:
    """The spans, bearing only what the channel shows. A URL of more units than `longest_address` is written out."""
    page = _Page(style, longest_address)
    page.blocks(blocks, _Place())
    spans = merged(page.spans)
    for kind in sorted(style.bounded):
        spans = tuple(_bounded(spans, kind))
    return merged(spans)


class _Page:
    """What was put down so far."""

    def __init__(self, style: Style, longest_address: int) -> None:
        self.spans: list[Span] = []
        self._style = style
        self._longest_address = longest_address

    def blocks(self, blocks: tuple[Block, ...], place: _Place, *, gap: str = "\n\n") -> None:
        """One after the other. What a heading is over follows on the next line, so no part ends with a heading."""
        before: Block | None = None
        for block in blocks:
            if before:
                self._put("\n" if isinstance(before, Heading) else gap, place.around)
                place = replace(place, begun=False)
            before = block
            _LAY[type(block)](self, block, place)

    def paragraph(self, block: Paragraph, place: _Place) -> None:
        self._indent(place)
        self._inline(block.spans, place)

    def heading(self, block: Heading, place: _Place) -> None:
        self._indent(place)
        self._inline(block.spans, replace(place, around=(*place.around, Mark("bold"))))

    def quote(self, block: Quote, place: _Place) -> None:
        """One depth: none of the chats shows more."""
        self._own_line(place)
        around = place.around if _QUOTE in place.around else (*place.around, _QUOTE)
        self.blocks(block.blocks, _Place(around))

    def listing(self, block: Listing, place: _Place) -> None:
        self._own_line(place)
        for number, item in enumerate(block.items):
            if number:
                self._put("\n" if block.tight else "\n\n", place.around)
            self._item(item, replace(place, begun=False))

    def _item(self, item: Item, place: _Place) -> None:
        self._indent(place)
        self._put(f"{item.number} " if item.number else self._style.bullet, (*place.around, _RAW))
        self.blocks(item.blocks, _Place(place.around, place.indent + _STEP, begun=True), gap="\n")

    def code(self, block: Code, place: _Place) -> None:
        """Never in a quote: a line's sign would stand in the code."""
        self._own_line(place)
        self._put(block.text, (Mark("pre", block.language),))

    def table(self, block: Table, place: _Place) -> None:
        self._own_line(place)
        drawn = tables.columns(block) if "pre" in self._style.shows else None
        if drawn is not None:
            return self._put(drawn, (Mark("pre"),))
        for number, row in enumerate(tables.rows(block)):
            self._put("\n\n" if number else "", place.around)
            self._indent(place)
            self._inline(row, place)
        return None

    def rule(self, _block: Rule, place: _Place) -> None:
        self._own_line(place)
        self._put(self._style.rule, (*place.around, _RAW))

    def _inline(self, spans: Spans, place: _Place) -> None:
        for link, found in groupby(spans, _link):
            for text, marks in self._linked(link, list(found)) if link else found:
                for number, line in enumerate(text.split("\n")):
                    if number:
                        self._put("\n" + place.indent, _lines(place.around))
                    self._put(line, _together(place.around, marks))

    def _linked(self, link: Mark, label: list[Span]) -> Iterator[Span]:
        """A link, or its words with the URL behind them where the channel has none, or where words would hide it."""
        url = addresses.written(link.value, self._style.in_addresses)
        words = "".join(span.text for span in label)
        if words == link.value:
            yield Span(url, (Mark("address"),))
        elif self._links(words, url):
            shown = Mark("link", url)
            yield from (Span(text, tuple(shown if mark == link else mark for mark in marks)) for text, marks in label)
        else:
            yield from (Span(text, tuple(mark for mark in marks if mark != link)) for text, marks in label)
            yield from (Span(" ("), Span(url, (Mark("address"),)), Span(")"))

    def _links(self, words: str, url: str) -> bool:
        shown = "link" in self._style.shows and addresses.is_web(url) and words.strip()
        return bool(shown) and len(url.encode()) <= self._longest_address and not addresses.hides(words, url)

    def _indent(self, place: _Place) -> None:
        if not place.begun:
            self._put(place.indent, (*place.around, _RAW))

    def _own_line(self, place: _Place) -> None:
        if place.begun:
            self._put("\n", place.around)

    def _put(self, text: str, marks: Marks) -> None:
        if not text or not marks:
            self.spans.append(Span(text))
            return
        if any(mark.kind == "address" for mark in marks):
            text = addresses.written(text, self._style.in_addresses)
        shown = (mark for mark in marks if mark.kind in self._style.shows or mark.kind in _ALWAYS)
        self.spans.append(Span(text, tuple(shown)))


_LAY: dict[type, Callable[..., Any]] = {
    Paragraph: _Page.paragraph,
    Heading: _Page.heading,
    Quote: _Page.quote,
    Listing: _Page.listing,
    Code: _Page.code,
    Table: _Page.table,
    Rule: _Page.rule,
}


def _link(span: Span) -> Mark | None:
    return next((mark for mark in span.marks if mark.kind == "link"), None)


def _lines(around: Marks) -> Marks:
    """The end of a line bears no emphasis: WhatsApp and Slack show none across it."""
    return tuple(mark for mark in around if mark.kind == "quote")


def _together(around: Marks, marks: Marks) -> Marks:
    """Each kind once, and nothing around code but a quote. Code in a link is a link."""
    both = around + tuple(mark for mark in marks if all(mark.kind != other.kind for other in around))
    if any(mark.kind == "link" for mark in both):
        return tuple(mark for mark in both if mark.kind != "code")
    alone = next((mark for mark in both if mark.kind in _EXCLUSIVE), None)
    return (*_lines(both), alone) if alone else both


def _bounded(spans: Spans, kind: Kind) -> Iterator[Span]:
    """Without the mark where a letter stands right before or behind it: there the chat shows its sign instead."""
    before = ""
    stretches = [(has, list(found)) for has, found in groupby(spans, lambda span: _bears(span, kind))]
    for number, (has, found) in enumerate(stretches):
        behind = stretches[number + 1][1][0].text[0] if number + 1 < len(stretches) else ""
        drop = has and (before.isalnum() or behind.isalnum())
        for text, marks in found:
            yield Span(text, tuple(mark for mark in marks if mark.kind != kind) if drop else marks)
        before = found[-1].text[-1]


def _bears(span: Span, kind: Kind) -> bool:
    return any(mark.kind == kind for mark in span.marks)
