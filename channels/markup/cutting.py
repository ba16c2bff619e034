"""Where does a part end? At the roughest joint of what a reader sees, measured as what the provider is sent."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate

from channels.channel import TextLimit
from channels.markup.styles import Style
from channels.markup.tree import Mark, Span, Spans
from channels.markup.writing import Pen, write
from channels.splitting import joint

# WhatsApp takes 45 messages in a row to one person and then one every 6 s; nobody reads more.
# https://developers.facebook.com/docs/whatsapp/cloud-api/overview#pair-rate-limits
MOST_PARTS = 40
_LOOK_AHEAD = 64  # what stands behind a joint says whether it is one


class Strip:
    """Spans in a row, from which any slice can be taken."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        self._starts = list(accumulate((len(span.text) for span in spans), initial=0))
        self.text = "".join(span.text for span in spans)

    def slice(self, start: int, end: int) -> Spans:
        """What stands between the two, marks and all."""
        first, last = self._at(start), self._at(end - 1)
        found = list(self._spans[first : last + 1])
        found[-1] = Span(found[-1].text[: end - self._starts[last]], found[-1].marks)
        found[0] = Span(found[0].text[start - self._starts[first] :], found[0].marks)
        return tuple(found)

    def is_code(self, index: int) -> bool:
        """True where spaces at the start of a line mean something."""
        return any(mark.kind == "pre" for mark in self._spans[self._at(index)].marks)

    def _at(self, index: int) -> int:
        return bisect_right(self._starts, index) - 1


def cut(spans: Spans, style: Style, *, limit: TextLimit) -> Iterator[Spans]:
    """The parts in order, at most MOST_PARTS: what is over is left out, and the last one says so."""
    strip, number = Strip(spans), 0
    start = _begin(strip, 0)
    while start < len(strip.text):
        number += 1
        end = _end(strip, start, pen=Pen(style, limit), most=limit.size)
        if number == MOST_PARTS and _begin(strip, end) < len(strip.text):
            mark = Span(f"\n{style.cut}", (Mark("raw"),))
            pen = Pen(style, limit, behind=write((mark,), style))
            end = _end(strip, start, pen=pen, most=limit.size)
            yield (*strip.slice(start, end), mark)
            return
        yield strip.slice(start, start + (len(strip.text[start:end].rstrip()) or end - start))
        start = _begin(strip, end)


def _begin(strip: Strip, index: int) -> int:
    """The first character from here that is worth a part."""
    text = strip.text
    rest = len(text) - len(text[index:].lstrip()) if text[index : index + 1].isspace() else index
    if rest < len(text) and strip.is_code(rest):  # the spaces of its first line stay
        line = text.rfind("\n", index, rest) + 1 or index
        while line < rest and not strip.is_code(line):
            line += 1
        return line
    return rest


def _end(strip: Strip, start: int, *, pen: Pen, most: int) -> int:
    """Behind the last character of the part that begins here."""
    reach = _reach(strip, start, pen=pen, most=most)
    if start + reach == len(strip.text):
        return len(strip.text)
    return start + joint(strip.text[start : start + reach + _LOOK_AHEAD], reach)


def _reach(strip: Strip, start: int, *, pen: Pen, most: int) -> int:
    """How many characters fit; at least one, so that every text ends."""
    reach = 0
    for span in strip.slice(start, min(start + most, len(strip.text))):
        if not pen.fit(span):
            reach += _fitting(pen, span)
            break
        reach += len(span.text)
    return max(1, reach)


def _fitting(pen: Pen, span: Span) -> int:
    """How much of a span fits that does not fit whole. More characters never take less room."""

    def too_long(length: int) -> bool:
        return not pen.has_room(Span(span.text[:length], span.marks))

    return bisect_left(range(1, len(span.text)), True, key=too_long)
