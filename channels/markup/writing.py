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
    pen = Pen(style, TextLimit(0, "characters"))
    for span in spans:
        pen.write(span)
    return pen.text()


class Pen:
    """Writes span after span, and knows how long the text is when it ends here, with what is to stand behind it."""

    def __init__(self, style: Style, limit: TextLimit, *, behind: str = "") -> None:
        self._style = style
        self._limit = limit
        self._behind = behind
        self._written: list[str] = []
        self._size = size(behind, limit.unit)
        self._open: _Open = []
        self._at_line_start = True

    def write(self, span: Span) -> None:
        """Puts it down, however long the text is with it."""
        written, open_marks = self._next(span)
        self._put(written, open_marks, at_line_start=span.text.endswith("\n"))

    def fit(self, span: Span) -> bool:
        """Puts it down; False, and nothing, when with it the text would be over the limit and end here."""
        written, open_marks = self._next(span)
        size_after = self._size_with(span, written)
        if not self._holds(size_after, written, open_marks=open_marks):
            return False
        self._size = size_after
        self._put(written, open_marks, at_line_start=span.text.endswith("\n"))
        return True

    def has_room(self, span: Span) -> bool:
        """What fit would say; puts nothing down."""
        written, open_marks = self._next(span)
        return self._holds(self._size_with(span, written), written, open_marks=open_marks)

    def text(self) -> str:
        """All of it, with what is open closed."""
        return "".join((*self._written, *(closes for _, closes in reversed(self._open))))

    def _put(self, written: str, open_marks: _Open, *, at_line_start: bool) -> None:
        self._written.append(written)
        self._open = open_marks
        self._at_line_start = at_line_start

    def _size_with(self, span: Span, written: str) -> int:
        return self._size + size(written if self._style.counts_markup else span.text, self._limit.unit)

    def _holds(self, size_after: int, written: str, *, open_marks: _Open) -> bool:
        """What closes marks is ASCII in every style, so of the same size in every unit."""
        closing = sum([len(closes) for _, closes in open_marks]) if self._style.counts_markup else 0
        if size_after + closing > self._limit.size:
            return False
        segments = self._limit.segments
        if segments is None or size_after < segments.always:
            return True
        closes = (closes for _, closes in reversed(open_marks))
        return segments.holds("".join((*self._written, written, *closes, self._behind)))

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


def unformatted(spans: Spans, limit: TextLimit) -> str:
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
