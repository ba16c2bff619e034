"""What does a message on Slack say that has no text, but blocks? A line for each paragraph, item and row.

https://docs.slack.dev/reference/block-kit/blocks/ · What stands in rich text is not escaped.
"""

from collections.abc import Callable, Iterator
from typing import Any

from channels.payload import items, mapping, string

DEEPEST = 8
_HOLDERS = frozenset({"rich_text", "rich_text_list"})  # of sections, each a line; whatever else holds words in a row
_INLINE: dict[str, Callable[[dict[str, Any]], str]] = {
    "link": lambda each: _link(string(each.get("text")), string(each.get("url"))),
    "emoji": lambda each: f":{string(each.get('name'))}:",
    "user": lambda each: f"@{string(each.get('user_id'))}",
    "channel": lambda each: f"#{string(each.get('channel_id'))}",
    "broadcast": lambda each: f"@{string(each.get('range'))}",
}


def words(blocks: object) -> str:
    """All of it; "" where there is none."""
    lines = (line for block in items(blocks) for line in _lines(mapping(block)))
    return "\n".join(line for line in lines if line.strip())


def _lines(block: dict[str, Any], depth: int = 0) -> Iterator[str]:
    elements = [mapping(each) for each in items(block.get("elements"))]
    if string(block.get("type")) in _HOLDERS and depth < DEEPEST:
        for each in elements:
            yield from _lines(each, depth + 1)
    else:
        yield _said(block) + "".join(map(_said, elements))
    for row in items(block.get("rows")):
        cells = (" ".join(_lines(mapping(cell), depth + 1)) for cell in items(row) if depth < DEEPEST)
        yield " | ".join(cells)


def _link(label: str, url: str) -> str:
    return f"{label} ({url})" if label and label not in url else url


def _said(element: dict[str, Any]) -> str:
    inline = _INLINE.get(string(element.get("type")))
    text = element.get("text")
    return inline(element) if inline else string(text) or string(mapping(text).get("text"))
