"""Which of the few ways to fail is it? Words of the providers' tables, made into errors."""

from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Literal

from channels.channel import (
    Answer,
    DeliveryError,
    Rejected,
    RejectedKind,
    Throttled,
    Unauthorized,
    Unavailable,
    Unknown,
)

Failure = Literal[
    "recipient", "window", "policy", "payload", "opted_out", "unauthorized", "throttled", "unavailable", "unknown"
]

LONGEST_RETRY_SECONDS = 3600.0
_KINDS: dict[Failure, RejectedKind] = {
    "recipient": "recipient",
    "window": "window",
    "policy": "policy",
    "payload": "payload",
    "opted_out": "opted_out",
}
_CLASSES: dict[Failure, type[DeliveryError]] = {
    "unauthorized": Unauthorized,
    "unavailable": Unavailable,
    "unknown": Unknown,
}
_BY_STATUS: dict[int, Failure] = {
    401: "unauthorized",
    408: "unavailable",  # the provider did not get the whole request
    429: "throttled",
    502: "unknown",  # something in between gave up: what stands behind it may have sent
    504: "unknown",
}


def error(
    failure: Failure, *, provider_code: str = "", retry_after: timedelta | None = None, whole_account: bool = True
) -> DeliveryError:
    """The error that the word stands for. `whole_account` is about "throttled" only."""
    code = provider_code[:64]
    if failure == "throttled":
        return Throttled(provider_code=code, retry_after=retry_after, whole_account=whole_account)
    if failure in _KINDS:
        return Rejected(kind=_KINDS[failure], provider_code=code)
    return _CLASSES[failure](provider_code=code)


def by_status(status: int) -> Failure:
    """What an HTTP status means when the provider's own code says nothing."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status < 500:
        return "payload"
    if 200 <= status < 300:
        return "unknown"  # taken, but the answer could not be read
    return "unavailable"


def retry_after(answer: Answer, stated: object = None) -> timedelta | None:
    """How long the provider wants us to wait: what its body stated, else its header; None when neither does.

    Who stands before a provider may name a moment, which is seen from their own clock: RFC 9110, 10.2.3.
    """
    header = answer.headers.get("retry-after")
    for value in (stated, header, _until(header, answer.headers.get("date"))):
        wait = _wait_seconds(value)
        if wait is not None:
            return timedelta(seconds=wait)
    return None


def _until(moment: str | None, said_at: str | None) -> float | None:
    if not moment or not said_at:
        return None
    try:
        return max(0.0, (parsedate_to_datetime(moment) - parsedate_to_datetime(said_at)).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):  # no date, or of the two only one says its zone
        return None


def _wait_seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        wait = float(value)
    except (ValueError, OverflowError):
        return None  # a date, or nonsense
    if not wait >= 0:  # NaN too
        return None
    return min(wait, LONGEST_RETRY_SECONDS)
