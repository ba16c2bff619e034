"""What does a status other than 200 of a model server mean, and when may it be asked again?"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from kit.errors import ModelBusy, ModelRefused, ModelUnavailable, ModelUnknown, ParleyError

READ_BYTES = 16 * 1024
# A server that wants to be left alone for longer is asked once an hour.
MOST_SECONDS = 3600.0

# A status without a line here, below 500, is a refusal that asking again does not change.
STATUSES: dict[int, type[ParleyError]] = {404: ModelUnknown, 408: ModelUnavailable, 429: ModelBusy}
SENTENCES = {
    401: "The model server refuses our key (401): set the one it was given.",
    403: "The model server refuses our key (403): it may not do this.",
}


def refused(status: int, headers: Mapping[str, str], *, said: bytes) -> ParleyError:
    """The error for a status. A 404 for a conversation, not a model, says so in its metadata."""
    sentence = SENTENCES.get(status, f"The model server answered {status}.")
    kind = ModelUnavailable if status >= 500 else STATUSES.get(status, ModelRefused)
    if kind in {ModelUnavailable, ModelBusy}:
        return kind(sentence, retry_after=retry_after(headers.get("retry-after", ""), now=datetime.now(UTC)))
    if status in SENTENCES:
        return ModelRefused(sentence, metadata={"refused": "key"})
    about = {"resource": "conversation"} if status == 404 and b"onversation" in said else {}
    return kind(sentence, metadata=about)


def retry_after(value: str, *, now: datetime) -> timedelta | None:
    """Retry-After, in seconds or as a date (RFC 9110, section 10.2.3). None when there is none that can be read."""
    value = value.strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        seconds = float(value)
    else:
        try:
            at = parsedate_to_datetime(value)
        except (ValueError, TypeError, OverflowError):
            return None
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    return timedelta(seconds=min(max(0.0, seconds), MOST_SECONDS))
