"""Where does a message hold NUL, which not every database can keep in a text?

Nearly none does, and none of those whose bytes on the wire have no zero: to ask these costs less than to look at every
string. What has one there, in a number or in bytes, is walked through.
"""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

NUL = "\0"
_WRONG = "holds a NUL, which not every database can keep"


def unkept(message: Message) -> list[tuple[str, str]]:
    """What is wrong, by the paths of fields."""
    return [(path, _WRONG) for path in _places(message)] if b"\0" in message.SerializePartialToString() else []


def is_map(field: FieldDescriptor) -> bool:
    """Descriptors know a map as repeated messages, which its values are not."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _places(message: Message, before: str = "") -> Iterator[str]:
    for field, value in message.ListFields():
        path = f"{before}{field.name}"
        if is_map(field):
            if any(isinstance(each, str) and NUL in each for pair in value.items() for each in pair):
                yield path
        elif field.message_type is not None:
            for place, each in _each(field, value):
                yield from _places(each, f"{path}{place}.")
        elif field.type == FieldDescriptor.TYPE_STRING:
            yield from (f"{path}{place}" for place, each in _each(field, value) if NUL in each)


def _each(field: FieldDescriptor, value: Any) -> list[tuple[str, Any]]:
    return [(f"[{index}]", each) for index, each in enumerate(value)] if field.is_repeated else [("", value)]
