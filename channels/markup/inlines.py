"""Which words of a line bear which marks? Markdown's inline tokens as spans, whose marks are no deeper than kinds."""

from collections.abc import Iterable, Sequence

from markdown_it.token import Token

from channels.markup import addresses
from channels.markup.tree import Kind, Mark, Marks, Span, Spans

_EMPHASIS: dict[str, Kind] = {"em": "italic", "strong": "bold", "s": "strike"}
_BREAKS = frozenset({"softbreak", "hardbreak"})  # in a chat a line that ends, ends


def spans(tokens: Sequence[Token]) -> Spans:
    """In order; neighbours with the same marks are one."""
    reader = _Inlines()
    for token in tokens:
        reader.take(token)
    return merged(reader.found)


def merged(found: Iterable[Span]) -> Spans:
    """Neighbours with the same marks as one, empty ones gone: an escape must see what stands beside a character."""
    texts: list[list[str]] = []
    marks: list[Marks] = []
    for span in found:
        if not span.text:
            continue
        if marks and marks[-1] == span.marks:
            texts[-1].append(span.text)
        else:
            texts.append([span.text])
            marks.append(span.marks)
    return tuple(Span("".join(text), each) for text, each in zip(texts, marks, strict=True))


class _Inlines:
    """The marks that are open while tokens go by."""

    def __init__(self) -> None:
        self.found: list[Span] = []
        self._marks: Marks = ()
        self._opened: list[bool] = []  # for each open token, whether it brought a mark that was not there

    def take(self, token: Token) -> None:
        """One token; what bears no text opens or closes a mark."""
        if token.type in _BREAKS:
            self._put("\n")
        elif token.nesting > 0:
            self._open(self._mark(token))
        elif token.nesting < 0:
            if self._opened.pop():
                self._marks = self._marks[:-1]
        elif token.type == "image":
            self._image(token)
        elif token.type == "code_inline":
            self._put(token.content, *self._marks, Mark("code"))
        elif token.type == "address":
            self._put(token.content, *self._marks, *(() if self._has("link") else (Mark("address"),)))
        else:
            self._put(token.content, *self._marks)

    def _mark(self, token: Token) -> Mark | None:
        if token.tag in _EMPHASIS:
            return Mark(_EMPHASIS[token.tag])
        href = str(token.attrGet("href") or "")
        if token.info == "auto":  # <https://…>; a mail address in angles is text
            return Mark("address") if addresses.is_web(href) else None
        return Mark("link", href) if href else None

    def _open(self, mark: Mark | None) -> None:
        fresh = mark is not None and not self._has(mark.kind)
        self._opened.append(fresh)
        if mark and fresh:
            self._marks += (mark,)

    def _image(self, token: Token) -> None:
        """What it shows, in words, as a link to it."""
        source = str(token.attrGet("src") or "")
        words = "".join(child.content for child in token.children or [])
        if self._has("link") or not source:
            self._put(words or source, *self._marks)
        else:
            self._put(words or source, *self._marks, Mark("link", source))

    def _has(self, kind: Kind) -> bool:
        return any(mark.kind == kind for mark in self._marks)

    def _put(self, text: str, *marks: Mark) -> None:
        self.found.append(Span(text, marks))
