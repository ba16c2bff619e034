"""How does Parley name things? UUIDv7: unique everywhere, and sorted by the time of their making."""

from datetime import datetime, timedelta

import uuid_utils

from kit.moments import EPOCH


def new_id() -> str:
    """A fresh id."""
    return str(uuid_utils.uuid7())


def earliest_id(made_at: datetime) -> str:
    """Sorts before every id that is made from that moment on. It names nothing itself."""
    milliseconds = (made_at - EPOCH) // timedelta(milliseconds=1)
    # An id begins with them: https://datatracker.ietf.org/doc/html/rfc9562#section-5.7
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}"
