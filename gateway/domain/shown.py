"""How does what storage answers look as JSON? Times as datetimes, values of enums as small words."""

from datetime import datetime

from google.protobuf.message import Message

from kit.moments import moment


def times(row: Message, *names: str) -> dict[str, datetime | None]:
    """By their names; None for those that it has not."""
    return {name: moment(getattr(row, name)) if row.HasField(name) else None for name in names}


def word(name: str, prefix: str) -> str:
    """As the enum calls it, in small letters; "" for what is not said."""
    found = name.removeprefix(prefix).lower()
    return "" if found == "unspecified" else found
