"""What does Twilio's refusal mean for a delivery? https://www.twilio.com/docs/api/errors

Decided by code: Twilio reserves the right to change texts, and its HTTP status is 400 for nearly everything.
"""

from channels.channel import Answer, DeliveryError
from channels.failures import Failure, by_status, error, retry_after
from channels.payload import content, integer

BY_CODE: dict[int, Failure] = {
    10001: "unauthorized",  # suspended, often for want of money: what waits goes out when it is paid
    20003: "unauthorized",
    20005: "unauthorized",  # not active
    20403: "unauthorized",  # suspended or closed
    20404: "unauthorized",  # "not found" on this URL is the account itself
    20429: "throttled",  # never processed, always safe to repeat
    20500: "unavailable",
    20503: "unavailable",
    21211: "recipient",
    21212: "unauthorized",  # our number is none
    21408: "policy",  # no permission for that country: one recipient's trouble, the account must not pause
    21601: "unauthorized",  # our number cannot send at all
    21603: "unauthorized",  # no From given: the account has no address
    21606: "unauthorized",  # our number is not ours, or cannot send: nothing will go out until a person acts
    21608: "policy",  # trial accounts reach verified numbers only: other recipients still work
    21610: "opted_out",  # the person wrote STOP to this number, perhaps before we had it
    21611: "throttled",  # ten hours of messages wait for our number
    21612: "recipient",  # this pair of numbers cannot talk
    21614: "recipient",
    21617: "payload",
    21619: "payload",  # an empty body
    21620: "payload",  # a file's URL is none
    21623: "payload",  # more than ten files
    21655: "payload",  # the template is not one of this account's: one template's trouble, texts still go out
    21656: "payload",  # a template's variables do not fit it
    21658: "payload",  # a template's variable is too long
    21635: "recipient",  # a landline
    21660: "unauthorized",  # our number is another account's
    30001: "throttled",
    30003: "unavailable",  # handset off: worth a few tries
    30005: "recipient",
    30006: "recipient",
    30007: "policy",  # filtered by the carrier: repeating makes it worse
    30008: "unavailable",
    30036: "unavailable",  # it waited longer than ValidityPeriod and was dropped
    63003: "recipient",
    63007: "unauthorized",  # our WhatsApp sender does not exist on this account
    63012: "unavailable",
    63016: "window",
    63017: "throttled",
    63018: "throttled",
    63021: "payload",
    63023: "unavailable",
    63024: "recipient",
    63038: "throttled",  # the day's limit
    90010: "unauthorized",  # not active
}


def failure(answer: Answer) -> DeliveryError:
    """The error that an answer without a message in it stands for."""
    code = _code(answer)
    meaning = BY_CODE.get(code, by_status(answer.status)) if code else by_status(answer.status)
    if answer.status == 404 and not code:
        meaning = "unavailable"  # not Twilio's own 404: a proxy, or a wrong base URL
    return error(meaning, provider_code=str(code or answer.status), retry_after=retry_after(answer))


def is_window(code: str) -> bool:
    """Whether a callback's ErrorCode says that too much time has passed since the person wrote: 63016 comes mostly so.

    https://www.twilio.com/docs/api/errors/63016
    """
    return _meaning(code) == "window"


def is_opt_out(code: str) -> bool:
    """Whether it says that the person wrote STOP to our number: 21610, where Twilio finds it out after the send.

    https://www.twilio.com/docs/api/errors/21610
    """
    return _meaning(code) == "opted_out"


def _meaning(code: str) -> Failure | None:
    return BY_CODE.get(int(code[:9])) if code.isascii() and code.isdigit() else None


def _code(answer: Answer) -> int:
    return integer(content(answer.body).get("code")) or 0
