"""How does a draft become a reply on Discord, or go? Edited and deleted, and found again by what it answers.

https://docs.discord.com/developers/resources/message#edit-message · A draft quotes the question and ends in a mark, as
no reply does: one of which nobody heard whether it was posted is known by both. Answers to commands have none: there
"thinking …" is shown already.
"""

from collections.abc import Generator
from contextlib import suppress
from hashlib import sha256

import orjson

from channels import discord_errors
from channels.channel import Answer, Call, DeliveryError, Outgoing, Rejected, Throttled, Unanswered, Unknown
from channels.discord_changes import message_number
from channels.discord_ids import is_id
from channels.discord_replies import (
    API_BASE_URL,
    LONGEST_NONCE,
    body_of,
    call_of,
    is_message,
    messages_url,
    surely,
)
from channels.payload import items, mapping, string
from channels.presence import DraftManners, Drawing, Gesture

MARK = "\n-# …"  # small, under what is written so far
LONGEST_TEXT = 2000  # UTF-16 units
# A channel's bucket of edits is its own, five in five seconds today. https://docs.discord.com/developers/topics/rate-limits
MANNERS = DraftManners(chat_seconds=2.0, account_seconds=0.2, stay=True)
LOOKED_THROUGH = 50  # messages after the question
GONE = frozenset({"10003", "10008"})


def manners(outgoing: Outgoing) -> DraftManners | None:
    """Only what answers an ordinary message is shown while it is written."""
    return MANNERS if message_number(outgoing.reply_to) else None


def draw(outgoing: Outgoing, bot_token: str, *, turn_id: str) -> Drawing:
    """Posted once, by a nonce of the turn's, and edited from then on."""
    body = body_of(outgoing) | {"content": _so_far(outgoing.text)}
    if outgoing.draft:
        answer = yield call_of("PATCH", f"{messages_url(outgoing)}/{outgoing.draft}", body=body, bot_token=bot_token)
    else:
        nonce = sha256(f"draft.{turn_id}".encode()).hexdigest()[:LONGEST_NONCE]
        asked = {"message_id": message_number(outgoing.reply_to), "fail_if_not_exists": False}
        said = body | {"nonce": nonce, "enforce_nonce": True, "message_reference": asked}
        answer = yield from surely(call_of("POST", messages_url(outgoing), body=said, bot_token=bot_token))
    if not is_message(answer):
        raise discord_errors.failure(answer)
    return string(discord_errors.content(answer)["id"])


def take_the_place(outgoing: Outgoing, bot_token: str) -> Generator[Call, Answer, bool]:
    """The reply in the place of its draft; to edit again is to edit once. False when the draft cannot become it now,
    and has made way for it: a reply waits for no draft.
    """
    url = f"{messages_url(outgoing)}/{outgoing.draft}"
    try:
        answer = yield from surely(call_of("PATCH", url, body=body_of(outgoing), bot_token=bot_token))
        if is_message(answer):
            return True
        raise discord_errors.failure(answer)
    except Unknown as lost:
        raise Unanswered(provider_code=lost.provider_code) from None
    except (Rejected, Throttled) as refused:
        if isinstance(refused, Throttled) and refused.whole_account:
            raise
    with suppress(DeliveryError):
        yield call_of("DELETE", url, bot_token=bot_token)
    return False


def take_back(outgoing: Outgoing, bot_token: str) -> Gesture:
    """Deletes it. Without an id it is looked for first."""
    found = [outgoing.draft] if is_id(outgoing.draft) else (yield from _found(outgoing, bot_token))
    for number in found:
        answer = yield call_of("DELETE", f"{messages_url(outgoing)}/{number}", bot_token=bot_token)
        failure = None if 200 <= answer.status < 300 else discord_errors.failure(answer)
        if failure is not None and failure.provider_code not in GONE:
            raise failure


def _found(outgoing: Outgoing, bot_token: str) -> Generator[Call, Answer, list[str]]:
    """Ours after the question that quote it and are marked."""
    asked, base = message_number(outgoing.reply_to), (outgoing.api_base_url or API_BASE_URL).rstrip("/")
    if not asked:
        return []
    me = yield call_of("GET", f"{base}/users/@me", bot_token=bot_token)
    if not is_message(me):  # it has an id, as a message has
        raise discord_errors.failure(me)
    where = f"{messages_url(outgoing)}?after={asked}&limit={LOOKED_THROUGH}"
    said = yield call_of("GET", where, bot_token=bot_token)
    if said.status != 200:
        raise discord_errors.failure(said)
    found = []
    for message in map(mapping, _listed(said)):
        ours = mapping(message.get("author")).get("id") == discord_errors.content(me)["id"]
        quotes = mapping(message.get("message_reference")).get("message_id") == asked
        if ours and quotes and string(message.get("content")).endswith(MARK.strip()):
            found.append(string(message.get("id")))
    return [each for each in found if is_id(each)]


def _listed(answer: Answer) -> list[object]:
    try:
        return list(items(orjson.loads(answer.body)))
    except orjson.JSONDecodeError:
        return []


def _so_far(text: str) -> str:
    """With its mark, where the text leaves room for it."""
    room = LONGEST_TEXT - len(MARK)
    return text.encode("utf-16-le")[: room * 2].decode("utf-16-le", "ignore") + MARK
