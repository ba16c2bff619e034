"""How do spans become what the provider is sent? What is open at the end is closed, so any slice is whole by itself."""

from collections.abc import Iterable

from channels.channel import TextLimit, TextUnit
from channels.markup.styles import Style, around
from channels.markup.tree import Kind, Mark, Span, Spans

_Open = list[tuple[Mark, str]]  # marks, and what closes them

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
        self._open: _Open = []
        self._at_line_start = True

    def write(self, span: Span, *, most: int | None = None) -> bool:
        """Puts it down; False, and nothing, when with it the text would be longer than `most` and end here."""
        written, open_marks = self._next(span)
        size_after = self._size + size(written if self._style.counts_markup else span.text, self._unit)
        if most is not None and size_after + self._closing(open_marks) > most:
            return False
        self._written.append(written)
        self._size = size_after
        self._open = open_marks
        self._at_line_start = span.text.endswith("\n")
        return True

    def has_room(self, span: Span, *, most: int) -> bool:
        """What write would say; puts nothing down."""
        written, open_marks = self._next(span)
        size_after = self._size + size(written if self._style.counts_markup else span.text, self._unit)
        return size_after + self._closing(open_marks) <= most

    def text(self) -> str:
        """All of it, with what is open closed."""
        return "".join((*self._written, *(closes for _, closes in reversed(self._open))))

    def _closing(self, open_marks: _Open) -> int:
        """ASCII in every style, so of the same size in every unit."""
        return sum([len(closes) for _, closes in open_marks]) if self._style.counts_markup else 0

    def _next(self, span: Span) -> tuple[str, _Open]:
        """What is to be written for this span, and what is open after it."""
        style, marks = self._style, span.marks
        if not marks and not self._open:
            return _escaped(span, style), []
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
        return "".join(pieces), open_marks


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


def _same(shown: list[Mark], open_marks: _Open) -> int:
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
