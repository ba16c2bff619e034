"""How much time is left for the call that is being served? Calls made on its behalf get no more than that."""

import time
from contextvars import ContextVar

_ends_at: ContextVar[float | None] = ContextVar("deadline", default=None)


def bind(remaining_seconds: float) -> None:
    """Remembers the deadline of the call that the current task serves."""
    _ends_at.set(time.monotonic() + remaining_seconds)


def remaining() -> float | None:
    """Seconds left, negative when it has passed; None outside of a call."""
    ends_at = _ends_at.get()
    return None if ends_at is None else ends_at - time.monotonic()


def within(timeout_seconds: float | None) -> float | None:
    """The shorter one of what the caller wants and what is left."""
    left = remaining()
    if left is None:
        return timeout_seconds
    return left if timeout_seconds is None else min(timeout_seconds, left)
