"""What does an event of LINE's say? What a person writes, sends, presses or takes back.

https://developers.line.biz/en/reference/messaging-api/#webhook-event-objects
"""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid5

from channels.channel import Decoded, HttpAnswer, Imitation, Unreadable
from channels.limits import fit_message
from channels.payload import count, integer, items, mapping, seconds, string
from channels.unsupported import name_kind
from parley.chat.v1 import message_pb2 as chat

OK = HttpAnswer(200, "application/json", b"{}")
CHAT = re.compile(r"[UCR][0-9a-f]{32}", re.ASCII)  # a person, a group, a room
LONGEST_KIND = 40
_BEHIND_A_CALL = re.compile(r"^[\s:,]+")
_IMITATED = UUID("0b0f9a57-5d0f-4a4e-8f0e-7a4d5c6b9e21")
_FILES = {
    "image": chat.ATTACHMENT_KIND_IMAGE,
    "video": chat.ATTACHMENT_KIND_VIDEO,
    "audio": chat.ATTACHMENT_KIND_AUDIO,
    "file": chat.ATTACHMENT_KIND_FILE,
}
# About the account and about groups: nothing was said.
_ASIDE = frozenset({"join", "leave", "memberJoined", "memberLeft", "videoPlayComplete"})


class _Kept(Exception):
    """An event that nobody here reads."""

    def __init__(self, kind: str) -> None:
        self.kind = kind[:LONGEST_KIND] or "no type"


def read(body: dict[str, Any]) -> Decoded:
    """Every event; one that cannot be read loses no other. Without any it is LINE's check of the URL."""
    messages: list[chat.ChannelMessage] = []
    unread: set[str] = set()
    for event in items(body.get("events")):
        try:
            message = _event(event) if isinstance(event, dict) else _malformed()
            if message:
                fit_message(message)
                messages.append(message)
        except _Kept as kept:
            unread.add(kept.kind)
        except Unreadable:
            unread.add("malformed")
    to = string(body.get("destination")) or None
    return Decoded(OK, tuple(messages), addressed_to=to, unread=" ".join(sorted(unread)))


def imitate(imitation: Imitation) -> dict[str, Any]:
    """A body with one text. Ids that are not LINE's become some."""
    sender = imitation.sender if CHAT.fullmatch(imitation.sender) else "U" + uuid5(_IMITATED, imitation.sender).hex
    number = uuid5(_IMITATED, imitation.message_id).hex
    event = {
        "type": "message",
        "mode": "active",
        "timestamp": int(imitation.now.timestamp() * 1000),
        "source": {"type": "user", "userId": sender},
        "webhookEventId": f"01{number[:24].upper()}",
        "deliveryContext": {"isRedelivery": False},
        "replyToken": number,
        "message": {"id": imitation.message_id, "type": "text", "text": imitation.text},
    }
    return {"destination": imitation.address, "events": [event]}


def _event(event: dict[str, Any]) -> chat.ChannelMessage | None:
    kind = string(event.get("type"))
    if kind in _ASIDE:
        return None
    if kind not in _READERS:
        raise _Kept(kind)
    source = mapping(event.get("source"))
    person = string(source.get("userId"))
    where = string(source.get("groupId")) or string(source.get("roomId")) or person
    message = chat.ChannelMessage(channel="line", chat_id=where, sender_id=person or where)
    message.provider_message_id = string(event.get("webhookEventId"))
    at = integer(event.get("timestamp")) or 0
    if seconds(at // 1000):
        message.provider_at.FromMilliseconds(at)
    message.metadata["kind"] = kind
    if event.get("mode") == "standby":  # another program answers this chat
        message.metadata["standby"], message.no_turn = "true", True
    _READERS[kind](message, event)
    return message


def _said(message: chat.ChannelMessage, event: dict[str, Any]) -> None:
    said, in_group = mapping(event.get("message")), not message.chat_id.startswith("U")
    kind = string(said.get("type"))
    message.provider_message_id = string(said.get("id"))
    message.reply_to_provider_message_id = string(said.get("quotedMessageId"))
    message.metadata["message_type"] = kind
    named = map(mapping, items(mapping(said.get("mention")).get("mentionees")))
    calls = [each for each in named if each.get("isSelf") is True]
    message.text = _text(said, calls) if kind == "text" else ""
    message.only_if_known = in_group and not calls
    if kind in _FILES:
        _attach(message, said, kind=_FILES[kind])
    elif kind == "sticker":
        words = string(said.get("text")) or ", ".join(filter(None, map(string, items(said.get("keywords")))))
        message.attachments.add(kind=chat.ATTACHMENT_KIND_STICKER, caption=words)
    elif kind == "location":
        label = " ".join(filter(None, (string(said.get("title")), string(said.get("address")))))
        place = f"{said.get('latitude')},{said.get('longitude')} {label}".rstrip()
        message.attachments.add(kind=chat.ATTACHMENT_KIND_LOCATION, caption=place)
    name_kind(message, kind)


def _text(said: dict[str, Any], calls: list[dict[str, Any]]) -> str:
    """Without the mention that only calls us, which would hide a command; a mention and nothing else stays.

    LINE counts in UTF-16 units: https://developers.line.biz/en/docs/messaging-api/text-character-count/
    """
    text = string(said.get("text"))
    units = text.encode("utf-16-le")
    for called in calls:
        begins = 2 * count(called.get("index"))
        ends = begins + 2 * count(called.get("length"))
        if not units[:begins].decode("utf-16-le", "ignore").strip():
            return _BEHIND_A_CALL.sub("", units[ends:].decode("utf-16-le", "ignore")) or text
    return text


def _attach(message: chat.ChannelMessage, said: dict[str, Any], *, kind: chat.AttachmentKind) -> None:
    """What lies elsewhere than at LINE has a URL, and no id to fetch it by."""
    elsewhere = string(mapping(said.get("contentProvider")).get("originalContentUrl"))
    message.attachments.add(
        kind=kind,
        url=elsewhere,
        provider_file_id="" if elsewhere else string(said.get("id")),
        file_name=string(said.get("fileName")),
        size_bytes=count(said.get("fileSize")),
    )


def _pressed(message: chat.ChannelMessage, event: dict[str, Any]) -> None:
    """A button or a menu; of a picker, what was picked. Who turns a page of the menu says nothing."""
    postback = mapping(event.get("postback"))
    message.no_turn |= mapping(postback.get("params")).get("newRichMenuAliasId") is not None
    picked = (string(each) for name, each in mapping(postback.get("params")).items() if name in _PICKED)
    message.text = next(filter(None, picked), "") or string(postback.get("data"))
    message.metadata["postback"] = string(postback.get("data"))


def _unsent(message: chat.ChannelMessage, event: dict[str, Any]) -> None:
    taken = string(mapping(event.get("unsend")).get("messageId"))
    message.provider_message_id, message.metadata["deleted"] = f"{taken}:deleted" if taken else "", taken
    message.takes_back, message.no_turn = taken, True
    message.only_if_known = not message.chat_id.startswith("U")  # whether it called us is not said


def _came_or_went(message: chat.ChannelMessage, _event: dict[str, Any]) -> None:
    """A person adds the account as a friend, or blocks it, and says nothing."""
    message.no_turn = True


def _malformed() -> chat.ChannelMessage:
    raise Unreadable("not an event")


_PICKED = frozenset({"date", "time", "datetime"})
_READERS: dict[str, Callable[[chat.ChannelMessage, dict[str, Any]], None]] = {
    "message": _said,
    "postback": _pressed,
    "unsend": _unsent,
    "follow": _came_or_went,
    "unfollow": _came_or_went,
}
