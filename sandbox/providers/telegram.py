"""What does Telegram's Bot API say when it is asked to send? https://core.telegram.org/bots/api#sendmessage"""

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from channels.channel import Unreadable, Webhook
from channels.payload import integer, mapping, parse_form, parse_json
from channels.telegram import HEADER
from channels.telegram_updates import ALLOWED_UPDATES
from sandbox import formatting
from sandbox.files import Attached, File
from sandbox.forms import filled, is_form
from sandbox.provider import (
    Account,
    Ask,
    Draw,
    Handset,
    Kept,
    Later,
    Person,
    Reading,
    Reply,
    Sign,
    Skin,
    Taken,
    Words,
    imitated,
)
from sandbox.providers import telegram_media
from sandbox.providers.telegram_media import refused
from sandbox.providers.telegram_updates import Updates, done

LONGEST_TEXT = 4096  # UTF-16 units
FIRST_PERSON = 4_711_001

_PATH = re.compile(r"/bot(?P<token>[^/]*)/(?P<method>\w+)")
_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,100}")
_NUMBER = re.compile(r"-?[0-9]{1,18}")

Parameters = Mapping[str, Any]


def made_up(draw: Draw) -> Mapping[str, str]:
    """A bot that nobody has."""
    return {"TELEGRAM_BOT_TOKEN": f"4711000000:{draw(35)}", "TELEGRAM_WEBHOOK_SECRET": draw(48)}


class Telegram:
    """One bot. It can write to people who wrote to it, as at Telegram."""

    name = "telegram"
    handsets = (
        Handset(
            channel="telegram",
            title="Telegram",
            skin=Skin(bar="#3a7fb0", mine="#e3fdd1", mine_dark="#2b5278", wall="#d5e4d0", wall_dark="#0e1621"),
        ),
    )

    def __init__(self, account: Account) -> None:
        self._account = account
        self._token = account.values["TELEGRAM_BOT_TOKEN"]
        # Above all that an earlier sandbox gave out: a number is said once in a chat, or it is a repetition.
        self._number = int(account.now().timestamp())
        self._chats: set[int] = set()
        self._media = telegram_media.Media(account)
        self._updates = Updates()
        self._methods: dict[str, Callable[[Parameters], Reply | Taken | Reading | Later]] = {
            "getme": lambda _: done(self._bot()),
            "sendmessage": self._send,
            "sendchataction": self._act,
            "sendmessagedraft": self._draft,
            "getfile": self._get_file,
            **self._updates.methods(),
        }
        hook = {
            "url": account.webhook_url("telegram"),
            "secret_token": account.values["TELEGRAM_WEBHOOK_SECRET"],
            "allowed_updates": ALLOWED_UPDATES,
        }
        self._updates.set_webhook(hook)

    def person(self, number: int) -> Person:
        """By number; that is all a bot sees."""
        return Person(str(FIRST_PERSON + number))

    def label(self, ask: Ask) -> str:
        """The method, without the token before it."""
        path = _PATH.fullmatch(ask.path)
        return path["method"][:40] if path else "a file" if ask.path.startswith("/file/") else "something else"

    def answer(self, ask: Ask) -> Reply | Taken | Reading | Later:
        """Names of methods are not case sensitive; parameters come as JSON, as a form, or in the query."""
        if read := self._media.read(ask, self._token):
            return read
        path = _PATH.fullmatch(ask.path)
        if not path or not _TOKEN.fullmatch(path["token"]):
            return refused(404, "Not Found")
        if not hmac.compare_digest(path["token"], self._token):
            return refused(401, "Unauthorized")
        name = path["method"].lower()
        method = self._methods.get(name)
        try:
            if field := telegram_media.field_of(name):
                return self._send_file(_parameters(ask), field)
            return method(_parameters(ask)) if method else refused(404, "Not Found")
        except Unreadable:
            return refused(400, "Bad Request: can't parse JSON object")

    def refuse(self, fault: str, seconds: int) -> Reply:
        """429 says when to come again, in the body."""
        if fault == "throttled":
            return refused(429, f"Too Many Requests: retry after {seconds}", parameters={"retry_after": seconds})
        return refused(500, "Internal Server Error")

    def way(self, _channel: str) -> str:
        """As the bot has it: with a webhook, or without."""
        return "by getUpdates (long polling)" if self._is_listened_to else "by webhook"

    def say(self, channel: str, words: Words) -> Webhook | Kept:
        """An update, for the webhook or for whoever asks. The bot may write to this chat from now on."""
        self._chats.add(int(words.person.id))
        webhook = imitated(channel, words, account=self._account, message_id=str(self._next()))
        webhook = replace(webhook, body=self._with(words.file, webhook.body)) if words.file else webhook
        if self._is_listened_to:
            return self._updates.kept(parse_json(webhook.body))
        hook = self._updates.webhook
        if not hook:
            return webhook
        headers = {**webhook.headers, HEADER: str(hook.get("secret_token", ""))}
        return replace(webhook, url=str(hook.get("url", "")), headers=headers)

    @property
    def _is_listened_to(self) -> bool:
        """Without a webhook; where nobody said at the start where that is, once somebody asks."""
        return not self._updates.webhook and bool(self._account.public_url or self._updates.asked)

    def receipt(self, _taken: Taken, _state: str, *, url: str) -> Webhook | None:
        """Telegram has none."""
        del url
        return None

    def _act(self, asked: Parameters) -> Reply:
        """For five seconds at most. Other actions than typing look no different here."""
        if asked.get("action") != "typing":
            return self._refusal(asked) or refused(400, "Bad Request: wrong parameter action in request")
        sign = Sign("telegram", str(asked.get("chat_id", "")), writes_seconds=5)
        return self._refusal(asked) or replace(done(True), sign=sign)

    def _draft(self, asked: Parameters) -> Reply:
        """For thirty seconds at most, and in private chats; an empty one is a placeholder."""
        try:
            runs = _read(asked)
        except formatting.Unparsed as wrong:
            return refused(400, f"Bad Request: can't parse entities: {wrong}")
        if not isinstance(asked.get("draft_id"), int) or not asked["draft_id"]:
            return refused(400, "Bad Request: draft_id must be non-zero")
        text = formatting.plain(runs)
        refusal = self._refusal(asked) or (_unsendable(asked, text) if text else None)
        shown = runs if text else (formatting.Run("Thinking..."),)
        sign = Sign("telegram", str(asked.get("chat_id", "")), draft=shown, draft_seconds=30)
        return refusal or replace(done(True), sign=sign)

    def _send(self, asked: Parameters) -> Reply | Taken:
        try:
            runs = _read(asked)
        except formatting.Unparsed as wrong:
            return refused(400, f"Bad Request: can't parse entities: {wrong}")
        text = formatting.plain(runs)
        refusal = self._refusal(asked) or _unsendable(asked, text)
        if refusal:
            return refusal
        chat, number = str(asked["chat_id"]), self._next()
        result = self._message(chat, number) | {"text": text}
        return Taken("telegram", chat, str(number), text, done(result), runs=runs)

    def _with(self, file: File, body: bytes) -> bytes:
        """The update with a file, under which the words stand."""
        update = parse_json(body)
        text = update["message"].pop("text")
        update["message"] |= self._media.said(file) | ({"caption": text} if text else {})
        return orjson.dumps(update)

    def _get_file(self, asked: Parameters) -> Reply:
        found = self._media.got(asked)
        if isinstance(found, Reply):
            return found
        told = {"file_id": found.id, "file_unique_id": found.id[-16:], "file_size": len(found.file.content)}
        return done(told | {"file_path": found.path})

    def _send_file(self, asked: Parameters, field: str) -> Reply | Taken | Reading:
        """Its bytes stand in the form; or its id does, or a URL, which Telegram reads by itself."""
        given = asked.get(field)
        if isinstance(given, str) and given.startswith(("http://", "https://")):
            return Reading(given, lambda file: self._give(asked, field, file=file))
        if not given:
            return refused(400, f"Bad Request: there is no {field} in the request")
        if isinstance(given, File):
            return self._give(asked, field, file=given)
        known = self._media.got({"file_id": given})
        return known if isinstance(known, Reply) else self._give(asked, field, file=known.file)

    def _give(self, asked: Parameters, field: str, *, file: File | None) -> Reply | Taken:
        if file is None:
            return refused(400, "Bad Request: failed to get HTTP URL content")
        caption = str(asked.get("caption", ""))
        if len(caption.encode("utf-16-le", "surrogatepass")) // 2 > telegram_media.LONGEST_CAPTION:
            return refused(400, "Bad Request: message caption is too long")
        if refusal := self._refusal(asked) or telegram_media.wrong(field, file):
            return refusal
        chat, number = str(asked["chat_id"]), self._next()
        result = self._message(chat, number) | self._media.described(field, file)
        result |= {"caption": caption} if caption else {}
        return Taken("telegram", chat, str(number), caption, done(result), attached=Attached(file))

    def _message(self, chat: str, number: int) -> dict[str, Any]:
        return {
            "message_id": number,
            "from": self._bot(),
            "chat": {"id": int(chat), "first_name": "Ann", "type": "private"},
            "date": int(self._account.now().timestamp()),
        }

    def _refusal(self, asked: Parameters) -> Reply | None:
        """What is wrong with the chat."""
        chat = str(asked.get("chat_id", ""))
        if not chat:
            return refused(400, "Bad Request: chat_id is empty")
        known = _NUMBER.fullmatch(chat) and int(chat) in self._chats
        return None if known else refused(400, "Bad Request: chat not found")

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _bot(self) -> dict[str, Any]:
        number = int(self._token.partition(":")[0])
        return {"id": number, "is_bot": True, "first_name": "Parley", "username": "parley_sandbox_bot"}


def _read(asked: Parameters) -> tuple[formatting.Run, ...]:
    """What stands there once its HTML is read. Other modes than HTML are not known here."""
    text = asked.get("text")
    stated = text if isinstance(text, str) else ""
    return formatting.telegram(stated) if asked.get("parse_mode") == "HTML" else (formatting.Run(stated),)


def _unsendable(asked: Parameters, text: str) -> Reply | None:
    if not text.strip():
        return refused(400, "Bad Request: message text is empty")
    if len(text.encode("utf-16-le", "surrogatepass")) // 2 > LONGEST_TEXT:
        return refused(400, "Bad Request: message is too long")
    if asked.get("message_thread_id"):
        return refused(400, "Bad Request: message thread not found")  # a private chat has none
    quoted = mapping(asked.get("reply_parameters"))
    if quoted and integer(quoted.get("message_id")) is None:
        return refused(400, "Bad Request: object expected as reply parameters")
    return None


def _parameters(ask: Ask) -> Parameters:
    asked: dict[str, Any] = {name: values[0] for name, values in parse_form(ask.query).items()}
    if ask.headers.get("content-type", "").startswith("application/json"):
        return asked | parse_json(ask.body)
    if is_form(ask):
        form = filled(ask)
        return asked | form.fields | form.files
    for name, values in parse_form(ask.body).items():
        asked[name] = parse_json(values[0].encode()) if values[0].startswith("{") and name != "text" else values[0]
    return asked
