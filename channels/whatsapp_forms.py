"""What was filled in to a form on WhatsApp? A line for each answer: the words that come with it are WhatsApp's own.

https://developers.facebook.com/documentation/business-messaging/whatsapp/flows/guides/receiveflowresponse
"""

from collections.abc import Iterator

from channels.channel import Unreadable
from channels.payload import items, parse_json, string

_NO_ANSWERS = frozenset({"flow_token"})  # which of our forms it is
DEEPEST = 4


def answers(stated: str) -> str:
    """Of the JSON that the form made; "" when it is none. Who made the form named what was asked."""
    try:
        filled = parse_json(stated.encode()) if stated else {}
    except Unreadable:
        return ""
    return "\n".join(_lines(filled))


def _lines(filled: dict[str, object], depth: int = 0) -> Iterator[str]:
    for name, value in filled.items():
        if isinstance(value, dict) and depth < DEEPEST:
            yield from _lines(value, depth + 1)
        elif name not in _NO_ANSWERS:
            text = ", ".join(filter(None, map(_one, items(value) or [value])))
            yield from [f"{string(name)}: {text}"] if text else []


def _one(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else string(value)
