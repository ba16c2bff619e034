"""What does Telegram's refusal mean for a delivery? https://core.telegram.org/bots/api#making-requests

A code, and of a 400 only words that say what is wrong.
"""

from channels import payload
from channels.channel import Answer, DeliveryError
from channels.failures import Failure, by_status, error, retry_after
from channels.payload import integer, mapping, string

_BY_CODE: dict[int, Failure] = {
    401: "unauthorized",
    403: "recipient",  # blocked, kicked, deactivated, never started: all mean this chat, none means our token
    404: "unauthorized",  # the method exists: it is the token in the URL that Telegram does not know
    409: "unavailable",
}
_NOT_PARSED = "can't parse entities"
_NO_PHOTO = ("photo_invalid_dimensions", "image_process_failed", "photo_ext_invalid")
# A 400 says what is wrong in words only.
_BY_WORDS: tuple[tuple[str, Failure], ...] = (
    ("chat not found", "recipient"),
    ("user not found", "recipient"),
    ("peer_id_invalid", "recipient"),
    ("message thread not found", "recipient"),
    ("topic_closed", "recipient"),
    ("not enough rights", "recipient"),
    ("have no rights to send", "recipient"),
    ("chat_write_forbidden", "recipient"),
    ("upgraded to a supergroup", "recipient"),  # without the new id: nothing to resend to
)


def migrated(answer: Answer) -> str:
    """The chat's new id; "" when it has not moved."""
    if answer.status != 400:
        return ""
    moved_to = integer(mapping(content(answer).get("parameters")).get("migrate_to_chat_id"))
    return str(moved_to) if moved_to else ""


def refuses_html(answer: Answer) -> bool:
    """Nothing was sent then. https://github.com/tdlib/td: "can't parse entities: …" whenever the markup is at fault."""
    return answer.status == 400 and _NOT_PARSED in string(content(answer).get("description")).lower()


def refuses_photo(answer: Answer) -> bool:
    """Its sides are together longer than 10,000, or one is over 20 times the other, or Telegram cannot draw it; as a
    document it may go out. https://core.telegram.org/bots/api#sendphoto"""
    words = string(content(answer).get("description")).lower()
    return answer.status == 400 and any(each in words for each in _NO_PHOTO)


def refusal(answer: Answer) -> DeliveryError:
    """The error that an answer which is no success stands for."""
    told = content(answer)
    code = integer(told.get("error_code"))
    failure = _failure(code, string(told.get("description"))) if code else by_status(answer.status)
    if answer.status == 404 and not code:
        failure = "unavailable"  # not Telegram's own 404: a proxy, or a wrong base URL
    stated = mapping(told.get("parameters")).get("retry_after")
    return error(failure, provider_code=str(code or answer.status), retry_after=retry_after(answer, stated))


def _failure(code: int, description: str) -> Failure:
    if code == 400:
        words = description.lower()
        return next((failure for text, failure in _BY_WORDS if text in words), "payload")
    return _BY_CODE.get(code, by_status(code))


def content(answer: Answer) -> dict[str, object]:
    """What it says; empty when it cannot be read."""
    return payload.content(answer.body)
