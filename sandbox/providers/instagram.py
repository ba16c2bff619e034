"""What does Instagram say when its professional account is asked to send? And it echoes what is sent.

https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api
"""

from collections.abc import Mapping
from typing import Any

from channels.channel import Webhook
from channels.payload import mapping, parse_json, string
from sandbox.files import UNREAD, Attached, File
from sandbox.provider import Account, Ask, Draw, Handset, Person, Reading, Reply, Sign, Skin, Taken, Words, imitated
from sandbox.providers import graph, graph_media

LONGEST_BYTES = 1000
FIRST_PERSON = 6_543_210_000_000_001
CLOSED = "This message is sent outside of allowed window."
# fault -> (HTTP status, code, what it says, subcode)
FAULTS = {
    "throttled": (429, 613, "Calls to this api have exceeded the rate limit.", 0),
    "broken": (500, 2, "Service temporarily unavailable", 0),
    "closed": (400, 10, CLOSED, 2534022),
}


def made_up(draw: Draw) -> Mapping[str, str]:
    """A professional account that nobody has."""
    return {
        **graph.app(draw),
        "INSTAGRAM_ACCESS_TOKEN": f"IGAA{draw(60)}",
        "INSTAGRAM_ACCOUNT_ID": "17841400000000001",
    }


class Instagram:
    """One professional account. It can write to people who wrote to it."""

    name = "instagram"
    handsets = (
        Handset(
            channel="instagram",
            title="Instagram",
            skin=Skin(bar="#7a3fb0", mine="#eadcfb", mine_dark="#5b2a86", wall="#ffffff", wall_dark="#0c0c0f"),
            receipts=("sent", "read"),
            faults=("closed",),
            captioned=frozenset(),
        ),
    )

    def __init__(self, account: Account) -> None:
        self._account = account
        self._id = account.values["INSTAGRAM_ACCOUNT_ID"]
        about = {"username": "sandbox", "user_id": self._id}
        self._door = graph.Door(
            self._id, account.values["INSTAGRAM_ACCESS_TOKEN"], account.values["META_APP_SECRET"], about
        )
        self._media = graph_media.Media(account, self._door)
        self._sent: dict[str, Mapping[str, Any]] = {}  # what files were sent, for their echoes
        self._people: set[str] = set()

    def person(self, number: int) -> Person:
        """By an id that only this account knows them by."""
        return Person(str(FIRST_PERSON + number))

    def label(self, ask: Ask) -> str:
        """The edge, without the account."""
        return graph_media.label(ask) or graph.label(ask)

    def answer(self, ask: Ask) -> Reply | Taken | Reading:
        """POST messages, and people's files. What is linked to is read before the answer."""
        if about_files := self._media.answer(ask):
            return about_files
        asked = self._door.asked(ask)
        if isinstance(asked, Reply):
            return asked
        to = string(mapping(asked.get("recipient")).get("id"))
        text = string(mapping(asked.get("message")).get("text"))
        if to not in self._people:
            return graph.refused(400, 100, message="No matching user found", subcode=2534014)
        if "sender_action" in asked:
            return _see(string(asked["sender_action"]), to=to)
        attachment = mapping(mapping(asked.get("message")).get("attachment"))
        if attachment:
            return self._reading(attachment, to=to, has_text=bool(text))
        if not text.strip() or len(text.encode()) > LONGEST_BYTES:
            return graph.refused(400, 100, message="Length of param message[text] must be between 1 and 1000")
        id_ = f"mid.{self._account.draw(40)}"
        return Taken("instagram", to, id_, text, Reply(200, {"recipient_id": to, "message_id": id_}))

    def _reading(self, attachment: Mapping[str, Any], *, to: str, has_text: bool) -> Reply | Reading:
        kind, url = string(attachment.get("type")), string(mapping(attachment.get("payload")).get("url"))
        if has_text or kind not in graph_media.INSTAGRAM or not url.startswith(("http://", "https://")):
            return graph.refused(400, 100, message="Invalid parameter")
        return Reading(url, lambda file: self._give(attachment, kind, to=to, file=file))

    def _give(self, attachment: Mapping[str, Any], kind: str, *, to: str, file: File | None) -> Reply | Taken:
        wrong = graph_media.wrong(file, kind, takes=graph_media.INSTAGRAM)
        if wrong:
            subcode = 2018008 if wrong == UNREAD else 2018047
            told = "Failed to fetch the file from the url" if wrong == UNREAD else "Upload attachment failure."
            return graph.refused(400, 100, message=told, subcode=subcode)
        id_ = f"mid.{self._account.draw(40)}"
        self._sent[id_] = attachment
        reply = Reply(200, {"recipient_id": to, "message_id": id_})
        return Taken("instagram", to, id_, "", reply, attached=Attached(file))

    def refuse(self, fault: str, seconds: int) -> Reply:
        """By code and subcode."""
        status, code, message, subcode = FAULTS[fault]
        return graph.refused(status, code, message=message, subcode=subcode, seconds=seconds)

    def say(self, channel: str, words: Words) -> Webhook:
        """As described by Meta."""
        self._people.add(words.person.id)
        webhook = imitated(channel, words, account=self._account, message_id=f"mid.{self._account.draw(40)}")
        if not words.file:
            return webhook
        body, url = parse_json(webhook.body), self._media.linked(words.file, words.base_url)
        message = body["entry"][0]["messaging"][0]["message"]
        message.pop("text")
        message["attachments"] = [{"type": words.file.kind, "payload": {"url": url}}]
        return graph.signed(webhook.url, body, account=self._account)

    def receipt(self, taken: Taken, state: str, *, url: str) -> Webhook | None:
        """The echo of what was sent, or that it was seen."""
        at = int(self._account.now().timestamp() * 1000)
        ours, theirs = {"id": self._id}, {"id": taken.to}
        event: dict[str, Any] = {"sender": theirs, "recipient": ours, "timestamp": at, "read": {"mid": taken.id}}
        if state == "sent":
            sent = self._sent.get(taken.id)
            said: dict[str, Any] = {"mid": taken.id, "is_echo": True}
            said |= {"attachments": [sent]} if sent else {"text": taken.text}
            event = {"sender": ours, "recipient": theirs, "timestamp": at, "message": said}
        entry = [{"time": at, "id": self._id, "messaging": [event]}]
        return graph.signed(url, {"object": "instagram", "entry": entry}, account=self._account)


def _see(action: str, *, to: str) -> Reply:
    """What the person sees of us."""
    if action not in {"mark_seen", "typing_on"}:
        return graph.refused(400, 100, message="Param sender_action is not valid")
    sign = Sign("instagram", to, writes_seconds=20 if action == "typing_on" else 0, reads=action == "mark_seen")
    return Reply(200, {"recipient_id": to}, sign=sign)
