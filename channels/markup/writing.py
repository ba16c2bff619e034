"""How do spans become what the provider is sent? What is open at the end is closed, so any slice is whole by itself."""

from collections.abc import Iterable

from channels.channel import TextLimit, TextUnit
from channels.markup.styles import Style, around
from channels.markup.tree import Kind, Mark, Span, Spans

_OWN_ESCAPES = frozenset[Kind]({"pre", "code", "address", "raw"})


def size(text: str, unit: TextUnit) -> int:
    """How long it is, in that unit."""
    if text.isascii() or unit == "characters":
        return len(text)
    return len(text.encode("utf-16-le")) // 2 if unit == "utf16" else len(text.encode())


def write(spans: Iterable[Span], style: Style) -> str:
    """The text as the channel wants it."""
    pen = Pen(style, "characters")
    for span in spans:
        pen.write(span)
    return pen.text()


class Pen:
    """Writes span after span, and knows how long the text is when it ends here."""

    def __init__(self, style: Style, unit: TextUnit) -> None:
        self._style = style
        self._unit = unit
        self._written: list[str] = []
        self._size = 0
        self._open: list[tuple[Mark, str]] = []  # and what closes it
        self._at_line_start = True

    def size_with(self, span: Span) -> int:
        """How long the text would be with this span and nothing after it."""
        if not self._style.counts_markup:
            return self._size + size(span.text, self._unit)
        pieces, open_marks = self._pieces(span)
        closing = "".join([closes for _, closes in open_marks])
        return self._size + size("".join(pieces), self._unit) + size(closing, self._unit)

    def write(self, span: Span) -> None:
        """Puts it down."""
        pieces, self._open = self._pieces(span)
        self._at_line_start = span.text.endswith("\n")
        self._written += pieces
        self._size += size("".join(pieces) if self._style.counts_markup else span.text, self._unit)

    def text(self) -> str:
        """All of it, with what is open closed."""
        return "".join((*self._written, *(closes for _, closes in reversed(self._open))))

    def _pieces(self, span: Span) -> tuple[list[str], list[tuple[Mark, str]]]:
        style, (_text, marks) = self._style, span
        shown = [mark for mark in marks if mark.kind in style.shows]
        same = _same(shown, self._open)
        pieces = [closes for _, closes in reversed(self._open[same:])]
        open_marks = self._open[:same]
        quoted = style.line_quote and any(mark.kind == "quote" for mark in marks)
        if quoted and self._at_line_start:
            pieces.append(style.line_quote)
        for mark in shown[same:]:
            opens, closes = around(style, mark)
            pieces.append(opens)
            open_marks.append((mark, closes))
        escaped = _escaped(span, style)
        pieces.append(_signed(escaped, style.line_quote) if quoted else escaped)
        return pieces, open_marks


def plain(spans: Spans, limit: TextLimit) -> str:
    """The same without any formatting, for a provider that refused it; with the URLs of links when they fit."""
    texts = [text for text, _ in spans]
    left = limit.size - size("".join(texts), limit.unit)
    links = [next((mark for mark in marks if mark.kind == "link"), None) for _, marks in spans]
    for index, link in enumerate(links):
        if not link or links[index + 1 : index + 2] == [link]:
            continue
        written = f" ({link.value})"
        if size(written, limit.unit) <= left:
            texts[index] += written
            left -= size(written, limit.unit)
    return "".join(texts)


def _same(shown: list[Mark], open_marks: list[tuple[Mark, str]]) -> int:
    """How many of the open marks go on."""
    same = 0
    for mark, (other, _) in zip(shown, open_marks, strict=False):
        if mark != other:
            break
        same += 1
    return same


def _escaped(span: Span, style: Style) -> str:
    kind = next((mark.kind for mark in span.marks if mark.kind in _OWN_ESCAPES), None)
    escape = style.escape.get(kind)
    return escape(span.text) if escape else span.text


def _signed(text: str, sign: str) -> str:
    """With the sign of a quote before each further line; not before one that has not begun."""
    return text[:-1].replace("\n", "\n" + sign) + text[-1:]
