"""What does Slack's refusal mean for a delivery? https://docs.slack.dev/reference/methods/chat.postMessage/#errors

A refusal comes with HTTP 200 and says why in one word: the body decides, the status only where there is no word.
"""

import re
from typing import Any

from channels.channel import Answer, DeliveryError
from channels.failures import Failure, by_status, error, retry_after
from channels.payload import content, string

BY_CODE: dict[str, Failure] = {
    "not_authed": "unauthorized",
    "invalid_auth": "unauthorized",
    "account_inactive": "unauthorized",
    "token_revoked": "unauthorized",
    "token_expired": "unauthorized",
    "not_allowed_token_type": "unauthorized",
    "missing_scope": "unauthorized",  # chat:write is not there: nothing goes out until a person reinstalls the app
    "no_permission": "unauthorized",
    "access_denied": "unauthorized",
    "accesslimited": "unauthorized",  # the workspace takes calls from other networks only
    "ekm_access_denied": "unauthorized",  # administrators have stopped all posting
    "org_login_required": "unauthorized",
    "channel_not_found": "recipient",  # also a channel that we were never invited to: Slack does not tell
    "not_in_channel": "recipient",
    "is_archived": "recipient",
    "is_inactive": "recipient",
    "user_not_found": "recipient",
    "user_disabled": "recipient",
    "messages_tab_disabled": "recipient",  # the app's home takes no messages: this person cannot be reached there
    "team_access_not_granted": "recipient",  # of an app of the whole organisation: not in that workspace
    "cannot_reply_to_message": "recipient",  # the thread that we would answer in is none
    "ratelimited": "throttled",
    "rate_limited": "throttled",
    "message_limit_exceeded": "throttled",
    "service_unavailable": "unavailable",  # said before anything is done
    "request_timeout": "unavailable",  # not time: the body came in cut short, so nothing was posted
    "team_added_to_org": "unavailable",  # the workspace is being moved
    "external_channel_migrating": "unavailable",
    "internal_error": "unknown",  # "some aspect of the operation may have succeeded"
    "fatal_error": "unknown",
    "msg_too_long": "payload",
    "no_text": "payload",
    "invalid_arguments": "payload",
    "metadata_too_large": "payload",
}
_RESTRICTED = "restricted_action"  # a family: _read_only_channel, _thread_locked … : this place takes no words of ours
_WORD = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)


def failure(answer: Answer) -> DeliveryError:
    """The error that an answer without a message in it stands for."""
    code = _code(answer)
    if answer.status == 429:
        meaning: Failure = "throttled"
    elif code:
        meaning = _meaning(code)
    elif answer.status == 404:
        meaning = "unavailable"  # Slack's own refusals have a word: a proxy, or a wrong base URL
    else:
        meaning = by_status(answer.status)
    return error(meaning, provider_code=code or str(answer.status), retry_after=retry_after(answer))


def taken(answer: Answer) -> dict[str, Any]:
    """What a good answer holds; 200 alone says nothing. Raises what a bad one means."""
    told = content(answer.body) if 200 <= answer.status < 300 else {}
    if told.get("ok") is True:
        return told
    raise failure(answer)


def _meaning(code: str) -> Failure:
    """A word that we do not know is a refusal all the same: nothing was posted, and repeating changes nothing."""
    return "recipient" if code.startswith(_RESTRICTED) else BY_CODE.get(code, "payload")


def _code(answer: Answer) -> str:
    """Slack's word; "" when there is none. What is not a word could quote our text, and is not kept."""
    told = content(answer.body)
    code = string(told.get("error"))
    return code if told.get("ok") is False and _WORD.fullmatch(code) else ""
