"""What is a Telegram update, and how is one answered? https://core.telegram.org/bots/api

Updates are not signed: a secret in a header is all the proof there is. The bot's token stands in every URL, so no
error and no repr here ever holds a URL.
"""

import hmac
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType

import orjson

from channels import (
    telegram_drafts,
    telegram_errors,
    telegram_files,
    telegram_groups,
    telegram_replies,
    telegram_updates,
)
from channels.channel import (
    Answer,
    BadSignature,
    Call,
    Capabilities,
    CredentialField,
    Credentials,
    Decoded,
    DeliveryError,
    Flow,
    HttpAnswer,
    Imitation,
    Markup,
    Outgoing,
    Sent,
    TextLimit,
    Unauthorized,
    Unreadable,
    Webhook,
)
from channels.failures import error
from channels.media import Download, Finding, Wanted, Way
from channels.payload import integer, mapping, parse_json
from channels.presence import DraftManners, Drawing, Gesture, SignalKind
from channels.proof import Unsigned
from channels.telegram_rates import RATES

API_BASE_URL = "https://api.telegram.org"
TIMEOUT_SECONDS = 10.0
LET_GO_SECONDS = 3.0  # the reply waits for it
HEADER = "x-telegram-bot-api-secret-token"

# The response may name a method, which Telegram then runs blindly: never anything but this.
NOTHING = HttpAnswer(200, "application/json", b"{}")

# A rich message has 32,768 characters, each up to two escapes of six bytes, 500 blocks and 50 files; and what it
# answers comes with it. One that is refused is brought for a day, and nothing else of its chat.
LARGEST_BODY = 2 * 1024 * 1024

MEDIA_HOSTS = ("api.telegram.org",)
_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,100}", re.ASCII)
_CHAT = re.compile(r"(-?[0-9]{1,19}|@[A-Za-z0-9_]{1,64})(?::(d?[0-9]{1,19}))?", re.ASCII)


class Telegram:
    """A bot."""

    name = "telegram"
    provider = "telegram"
    max_text = TextLimit(size=4096, unit="utf16")
    markup: Markup = "telegram"
    credential_fields = (
        CredentialField(
            name="bot_token",
            environment="TELEGRAM_BOT_TOKEN",
            secret=True,
            required=True,
            description="Token that @BotFather gave; sends messages.",
        ),
        CredentialField(
            name="webhook_secret",
            environment="TELEGRAM_WEBHOOK_SECRET",
            secret=True,
            required=True,
            description="secret_token given to setWebhook (1 to 256 of A-Z a-z 0-9 _ -); proves each update.",
            verifies=True,
        ),
    )
    address_environment = ""
    formatting = (
        "This chat shows Markdown: bold, italic, lists, quotes, links, code and small tables. "
        "Keep an answer under 4,000 characters."
    )
    capabilities = Capabilities(
        receipts=False, reconciles=False, rates=RATES, repeats=True, largest_webhook=LARGEST_BODY
    )
    window = None
    # https://core.telegram.org/bots/api#sendchataction: "for 5 seconds or less"
    signals: Mapping[SignalKind, float] = MappingProxyType({"typing": 5.0})
    takes: tuple[Way, ...] = ("bytes",)
    captioned = telegram_files.CAPTIONED
    unreadable = NOTHING  # a failing head blocks its chat's queue for a day

    def authenticate(self, webhook: Webhook, credentials: Credentials) -> None:
        """Compares bytes: on non-ASCII text compare_digest raises."""
        secret = credentials.get("webhook_secret", "").encode()
        stated = webhook.headers.get(HEADER, "").encode("latin-1")
        if not stated:
            raise Unsigned(HEADER)
        if not secret or not hmac.compare_digest(stated, secret):
            raise BadSignature

    def decode(self, webhook: Webhook) -> Decoded:
        """One update; what we do not handle decodes to nothing. The body does not say for which bot it is."""
        update = webhook.parsed["update"] = parse_json(webhook.body)
        if integer(update.get("update_id")) is None:
            raise Unreadable("no update_id")
        message = telegram_updates.read(update)
        messages = (message,) if message else ()
        return Decoded(answer=NOTHING, messages=messages, unread=telegram_updates.unread(update))

    def is_overheard(self, webhook: Webhook, address: str) -> bool:
        """Only an account whose address is its bot's name can tell."""
        return address.startswith("@") and telegram_groups.is_aside(webhook.parsed["update"], address)

    def counted_by(self, credentials: Credentials) -> str:
        """The bot's number: to each bot a person's chat bears the person's id, and in each messages count from 1."""
        return credentials.get("bot_token", "").partition(":")[0]

    def handshake(self, _webhook: Webhook, _credentials: Credentials) -> HttpAnswer | None:
        """Telegram checks no URL."""
        return None

    def deliver(self, outgoing: Outgoing, credentials: Credentials) -> Flow:
        """One sendMessage; again when the group has become a supergroup, again in plain when the HTML is refused."""
        token, (chat_id, thread_id) = _token(credentials), _place(outgoing)
        yield from _let_go(outgoing, token)
        if telegram_drafts.is_message(outgoing.draft):
            ask, chat = _asker(outgoing, token), _chat(chat_id, thread_id)
            if (yield from telegram_drafts.take_the_place(ask, outgoing, chat=chat)):
                return Sent(outgoing.draft)
        answer = yield _call(outgoing, token, chat_id=chat_id, thread_id=thread_id)
        moved_to = telegram_errors.migrated(answer)
        if moved_to:
            answer = yield _call(outgoing, token, chat_id=moved_to)
        if outgoing.plain and telegram_errors.refuses_html(answer):
            where = (moved_to, None) if moved_to else (chat_id, thread_id)
            answer = yield _call(outgoing, token, chat_id=where[0], thread_id=where[1], plain=True)
        return Sent(_message_id(answer))

    def signal(self, outgoing: Outgoing, credentials: Credentials, *, kind: SignalKind) -> Gesture:
        """One sendChatAction, whose word for it is the same."""
        token, place = _token(credentials), _place(outgoing)
        if (place[1] or "").startswith(telegram_updates.DIRECT):
            return  # nothing can be shown to one person of those who write to a channel
        _done((yield _asking(outgoing, token, method="sendChatAction", body={**_chat(*place), "action": kind})))

    def give(self, outgoing: Outgoing, credentials: Credentials) -> Flow:
        """The bytes in a form. To the supergroup, when the group has become one; as a document where it is no photo."""
        url, (chat_id, thread_id) = _url(outgoing, _token(credentials)), _place(outgoing)
        answer = yield telegram_files.call(outgoing, url, chat_id=chat_id, thread_id=thread_id)
        if moved_to := telegram_errors.migrated(answer):
            chat_id, thread_id = moved_to, None
            answer = yield telegram_files.call(outgoing, url, chat_id=chat_id)
        if telegram_errors.refuses_photo(answer):
            answer = yield telegram_files.call(outgoing, url, chat_id=chat_id, thread_id=thread_id, as_it_is=True)
        return Sent(_message_id(answer))

    def fetch(self, wanted: Wanted, credentials: Credentials) -> Finding:
        """getFile names the path under which the file is read for an hour."""
        token, base = _token(credentials), _base(wanted)
        answer = yield _asking(wanted, token, method="getFile", body={"file_id": wanted.attachment.provider_file_id})
        return Download(f"{base}/file/bot{token}/{telegram_files.path(answer)}", MEDIA_HOSTS)

    def draft_manners(self, outgoing: Outgoing) -> DraftManners | None:
        """Previews that fade in private chats; messages in groups, where the account wants them."""
        return telegram_drafts.manners(outgoing)

    def draft(self, outgoing: Outgoing, credentials: Credentials, *, turn_id: str) -> Drawing:
        """In a group posted once, and edited from then on."""
        token, (chat_id, thread_id) = _token(credentials), _place(outgoing)
        if not chat_id.isdigit():
            return (yield from _draw(outgoing, token, chat_id=chat_id, thread_id=thread_id))
        named = {**_chat(chat_id, thread_id), "draft_id": telegram_drafts.number_of(turn_id)}
        body = {**named, "text": outgoing.text, "parse_mode": "HTML"}
        _done((yield _asking(outgoing, token, method="sendMessageDraft", body=body)))
        return ""

    def retract(self, outgoing: Outgoing, credentials: Credentials, *, turn_id: str) -> Gesture:
        """Deleted, where it does not fade by itself."""
        del turn_id
        token, (chat_id, thread_id) = _token(credentials), _place(outgoing)
        if not chat_id.isdigit():
            ask = _asker(outgoing, token)
            yield from telegram_drafts.take_back(ask, outgoing, chat=_chat(chat_id, thread_id))

    def imitate(self, imitation: Imitation, credentials: Credentials) -> Webhook:
        """As captured: see tests/golden."""
        headers = {"content-type": "application/json", HEADER: credentials.get("webhook_secret", "")}
        body = orjson.dumps(telegram_updates.imitate(imitation))
        return Webhook("POST", imitation.url, headers, body, imitation.now)


def is_token(text: str) -> bool:
    """Whether it looks like a bot's token; nothing else may stand in a URL in its place."""
    return bool(_TOKEN.fullmatch(text))


def _token(credentials: Credentials) -> str:
    token = credentials.get("bot_token", "")
    if not is_token(token):
        raise Unauthorized("the bot token is not one")
    return token


def _place(outgoing: Outgoing) -> tuple[str, str | None]:
    """The chat, and the topic in it."""
    chat = _CHAT.fullmatch(outgoing.chat_id)
    if not chat:
        raise error("recipient", provider_code="chat_id")
    return chat[1], chat[2]


def _call(outgoing: Outgoing, token: str, *, chat_id: str, thread_id: str | None = None, plain: bool = False) -> Call:
    body: dict[str, object] = {
        **_chat(chat_id, thread_id),
        **({"text": outgoing.plain} if plain else {"text": outgoing.text, "parse_mode": "HTML"}),
        # A preview makes Telegram fetch whatever URL the model wrote.
        "link_preview_options": {"is_disabled": True},
    }
    if quoted := telegram_replies.quoted(outgoing, chat_id):
        body["reply_parameters"] = {"message_id": quoted, "allow_sending_without_reply": True}
    return _asking(outgoing, token, method="sendMessage", body=body)


def _let_go(outgoing: Outgoing, token: str) -> Gesture:
    """A button that was pressed turns until it is answered, or Telegram gives up: whatever comes of that, we go on.
    https://core.telegram.org/bots/api#callbackquery"""
    if outgoing.part == 0 and outgoing.reply_to.startswith(telegram_updates.PRESSED):
        pressed, _, _ = outgoing.reply_to.removeprefix(telegram_updates.PRESSED).partition(":")
        body = {"callback_query_id": pressed}
        with suppress(DeliveryError):
            call = _asking(outgoing, token, method="answerCallbackQuery", body=body)
            yield replace(call, timeout_seconds=LET_GO_SECONDS)


def _draw(outgoing: Outgoing, token: str, *, chat_id: str, thread_id: str | None) -> Drawing:
    if not outgoing.draft:
        return _message_id((yield _call(outgoing, token, chat_id=chat_id, thread_id=thread_id)))
    answer = yield telegram_drafts.edit(_asker(outgoing, token), outgoing, chat=_chat(chat_id, thread_id))
    if not telegram_drafts.edited(answer):
        raise telegram_errors.refusal(answer)
    return outgoing.draft


def _chat(chat_id: str, thread_id: str | None) -> dict[str, object]:
    chat: dict[str, object] = {"chat_id": chat_id if chat_id.startswith("@") else int(chat_id)}
    return chat | {name: int(number) for name, number in telegram_files.topic(thread_id).items()}


def _asker(outgoing: Outgoing, token: str) -> telegram_drafts.Ask:
    return lambda method, body: _asking(outgoing, token, method=method, body=body)


def _asking(about: Outgoing | Wanted, token: str, *, method: str, body: Mapping[str, object]) -> Call:
    headers = {"content-type": "application/json", "accept": "application/json"}
    return Call("POST", f"{_url(about, token)}/{method}", headers, orjson.dumps(body), TIMEOUT_SECONDS)


def _base(about: Outgoing | Wanted) -> str:
    return (about.api_base_url or API_BASE_URL).rstrip("/")


def _url(about: Outgoing | Wanted, token: str) -> str:
    return f"{_base(about)}/bot{token}"


def _message_id(answer: Answer) -> str:
    number = integer(mapping(telegram_errors.content(answer).get("result")).get("message_id"))
    if telegram_errors.content(answer).get("ok") is True and number:
        return str(number)
    raise telegram_errors.refusal(answer)


def _done(answer: Answer) -> None:
    """Raises when it is not."""
    if telegram_errors.content(answer).get("ok") is not True:
        raise telegram_errors.refusal(answer)
