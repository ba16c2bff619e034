"""How is a body read that anybody may have made? Strictly where it is parsed, forgivingly where a field is wrong.

A value of the wrong type counts as absent: a provider that adds or changes a field must not stop its messages.
"""

import json
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from channels.channel import Unreadable
from channels.text import clean

MOST_FORM_FIELDS = 1000  # providers send below 60; a body of "&" must not cost a second
_LATEST_SECOND = 253_370_764_799  # the end of 9998, the last that the contract takes


class Form(dict[str, list[str]]):
    """Form fields by name: blanks and repeats kept, as signatures cover them."""

    def getall(self, name: str) -> list[str]:
        """Every value of the field; twilio's validator asks for them by this name."""
        return self[name]

    def first(self, name: str) -> str:
        """The first value, cleaned; "" when there is none."""
        values = self.get(name)
        if not values:
            return ""
        text = values[0]
        return text if text.isascii() and "\0" not in text else clean(text)


def parse_form(body: bytes | str) -> Form:
    """The fields of a form body or of a query. Raises Unreadable when there are too many."""
    raw = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    if raw.count("&") >= MOST_FORM_FIELDS:
        raise Unreadable("too many fields")
    form = Form()
    for pair in raw.replace("+", " ").split("&"):
        name, _, value = pair.partition("=")
        if "%" in pair:  # most fields have none: this is the dearest step of a webhook
            name, value = _unquoted(name), _unquoted(value)
        elif not pair:
            continue
        if name in form:
            form[name].append(value)
        else:
            form[name] = [value]
    return form


def _unquoted(text: str) -> str:
    """As unquote_plus, after the plus."""
    return unquote_to_bytes(text).decode("utf-8", "replace") if "%" in text else text


def parse_json(body: bytes) -> dict[str, Any]:
    """The JSON object. Raises Unreadable on anything else, NaN and nesting without end included."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = _parse_lenient(body)
    if not isinstance(value, dict):
        raise Unreadable("not a JSON object")
    return value


def content(body: bytes) -> dict[str, Any]:
    """The JSON object, or an empty one where there is none: an answer means something by its status alone."""
    try:
        return parse_json(body)
    except Unreadable:
        return {}


def written(content: object) -> bytes:
    """What was parsed, as JSON again. orjson refuses to write what it refuses to read; as escapes all of it can be."""
    try:
        return orjson.dumps(content)
    except TypeError:
        return json.dumps(content).encode()


def _parse_lenient(body: bytes) -> Any:
    """A second try for what orjson refuses and providers do send: a lone surrogate, written as an escape."""
    if b"\\u" not in body:
        raise Unreadable("not JSON")
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Unreadable("not JSON") from None


def _refuse_constant(name: str) -> None:
    raise Unreadable(f"{name} is not JSON")


def mapping(value: Any) -> dict[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """The list, or an empty one."""
    return value if isinstance(value, list) else []


def string(value: Any) -> str:
    """The text, cleaned, or ""."""
    return clean(value) if isinstance(value, str) else ""


def identifier(value: Any) -> str:
    """An id as text: providers write ids of digits as numbers, too. "" when it is none, or 0."""
    number = integer(value)
    return string(value) if number is None else str(number or "")


def integer(value: Any) -> int | None:
    """The whole number, or None. True is not 1."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def count(value: Any) -> int:
    """A size that fits 63 bits, or 0."""
    number = integer(value)
    return number if number is not None and 0 <= number < 2**63 else 0


def seconds(value: Any) -> int:
    """Seconds since 1970 that the contract takes as a time, or 0."""
    number = integer(value)
    return number if number is not None and 0 < number <= _LATEST_SECOND else 0
