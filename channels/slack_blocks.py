"""What does a message on Slack say that has no text, but blocks? A line for each paragraph, item and row.

https://docs.slack.dev/reference/block-kit/blocks/ · What stands in rich text is not escaped, and mrkdwn is.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from channels.payload import items, mapping, seconds, string
from channels.slack_text import plain

DEEPEST = 8
_HOLDERS = frozenset({"rich_text", "rich_text_list", "carousel"})  # of blocks; whatever else holds words in a row
# What a block says beside its text; what is below it, block by block.
_HEADS = ("title", "subtitle", "body", "label", "description")
_BELOW = ("details", "output")
_INLINE: dict[str, Callable[[dict[str, Any]], str]] = {
    "link": lambda each: _link(string(each.get("text")), string(each.get("url"))),
    "emoji": lambda each: f":{string(each.get('name'))}:",
    "user": lambda each: f"@{string(each.get('user_id'))}",
    "usergroup": lambda each: f"@{string(each.get('usergroup_id'))}",
    "team": lambda each: f"@{string(each.get('team_id'))}",
    "channel": lambda each: f"#{string(each.get('channel_id'))}",
    "broadcast": lambda each: f"@{string(each.get('range'))}",
    "date": lambda each: string(each.get("fallback")) or moment(each.get("timestamp")),
    "color": lambda each: string(each.get("value")),
    "image": lambda each: string(each.get("alt_text")),
}


def words(blocks: object) -> str:
    """All of it; "" where there is none."""
    lines = (line for block in items(blocks) for line in _lines(mapping(block)))
    return "\n".join(line for line in lines if line.strip())


def _lines(block: dict[str, Any], depth: int = 0) -> Iterator[str]:
    yield from (_written(block.get(name)) for name in _HEADS)
    elements = [mapping(each) for each in items(block.get("elements"))]
    below = [each for each in map(mapping, (*map(block.get, _BELOW), *items(block.get("tasks")))) if each]
    kind = string(block.get("type"))
    if kind in _HOLDERS and depth < DEEPEST:
        below = [*elements, *below]
    else:
        yield _said(block) + ("" if kind.startswith("rich") else " ").join(map(_said, elements))
    yield from map(_written, items(block.get("fields")))
    for each in below if depth < DEEPEST else ():
        yield from _lines(each, depth + 1)
    for row in items(block.get("rows")):
        cells = (" ".join(filter(None, _lines(mapping(cell), depth + 1))) for cell in items(row) if depth < DEEPEST)
        yield " | ".join(cells)


def _link(label: str, url: str) -> str:
    return f"{label} ({url})" if label and label not in url else url


def moment(stated: object) -> str:
    """A time that Slack writes in seconds since 1970, for people to read."""
    at = seconds(stated)
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC" if at else ""


def _said(element: dict[str, Any]) -> str:
    inline = _INLINE.get(string(element.get("type")))
    return inline(element) if inline else _written(element.get("text"))


def _written(text: object) -> str:
    stated = mapping(text)
    shown = string(text) or string(stated.get("text"))
    return plain(shown) if stated.get("type") == "mrkdwn" else shown
