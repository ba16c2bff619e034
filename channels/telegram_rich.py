"""What does a rich message say? Its blocks line by line, and the files that stand between them.

https://core.telegram.org/bots/api#richmessage
"""

from collections.abc import Iterator
from typing import Any

from channels.payload import items, mapping, string

DEEPEST = 16  # blocks in blocks, and texts in texts: what lies deeper is left out
# What a block holds -> as a message calls the same.
_FILES = {
    **{name: name for name in ("photo", "video", "animation", "audio", "document", "location")},
    "voice_note": "voice",
}


def text(rich: dict[str, Any]) -> str:
    """A line for each paragraph, row, item and caption."""
    return "\n".join(filter(None, _lines(rich)))


def files(rich: dict[str, Any], depth: int = 0) -> Iterator[dict[str, Any]]:
    """Pictures, films, sound and places, each as a message with nothing else would hold it."""
    for block in _blocks(rich, depth):
        yield from ({ours: block[theirs]} for theirs, ours in _FILES.items() if block.get(theirs))
        yield from files(block, depth + 1)


def _blocks(holder: dict[str, Any], depth: int) -> list[dict[str, Any]]:
    """What is in a message, in a quotation, or in the items of a list."""
    inner = [*items(holder.get("blocks")), *items(holder.get("items"))]
    return [mapping(each) for each in inner] if depth < DEEPEST else []


def _lines(holder: dict[str, Any], depth: int = 0) -> Iterator[str]:
    for block in _blocks(holder, depth):
        label, caption = string(block.get("label")), block.get("caption")
        own = [_words(block.get("summary")), _words(block.get("text")) or string(block.get("expression"))]
        own += [*map(_row, items(block.get("cells"))), " | ".join(map(_words, items(block.get("buttons"))))]
        inner = [*filter(None, (*own, *_lines(block, depth + 1)))]
        yield " ".join(filter(None, (label, *inner[:1])))
        yield from inner[1:]
        yield from map(_words, (caption, mapping(caption).get("credit"), block.get("credit")))


def _row(row: object) -> str:
    return " | ".join(_words(mapping(cell).get("text")) for cell in items(row))


def _words(rich: object, depth: int = 0) -> str:
    """Text, texts in a row, or text with a form, which may be a formula, an emoji or a link."""
    if depth > DEEPEST:
        return ""
    if isinstance(rich, list):
        return "".join(_words(each, depth + 1) for each in rich)
    form = mapping(rich)
    inner = _words(form.get("text") or form.get("button"), depth + 1) if form else string(rich)
    url = string(form.get("url"))
    if url and url not in inner:
        return f"{inner} ({url})" if inner else url
    return inner or string(form.get("alternative_text")) or string(form.get("expression"))
