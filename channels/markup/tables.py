"""How is a table read on a phone? As columns in a block of code when they fit its width, else row by row."""

import unicodedata
from collections.abc import Iterator

from channels.markup.tree import Mark, Span, Spans, Table

PHONE_COLUMNS = 34  # letters of one width that a phone shows in a bubble without breaking a line
_GAP = "  "
_ZERO_WIDTH = frozenset({"Mn", "Me", "Cf"})


def columns(table: Table) -> str | None:
    """The table as lines of letters of one width; None when it is too wide, or holds links, which code cannot."""
    if any(
        mark.kind in ("link", "address") for row in table.rows for cell in row for _, marks in cell for mark in marks
    ):
        return None
    rows = [[_words(cell) for cell in row] for row in table.rows]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    if sum(widths) + len(_GAP) * (len(widths) - 1) > PHONE_COLUMNS:
        return None
    lines = [_line(row, widths) for row in rows]
    return "\n".join((lines[0], _line(["-" * width for width in widths], widths), *lines[1:]))


def rows(table: Table) -> Iterator[Spans]:
    """Each row as lines of `head: value`; a table of heads only is one line of them."""
    heads, *others = table.rows
    if not others:
        yield tuple(span for number, head in enumerate(heads) for span in ((Span(" | "),) if number else ()) + head)
    for row in others:
        found: list[Span] = []
        for head, cell in zip(heads, row, strict=True):
            if not cell:
                continue
            found += [Span("\n")] if found else []
            found += [*_bold(head), Span(": ")] if head else []
            found += cell
        if found:
            yield tuple(found)


def _bold(head: Spans) -> Spans:
    return tuple(
        span if any(mark.kind == "bold" for mark in span.marks) else Span(span.text, (Mark("bold"), *span.marks))
        for span in head
    )


def _words(cell: Spans) -> str:
    return "".join(span.text for span in cell)


def _line(row: list[str], widths: list[int]) -> str:
    return _GAP.join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()


def _width(text: str) -> int:
    """In columns: what is wide takes two, what only changes the character before it none."""
    if text.isascii():
        return len(text)
    width, joined = 0, False
    for character in text:
        if joined or unicodedata.category(character) in _ZERO_WIDTH or 0x1F3FB <= ord(character) < 0x1F400:
            joined = character == "\u200d"
        else:
            width += 1 + (unicodedata.east_asian_width(character) in "WF")
    return width
