"""Where do the words of a message lead? Telegram keeps the address of a link beside the text, and we write it behind.

https://core.telegram.org/bots/api#messageentity
"""

from itertools import pairwise
from typing import Any

from channels.payload import integer, items, mapping, string

_UNIT = 2  # bytes: entities count UTF-16 code units


def words(said: dict[str, Any]) -> str:
    """What was written, or stands under a picture; behind each link that does not show its address, " (address)"."""
    return _linked(said.get("text"), said.get("entities")) or _linked(said.get("caption"), said.get("caption_entities"))


def _linked(stated: object, entities: object) -> str:
    if not isinstance(stated, str) or not isinstance(entities, list):
        return string(stated)
    # Of the text as it came: what we do not keep of it is counted, too.
    units = stated.encode("utf-16-le", "surrogatepass")
    links = sorted(filter(None, (_link(mapping(each), units) for each in items(entities))))
    ends = [0, *(end for end, _ in links), len(units)]
    parts = [units[start:end] for start, end in pairwise(ends)]
    written = b"".join(part + address for part, address in zip(parts, [*(each for _, each in links), b""], strict=True))
    return string(written.decode("utf-16-le", "surrogatepass"))


def _link(entity: dict[str, Any], units: bytes) -> tuple[int, bytes] | None:
    """Where it ends, and what is to be written there; None when there is nothing, or it lies outside of the text."""
    offset, length = integer(entity.get("offset")), integer(entity.get("length"))
    url = string(entity.get("url"))
    if entity.get("type") != "text_link" or not url or offset is None or length is None:
        return None
    start, end = offset * _UNIT, (offset + length) * _UNIT
    if not 0 <= start < end <= len(units):
        return None
    shown = units[start:end].decode("utf-16-le", "replace")
    return None if url in shown else (end, f" ({url})".encode("utf-16-le", "surrogatepass"))
