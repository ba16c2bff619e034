"""What is wrong with a send, in Twilio's numbers? https://www.twilio.com/docs/api/errors"""

import re
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from channels.payload import Form
from sandbox.providers import twilio_media

LONGEST_BODY = 1600
PREFIX = "whatsapp:"

_ADDRESS = re.compile(r"(whatsapp:)?\+[1-9][0-9]{6,14}")
_SERVICE = re.compile(r"MG[0-9a-f]{32}")

Numbers = Collection[str]  # of the account
Check = Callable[[Form, Numbers], bool]  # True when it is wrong


def wrong(form: Form, numbers: Numbers) -> int:
    """The code of it; 0 when nothing is."""
    return next((code for code, check in _CHECKS if check(form, numbers)), 0)


def _no_sender(form: Form, _numbers: Numbers) -> bool:
    return not form.first("From") and not _SERVICE.fullmatch(form.first("MessagingServiceSid"))


def _strange(form: Form, numbers: Numbers) -> bool:
    return bool(form.first("From")) and form.first("From") not in numbers


def _too_long(form: Form, _numbers: Numbers) -> bool:
    return len(form.first("Body").encode("utf-16-le")) // 2 > LONGEST_BODY


def _no_url(form: Form, _numbers: Numbers) -> bool:
    stated = urlsplit(form.first("StatusCallback"))
    return bool(form.first("StatusCallback")) and (stated.scheme not in {"http", "https"} or not stated.netloc)


# The first that applies is what Twilio says.
_CHECKS: tuple[tuple[int, Check], ...] = (
    (21604, lambda form, _: not form.first("To")),
    (21211, lambda form, _: not _ADDRESS.fullmatch(form.first("To"))),
    (21603, _no_sender),
    (63007, lambda form, numbers: _strange(form, numbers) and form.first("From").startswith(PREFIX)),
    (21606, _strange),
    (21910, lambda form, _: bool(form.first("From")) and _kind(form.first("From")) != _kind(form.first("To"))),
    (21619, lambda form, _: not form.first("Body") and not form.first("MediaUrl")),
    (21617, _too_long),
    (21620, lambda form, _: twilio_media.is_wrong(form)),
    (21623, lambda form, _: len(form.get("MediaUrl", [])) > twilio_media.MOST_URLS),
    (21609, _no_url),
)


def _kind(address: str) -> bool:
    return address.startswith(PREFIX)
