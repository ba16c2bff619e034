"""What does LINE's Messaging API say when an official account pushes a message, or asks for what a person sent?

https://developers.line.biz/en/reference/messaging-api/ and https://github.com/line/line-openapi
"""

import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson

from channels.channel import Unreadable, Webhook
from channels.line import HEADER, sign
from channels.payload import items, mapping, parse_json, string
from sandbox.files import TOO_LARGE, UNREAD, WRONG_TYPE, Attached, File
from sandbox.provider import Account, Ask, Draw, Handset, Person, Reply, Sign, Skin, Taken, Trying, Words, imitated

LONGEST_TEXT, LONGEST_URL, MOST_MESSAGES = 5000, 2000, 5
LARGEST_PICTURE = 10 * 1024 * 1024
REPLY_WITHIN = timedelta(minutes=1)
BOT = f"U{'b07':0>32}"
HERE = frozenset({"localhost", "127.0.0.1"})
# fault -> (HTTP status, what it says)
FAULTS = {
    "throttled": (429, "The API rate limit has been exceeded. Try again later."),
    "used_up": (429, "You have reached your monthly limit."),
    "broken": (500, "Internal server error"),
}

_PATH = "/v2/bot/"
_CONTENT = re.compile(r"/v2/bot/message/(?P<id>[0-9]{1,64})/content")
_PROFILE = re.compile(r"/v2/bot/profile/(?P<user>U[0-9a-f]{32})")
_ENDPOINT, _TEST = "/v2/bot/channel/webhook/endpoint", "/v2/bot/channel/webhook/test"
_RECEIVER = re.compile(r"[UCR][0-9a-f]{32}")


def made_up(draw: Draw) -> Mapping[str, str]:
    """A channel of the Messaging API that nobody has."""
    return {"LINE_CHANNEL_SECRET": draw(32), "LINE_CHANNEL_ACCESS_TOKEN": f"{draw(160)}="}


class Line:
    """One official account, and people who added it as a friend by writing to it."""

    name = "line"
    handsets = (
        Handset(
            channel="line",
            title="LINE",
            skin=Skin(bar="#06773a", mine="#b5f0a0", mine_dark="#2f6b3c", wall="#c3d4ea", wall_dark="#0f1a26"),
            faults=("used_up",),
            captioned=frozenset(),
        ),
    )

    def __init__(self, account: Account) -> None:
        self._account = account
        self._token = account.values["LINE_CHANNEL_ACCESS_TOKEN"]
        self._endpoint = account.webhook_url("line")
        self._number = int(account.now().timestamp()) * 1000  # above all that an earlier sandbox gave out
        self._people: set[str] = set()
        self._reply_tokens: dict[str, tuple[str, datetime]] = {}
        self._accepted: dict[str, Mapping[str, Any]] = {}  # by retry key
        self._methods = {
            ("GET", f"{_PATH}info"): lambda _: Reply(200, _BOT),
            ("POST", f"{_PATH}message/push"): self._push,
            ("POST", f"{_PATH}message/reply"): self._reply,
            ("POST", f"{_PATH}chat/loading/start"): self._load,
            ("GET", _ENDPOINT): lambda _: self._shown(),
            ("PUT", _ENDPOINT): self._set_endpoint,
            ("POST", _TEST): self._test,
        }

    def person(self, number: int) -> Person:
        """By an id that only this account's provider knows them by."""
        return Person(f"U{number + 1:032x}")

    def label(self, ask: Ask) -> str:
        """The resource, without ids."""
        if _CONTENT.fullmatch(ask.path):
            return f"{ask.method} content"
        known = (ask.method, ask.path) in self._methods
        rest = (
            ask.path.removeprefix(_PATH) if known else "profile" if _PROFILE.fullmatch(ask.path) else "something else"
        )
        return f"{ask.method} {rest}"

    def answer(self, ask: Ask) -> Reply | Taken | Trying:
        """By the channel's access token, whatever is asked."""
        stated = ask.headers.get("authorization", "").encode("latin-1", "replace")
        if not hmac.compare_digest(stated, f"Bearer {self._token}".encode()):
            return refused(
                401, "Authentication failed. Confirm that the access token in the authorization header is valid."
            )
        content, profile = _CONTENT.fullmatch(ask.path), _PROFILE.fullmatch(ask.path)
        if content or profile:
            return self._content(content["id"]) if content else self._profile(profile["user"] if profile else "")
        method = self._methods.get((ask.method, ask.path))
        try:
            return method(ask) if method else refused(404, "Not found")
        except Unreadable:
            return refused(400, "The request body could not be parsed as JSON")

    def refuse(self, fault: str, seconds: int) -> Reply:
        """Its words tell them apart. The real one does not say for how long."""
        status, message = FAULTS[fault]
        return Reply(status, {"message": message}, {"retry-after": str(seconds)} if fault == "throttled" else {})

    def say(self, channel: str, words: Words) -> Webhook:
        """A message event. Its reply token is good for a minute."""
        self._people.add(words.person.id)
        self._number += 1
        webhook = imitated(channel, words, account=self._account, message_id=str(self._number))
        body = parse_json(webhook.body)
        (event,) = body["events"]
        self._reply_tokens[event["replyToken"]] = (words.person.id, words.now)
        if words.file:
            event["message"] = self._file(words.file)
        return self._signed(self._endpoint or words.url, {"destination": BOT, "events": [event]})

    def receipt(self, _taken: Taken, _state: str, *, url: str) -> Webhook | None:
        """LINE has none."""
        del url
        return None

    def _file(self, file: File) -> dict[str, Any]:
        """The person's message, under whose id the bytes are read."""
        self._account.shelf.put(f"line:{self._number}", file)
        said: dict[str, Any] = {"id": str(self._number), "type": file.kind}
        if file.kind == "file":
            return said | {"fileName": file.name, "fileSize": len(file.content)}
        said |= {"contentProvider": {"type": "line"}}
        return said | ({"quoteToken": self._account.draw(32)} if file.kind == "image" else {"duration": 1000})

    def _content(self, number: str) -> Reply:
        file = self._account.shelf.get(f"line:{number}")
        return Reply(200, {}, file=file) if file else refused(404, "Not found")

    def _profile(self, user: str) -> Reply:
        known = user in self._people
        return (
            Reply(200, {"displayName": "Ann", "userId": user, "language": "en"}) if known else refused(404, "Not found")
        )

    def _push(self, ask: Ask) -> Reply | Taken:
        key, asked = ask.headers.get("x-line-retry-key", ""), parse_json(ask.body)
        to = string(asked.get("to"))
        if key and not _is_uuid(key):
            return refused(400, "The retry key is invalid")
        if key in self._accepted:
            message = "The retry key is already accepted"
            return Reply(409, {"message": message, **self._accepted[key]}, {"x-line-accepted-request-id": key})
        if not _RECEIVER.fullmatch(to) or to not in self._people:
            return refused(400, "The property, 'to', in the request body is invalid (line: -, column: -)")
        return self._sent(asked, to, key=key)

    def _reply(self, ask: Ask) -> Reply | Taken:
        asked = parse_json(ask.body)
        token = string(asked.get("replyToken"))
        to, since = self._reply_tokens.get(token, ("", self._account.now()))
        if not to or self._account.now() - since > REPLY_WITHIN:
            return refused(400, "Invalid reply token")
        sent = self._sent(asked, to)
        if isinstance(sent, Taken):
            del self._reply_tokens[token]
        return sent

    def _sent(self, asked: Mapping[str, Any], to: str, *, key: str = "") -> Reply | Taken:
        """Several messages at once are shown as one."""
        messages = [mapping(each) for each in items(asked.get("messages"))]
        if wrong := _wrong(messages):
            return refused(400, f"The request body has {len(wrong)} error(s)", details=wrong)
        self._number += 1
        content = {"sentMessages": [{"id": str(self._number + index)} for index in range(len(messages))]}
        self._number += len(messages)
        text = "\n".join(filter(None, (string(each.get("text")) for each in messages)))
        url = next(filter(None, (string(each.get("originalContentUrl")) for each in messages)), "")
        attached = Attached(url=url, judge=_unshown) if url else None
        number = content["sentMessages"][0]["id"]

        def keep() -> None:
            if key:
                self._accepted[key] = content

        return Taken("line", to, number, text, Reply(200, content), attached=attached, keep=keep)

    def _load(self, ask: Ask) -> Reply:
        """The loading animation: 5 to 60 seconds, in fives, and with one person."""
        asked = parse_json(ask.body)
        to, seconds = string(asked.get("chatId")), asked.get("loadingSeconds", 20)
        if to not in self._people:
            return refused(400, "The value for the 'chatId' parameter is invalid")
        if type(seconds) is not int or not 5 <= seconds <= 60 or seconds % 5:
            return refused(400, "The value for the 'loadingSeconds' parameter is invalid")
        return Reply(202, {}, sign=Sign("line", to, writes_seconds=float(seconds)))

    def _shown(self) -> Reply:
        told = {"endpoint": self._endpoint, "active": True}
        return Reply(200, told) if self._endpoint else refused(404, "Webhook endpoint is not set")

    def _set_endpoint(self, ask: Ask) -> Reply:
        """The real one takes https alone, and this one the gateway of this machine."""
        url = string(parse_json(ask.body).get("endpoint"))
        if urlsplit(url).scheme not in ("http", "https") or len(url) > 500:
            return refused(400, "Invalid webhook endpoint URL")
        self._endpoint = url
        return Reply(200, {})

    def _test(self, ask: Ask) -> Reply | Trying:
        """An event without content, signed as all are."""
        url = string(parse_json(ask.body or b"{}").get("endpoint")) or self._endpoint
        if not url:
            return refused(404, "Webhook endpoint is not set")
        at = self._account.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")

        def then(status: int, problem: str) -> Reply:
            reason = "OK" if 200 <= status < 300 else "ERROR_STATUS_CODE" if status else "COULD_NOT_CONNECT"
            told = {"success": reason == "OK", "timestamp": at, "statusCode": status, "reason": reason}
            return Reply(200, told | {"detail": problem or str(status)})

        return Trying(self._signed(url, {"destination": BOT, "events": []}), then)

    def _signed(self, url: str, content: Mapping[str, Any]) -> Webhook:
        body = orjson.dumps(content)
        headers = {"content-type": "application/json; charset=utf-8", "user-agent": "LineBotWebhook/2.0"}
        headers[HEADER] = sign(body, self._account.values["LINE_CHANNEL_SECRET"])
        return Webhook("POST", url, headers, body, self._account.now())


_BOT = {"userId": BOT, "basicId": "@000sandbox", "displayName": "Sandbox", "chatMode": "bot", "markAsReadMode": "auto"}


def refused(status: int, message: str, *, details: list[dict[str, str]] | None = None) -> Reply:
    """LINE's own shape of an error."""
    return Reply(status, {"message": message} | ({"details": details} if details else {}))


def _wrong(messages: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Every detail, as LINE lists them."""
    if not 1 <= len(messages) <= MOST_MESSAGES:
        return [{"message": f"Size must be between 1 and {MOST_MESSAGES}", "property": "messages"}]
    found = ((number, *each) for number, message in enumerate(messages) for each in _wrong_in(message))
    return [{"message": said, "property": f"messages[{number}].{where}"} for number, where, said in found]


def _wrong_in(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    kind = message.get("type")
    if kind == "text":
        text = string(message.get("text"))
        too_long = len(text.encode("utf-16-le", "surrogatepass")) // 2 > LONGEST_TEXT
        blank = [("text", "May not be empty")] if not text.strip() else []
        return [("text", f"Length must be between 0 and {LONGEST_TEXT}")] if too_long else blank
    if kind != "image":
        return [("type", "Must be one of the following values: [text, image]")]
    return [
        (name, "Must be a valid HTTPS URL")
        for name in ("originalContentUrl", "previewImageUrl")
        if not _is_url(message.get(name))
    ]


def _unshown(file: File | None) -> str:
    """LINE looks at no picture: its app shows those that it can."""
    if file is None:
        return UNREAD
    if file.bare_type not in ("image/jpeg", "image/png"):
        return WRONG_TYPE
    return TOO_LARGE if len(file.content) > LARGEST_PICTURE else ""


def _is_url(stated: object) -> bool:
    """The real one takes https alone, and this one the gateway of this machine."""
    parts = urlsplit(string(stated)[: LONGEST_URL + 1])
    return len(string(stated)) <= LONGEST_URL and (parts.scheme == "https" or parts.hostname in HERE)


def _is_uuid(key: str) -> bool:
    try:
        return str(UUID(key)) == key.lower()
    except ValueError:
        return False
