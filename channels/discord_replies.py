"""How is a part of a reply sent? By the interaction that it answers while its token is good, else into the channel.

https://docs.discord.com/developers/interactions/receiving-and-responding#followup-messages
https://docs.discord.com/developers/resources/message#create-message
"""

from collections.abc import Generator
from dataclasses import replace
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import orjson

from channels import discord_errors
from channels.channel import Answer, Call, DeliveryError, Flow, Outgoing, Sent, TextLimit, Unavailable, Unknown
from channels.discord_changes import message_number
from channels.discord_ids import is_id
from channels.discord_interactions import EDIT
from channels.failures import error
from channels.file_kinds import MEGABYTE, link
from channels.files import multipart
from channels.payload import integer, string
from channels.presence import Gesture

API_BASE_URL = "https://discord.com/api/v10"
TIMEOUT_SECONDS = 10.0
UPLOAD_SECONDS = 30.0
# Without one of this form Cloudflare may refuse: https://docs.discord.com/developers/reference#user-agent
USER_AGENT = "DiscordBot (https://parley.example, 0.1)"
MAX_TEXT = TextLimit(size=2000, unit="utf16")
LARGEST_FILE = 10 * MEGABYTE
LONGEST_NONCE = 25
LOADING = 1 << 7  # flag of the message that says "thinking …"
SUPPRESS_EMBEDS = 1 << 2  # a preview makes Discord fetch whatever URL the model wrote
MAY_NOT_QUOTE = 160002
LOST = frozenset({502, 504})  # something in between gave up; what stands behind it may have sent

Asking = Generator[Call, Answer, Answer]


class _Lapsed(Exception):
    """The interaction takes no more replies."""


def deliver(outgoing: Outgoing, bot_token: str) -> Flow:
    """Interactions end after 15 minutes; that is heard, not reckoned: a refused reply was not sent."""
    webhook = _webhook(outgoing)
    if webhook:
        try:
            return (yield from _by_interaction(outgoing, webhook))
        except _Lapsed:
            pass
    return (yield from _by_channel(outgoing, bot_token))


def signal(outgoing: Outgoing, bot_token: str) -> Gesture:
    """Somebody writes, in the channel."""
    if _webhook(outgoing):
        return
    base = (outgoing.api_base_url or API_BASE_URL).rstrip("/")
    answer = yield call_of("POST", f"{base}/channels/{outgoing.chat_id}/typing", bot_token=bot_token)
    if not 200 <= answer.status < 300:
        raise discord_errors.failure(answer)


def _by_interaction(outgoing: Outgoing, webhook: str) -> Flow:
    """The first reply takes the place of "thinking …", every other is a message of its own."""
    if outgoing.part == 0 and outgoing.reply_metadata.get("reply") == EDIT:
        sent = yield from _edit(outgoing, f"{webhook}/messages/@original")
        if sent:
            return sent
    # No nonce is taken here, so an answer that is lost stays unknown.
    answer = yield call_of("POST", webhook, body=body_of(outgoing))
    return Sent(string(_taken(answer)["id"]))


def _edit(outgoing: Outgoing, original: str) -> Generator[Call, Answer, Sent | None]:
    """None when another reply stands there: a second one to the same command must not overwrite it.

    Where "thinking" were not to be told by its flag, the follow-up that comes then takes its place all the same.
    """
    try:
        looked = yield call_of("GET", original)
        if looked.status == 404 and discord_errors.code_of(looked) == 10008:  # somebody deleted it
            return None
        shown = _taken(looked)
    except Unknown as lost:
        raise Unavailable(provider_code=lost.provider_code) from None  # to look is not to send
    if (integer(shown.get("flags")) or 0) & LOADING:
        answer = yield from surely(call_of("PATCH", original, body=body_of(outgoing)))
        return Sent(string(_taken(answer)["id"]))
    is_ours = string(shown.get("content")).strip() == outgoing.text.strip()
    return Sent(string(shown["id"])) if is_ours else None


def _by_channel(outgoing: Outgoing, bot_token: str) -> Flow:
    """With a nonce: the same one within a few minutes is the same message."""
    url = messages_url(outgoing)
    body = body_of(outgoing) | {"nonce": _nonce(outgoing), "enforce_nonce": True}
    quoted = quoted_by(outgoing)
    answer = yield from surely(call_of("POST", url, body=body | quoted, bot_token=bot_token))
    if quoted and discord_errors.code_of(answer) == MAY_NOT_QUOTE:
        answer = yield from surely(call_of("POST", url, body=body, bot_token=bot_token))
    if not is_message(answer):
        raise discord_errors.failure(answer)
    return Sent(string(discord_errors.content(answer)["id"]))


def give(outgoing: Outgoing, bot_token: str) -> Flow:
    """A message with a file, by its nonce the same one when it is posted twice. An interaction's reply takes its place
    among the others: this one goes into the channel. How large a file may be is the server's: where it is too large
    the link to it is said.

    https://docs.discord.com/developers/reference#uploading-files
    """
    if outgoing.file is None:
        raise error("payload", provider_code="no_file")
    named = {"attachments": [{"id": 0, "filename": outgoing.file.name}]}
    said = body_of(outgoing) | named | {"nonce": _nonce(outgoing), "enforce_nonce": True}
    content_type, body = multipart({"payload_json": orjson.dumps(said).decode()}, outgoing.file, field="files[0]")
    headers = {"user-agent": USER_AGENT, "accept": "application/json", "content-type": content_type}
    headers["authorization"] = f"Bot {bot_token}"
    url = messages_url(outgoing)
    answer = yield from surely(Call("POST", url, headers, body, UPLOAD_SECONDS))
    if discord_errors.is_too_large(answer) and (words := link(outgoing.file, outgoing.text, limit=MAX_TEXT)):
        return (yield from _by_channel(replace(outgoing, text=words), bot_token))
    if not is_message(answer):
        raise discord_errors.failure(answer)
    return Sent(string(discord_errors.content(answer)["id"]))


def messages_url(outgoing: Outgoing) -> str:
    """Of the channel."""
    return f"{(outgoing.api_base_url or API_BASE_URL).rstrip('/')}/channels/{outgoing.chat_id}/messages"


def surely(call: Call) -> Asking:
    """The answer to a call that does no more when it is made twice. Was the first lost, only a message is certain."""
    lost: DeliveryError
    try:
        answer = yield call
        if not _is_lost(answer):
            return answer
        lost = discord_errors.failure(answer)
    except Unknown as unknown:
        lost = unknown
    try:
        again = yield call
    except DeliveryError:
        raise lost from None
    if is_message(again):
        return again
    raise lost


def _is_lost(answer: Answer) -> bool:
    return answer.status in LOST or (200 <= answer.status < 300 and not is_message(answer))


def is_message(answer: Answer) -> bool:
    """Whether it is one that was taken."""
    return 200 <= answer.status < 300 and is_id(string(discord_errors.content(answer).get("id")))


def _taken(answer: Answer) -> dict[str, Any]:
    """The message that an interaction's webhook gave. Raises _Lapsed, or what else was wrong."""
    if is_message(answer):
        return discord_errors.content(answer)
    if discord_errors.has_lapsed(answer):
        raise _Lapsed
    raise discord_errors.failure(answer)


def _webhook(outgoing: Outgoing) -> str:
    """Where the interaction takes replies; "" when what is answered was none. Its token stands in the URL."""
    application = outgoing.reply_metadata.get("application_id", "")
    token = outgoing.reply_metadata.get("interaction_token", "")
    if not token or not is_id(application):
        return ""
    base = (outgoing.api_base_url or API_BASE_URL).rstrip("/")
    return f"{base}/webhooks/{application}/{quote(token, safe='')}"


def body_of(outgoing: Outgoing) -> dict[str, Any]:
    """Nothing that a model writes can call anybody."""
    return {"content": outgoing.text, "allowed_mentions": {"parse": []}, "flags": SUPPRESS_EMBEDS}


def quoted_by(outgoing: Outgoing) -> dict[str, Any]:
    """Who is answered, where others read along. An interaction is no message, and cannot be quoted."""
    alone = outgoing.reply_metadata.get("context") == "bot_dm"
    number = message_number(outgoing.reply_to)
    if outgoing.part or alone or not number:
        return {}
    return {"message_reference": {"message_id": number, "fail_if_not_exists": False}}


def _nonce(outgoing: Outgoing) -> str:
    return sha256(f"{outgoing.delivery_id}.{outgoing.part}".encode()).hexdigest()[:LONGEST_NONCE]


def call_of(method: str, url: str, *, body: dict[str, Any] | None = None, bot_token: str = "") -> Call:
    """One call. An interaction's URL is all the proof that it needs: the bot's token is shown to channels only."""
    headers = {"user-agent": USER_AGENT, "accept": "application/json"}
    if bot_token:
        headers["authorization"] = f"Bot {bot_token}"
    if body is not None:
        headers["content-type"] = "application/json"
    return Call(method, url, headers, b"" if body is None else orjson.dumps(body), TIMEOUT_SECONDS)
