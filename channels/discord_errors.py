"""What does Discord's refusal mean for a delivery?

https://docs.discord.com/developers/topics/opcodes-and-status-codes#json
"""

from typing import Any

from channels import payload
from channels.channel import Answer, DeliveryError
from channels.failures import Failure, by_status, error, retry_after
from channels.payload import integer

TOO_LARGE = 40005
BY_CODE: dict[int, Failure] = {
    10003: "recipient",  # the channel is gone, or was never ours to see
    10004: "recipient",
    10013: "recipient",
    20009: "policy",  # explicit content
    20016: "throttled",  # slow mode of the channel
    20028: "throttled",
    20029: "throttled",
    40001: "unauthorized",
    40002: "unauthorized",  # the bot's own account must be verified: nothing goes out until a person acts
    40003: "throttled",  # too many direct messages are opened
    40004: "unavailable",  # sending is switched off at Discord's
    TOO_LARGE: "payload",
    40006: "unavailable",
    40007: "recipient",
    40058: "recipient",  # a forum takes posts, not messages
    40062: "throttled",
    40333: "unavailable",  # Cloudflare's, not the channel's: our address asked wrongly too often
    50001: "recipient",  # we do not see this channel; the token is good
    50006: "payload",
    50007: "recipient",  # they take no direct messages from us
    50008: "recipient",
    50009: "recipient",
    50013: "recipient",  # we may not write in this channel; elsewhere we may
    50014: "unauthorized",
    50024: "recipient",
    50033: "recipient",
    50035: "payload",
    50083: "recipient",  # an archived thread
    50109: "payload",
    50278: "recipient",  # no server that we share with this person
    130000: "unavailable",
    160002: "recipient",  # a reply needs the right to read what it quotes; it is tried without first
    160005: "recipient",  # a locked thread
    200000: "policy",  # the server's own moderation
    240000: "policy",  # a harmful link
}
# Of an interaction: it takes no more replies, and we may still speak in its channel.
LAPSED = frozenset(
    {
        10015,  # "unknown webhook"
        10062,
        40094,  # five replies are all that an app has which is installed for the person only
        50027,  # the token has ended
    }
)
# Which win over any code that stands beside them.
_BY_STATUS: dict[int, Failure] = {401: "unauthorized", 429: "throttled"}


def failure(answer: Answer) -> DeliveryError:
    """The error that an answer without a message in it stands for."""
    code = code_of(answer)
    meaning = _BY_STATUS.get(answer.status) or BY_CODE.get(code) or by_status(answer.status)
    if not code and answer.status in {403, 404, 405}:
        meaning = "unavailable"  # not the API's own refusal: Cloudflare, a proxy, or a wrong base URL
    elif answer.status == 403 and code not in BY_CODE:
        meaning = "recipient"  # whatever we lack, we lack it in this channel
    stated = content(answer).get("retry_after")
    return error(
        meaning,
        provider_code=str(code or answer.status),
        retry_after=retry_after(answer, stated),
        whole_account=is_global(answer),
    )


def is_too_large(answer: Answer) -> bool:
    """Whether a file has more bytes than the server takes, and nothing was sent."""
    return answer.status == 413 or code_of(answer) == TOO_LARGE


def is_global(answer: Answer) -> bool:
    """Whether the bot is too fast, or only in this channel: each has its own bucket.

    https://docs.discord.com/developers/topics/rate-limits
    """
    said = content(answer)
    # Each limit of the API says which it is. One that does not is Cloudflare's, or the API's, upon our whole address.
    is_ours = answer.status != 429 or "global" in said
    return said.get("global") is True or "x-ratelimit-global" in answer.headers or not is_ours


def has_lapsed(answer: Answer) -> bool:
    """True when it was said of an interaction that takes no more. No bot token was shown, so 401 is about its own."""
    return answer.status == 401 or code_of(answer) in LAPSED


def code_of(answer: Answer) -> int:
    """Discord's code of a refusal; 0 when there is none."""
    return 0 if 200 <= answer.status < 300 else integer(content(answer).get("code")) or 0


def content(answer: Answer) -> dict[str, Any]:
    """The JSON object that came back, or an empty one."""
    return payload.content(answer.body)
