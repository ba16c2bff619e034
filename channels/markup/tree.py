"""What is in a text that was written in Markdown? A small tree of blocks, and within them spans that bear marks."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

# `raw` is what we put there ourselves (a bullet, a number); `address` is a URL that stands in the text as it is.
Kind = Literal["quote", "pre", "link", "bold", "italic", "strike", "code", "raw", "address"]


class Mark(NamedTuple):
    """How a span is shown. `value` is the URL of a link, the language of a code block."""

    kind: Kind
    value: str = ""


Marks = tuple[Mark, ...]  # the outermost first; each kind once


class Span(NamedTuple):
    """Text that bears the same marks throughout. A line's end is a span without marks of its own."""

    text: str
    marks: Marks = ()


Spans = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines of text."""

    spans: Spans


@dataclass(frozen=True, slots=True)
class Heading:
    """Of any level: no chat has more than one that reads well."""

    spans: Spans


@dataclass(frozen=True, slots=True)
class Quote:
    """What somebody else said."""

    blocks: "tuple[Block, ...]"


@dataclass(frozen=True, slots=True)
class Item:
    """One of a list. `number` as the model wrote it, such as "3."; "" for a bullet."""

    number: str
    blocks: "tuple[Block, ...]"


@dataclass(frozen=True, slots=True)
class Listing:
    """A list; `tight` when its items stand on consecutive lines."""

    items: tuple[Item, ...]
    tight: bool


@dataclass(frozen=True, slots=True)
class Code:
    """A fenced block."""

    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Table:
    """The first row is the heads."""

    rows: tuple[tuple[Spans, ...], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across."""


Block = Paragraph | Heading | Quote | Listing | Code | Table | Rule
