"""What does a refusal of the Graph API mean for a delivery?

https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
https://developers.facebook.com/docs/messenger-platform/error-codes
Decided by code and subcode: the HTTP status is 400 for nearly everything, and texts change.
"""

from datetime import timedelta

from channels.channel import Answer, DeliveryError
from channels.failures import Failure, by_status, error, retry_after
from channels.payload import content, integer, mapping

TO_ONE_PERSON = 131056  # too many messages

# Not on any page that was read, or on none that says what follows: known from other programs and from memory. A live
# account should prove each; whatever is wrong here is mended here.
_UNVERIFIED: dict[int, Failure] = {
    1: "unavailable",
    2: "unavailable",  # "service temporarily unavailable"
    17: "throttled",
    32: "throttled",
    33: "unauthorized",  # WhatsApp: the number was deleted
    341: "throttled",
    551: "recipient",  # Instagram: the person cannot be written to now
    613: "throttled",
    80006: "throttled",
}
_UNVERIFIED_SUBCODES: dict[int, Failure] = {
    1545041: "recipient",
    1545133: "unavailable",
    2018001: "recipient",  # no such person
    2018108: "recipient",
    2018278: "window",  # Messenger's own number of it; Instagram's documented one is 2534022
    2534001: "recipient",  # the person archived or deleted the thread
    2534014: "recipient",  # blocked us, or gone
}
# A subcode beats its code: 10 pauses the account, and 10 with this one is about a single person.
BY_SUBCODE: dict[int, Failure] = {**_UNVERIFIED_SUBCODES, 2534022: "window"}
BY_CODE: dict[int, Failure] = {
    **_UNVERIFIED,
    **dict.fromkeys(range(200, 300), "unauthorized"),  # some permission is missing
    0: "unauthorized",
    3: "unauthorized",
    4: "throttled",  # the whole app
    10: "unauthorized",
    100: "payload",
    102: "unauthorized",  # as 190: https://developers.facebook.com/docs/graph-api/guides/error-handling
    190: "unauthorized",  # the token expired or was taken back
    368: "unauthorized",  # blocked for a while for breaking a policy: sending on makes it longer
    80007: "throttled",  # the WhatsApp business account
    130429: "throttled",
    130472: "policy",  # Meta's experiment on marketing has this person: nothing will reach them
    130497: "unauthorized",  # we may not write to people in that country at all
    131000: "unavailable",
    131005: "unauthorized",
    131008: "payload",
    131009: "payload",
    131016: "unavailable",
    131021: "recipient",  # ourselves
    131026: "recipient",
    131030: "recipient",  # a test number reaches five people only
    131031: "unauthorized",  # the account is locked
    131037: "unauthorized",  # the number's display name is not approved
    131042: "unauthorized",  # nobody pays for it
    131045: "unauthorized",  # the number is not registered
    131047: "window",
    131048: "throttled",  # too many people called it spam
    131049: "policy",  # Meta holds it back from this person; repeating within a day does too
    131050: "policy",  # the person stopped our marketing, and no more than that: answers still reach them
    131051: "payload",
    131052: "payload",
    131053: "payload",
    TO_ONE_PERSON: "throttled",
    131057: "unavailable",  # the account is in maintenance
    131062: "recipient",  # this person has no number to send this kind to
    131064: "throttled",
    133010: "unauthorized",  # the number is not registered
    133016: "throttled",
    135000: "unavailable",
}
# Meta never says how long. Without a floor all attempts would be spent within seconds, against limits of an hour.
WAITS: dict[int, timedelta] = {
    **dict.fromkeys((4, 17, 32, 613, 80006, 80007, 131064, 133016), timedelta(minutes=1)),
    130429: timedelta(seconds=5),  # of a second
    131048: timedelta(minutes=15),
    TO_ONE_PERSON: timedelta(seconds=6),  # one message to one person in so long is what Meta allows
}


def failure(answer: Answer) -> DeliveryError:
    """The error that an answer which is no success stands for."""
    stated = _stated(answer)
    code, subcode = integer(stated.get("code")), integer(stated.get("error_subcode")) or 0
    if code is None:
        meaning = (
            "unavailable" if answer.status == 404 else by_status(answer.status)
        )  # not Graph's own: a wrong base URL
        return error(meaning, provider_code=str(answer.status), retry_after=retry_after(answer))
    unlisted = "unavailable" if stated.get("is_transient") is True else by_status(answer.status)
    meaning = BY_SUBCODE.get(subcode) or BY_CODE.get(code) or unlisted
    named = f"{code}/{subcode}" if subcode else str(code)
    wait = retry_after(answer) or WAITS.get(code)
    return error(meaning, provider_code=named, retry_after=wait, whole_account=code != TO_ONE_PERSON)


def _stated(answer: Answer) -> dict[str, object]:
    return mapping(content(answer.body).get("error"))
