"""What does Instagram say when its professional account is asked to send? And it echoes what is sent.

https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api
"""

from collections.abc import Mapping
from typing import Any

from channels.channel import Webhook
from channels.payload import mapping, string
from sandbox.provider import Account, Ask, Draw, Handset, Person, Reply, Sign, Skin, Taken, Words, imitated
from sandbox.providers import graph

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
        ),
    )

    def __init__(self, account: Account) -> None:
        self._account = account
        self._id = account.values["INSTAGRAM_ACCOUNT_ID"]
        about = {"username": "sandbox", "user_id": self._id}
        self._door = graph.Door(
            self._id, account.values["INSTAGRAM_ACCESS_TOKEN"], account.values["META_APP_SECRET"], about
        )
        self._people: set[str] = set()

    def person(self, number: int) -> Person:
        """By an id that only this account knows them by."""
        return Person(str(FIRST_PERSON + number))

    def label(self, ask: Ask) -> str:
        """The edge, without the account."""
        return graph.label(ask)

    def answer(self, ask: Ask) -> Reply | Taken:
        """POST messages."""
        asked = self._door.asked(ask)
        if isinstance(asked, Reply):
            return asked
        to = string(mapping(asked.get("recipient")).get("id"))
        text = string(mapping(asked.get("message")).get("text"))
        if to not in self._people:
            return graph.refused(400, 100, message="No matching user found", subcode=2534014)
        if "sender_action" in asked:
            return _see(string(asked["sender_action"]), to=to)
        if not text.strip() or len(text.encode()) > LONGEST_BYTES:
            return graph.refused(400, 100, message="Length of param message[text] must be between 1 and 1000")
        id_ = f"mid.{self._account.draw(40)}"
        return Taken("instagram", to, id_, text, Reply(200, {"recipient_id": to, "message_id": id_}))

    def refuse(self, fault: str, seconds: int) -> Reply:
        """By code and subcode."""
        status, code, message, subcode = FAULTS[fault]
        return graph.refused(status, code, message=message, subcode=subcode, seconds=seconds)

    def say(self, channel: str, words: Words) -> Webhook:
        """As described by Meta."""
        self._people.add(words.person.id)
        return imitated(channel, words, account=self._account, message_id=f"mid.{self._account.draw(40)}")

    def receipt(self, taken: Taken, state: str, *, url: str) -> Webhook | None:
        """The echo of what was sent, or that it was seen."""
        at = int(self._account.now().timestamp() * 1000)
        ours, theirs = {"id": self._id}, {"id": taken.to}
        event: dict[str, Any] = {"sender": theirs, "recipient": ours, "timestamp": at, "read": {"mid": taken.id}}
        if state == "sent":
            said = {"mid": taken.id, "text": taken.text, "is_echo": True}
            event = {"sender": ours, "recipient": theirs, "timestamp": at, "message": said}
        entry = [{"time": at, "id": self._id, "messaging": [event]}]
        return graph.signed(url, {"object": "instagram", "entry": entry}, account=self._account)


def _see(action: str, *, to: str) -> Reply:
    """What the person sees of us."""
    if action not in {"mark_seen", "typing_on"}:
        return graph.refused(400, 100, message="Param sender_action is not valid")
    sign = Sign("instagram", to, writes_seconds=20 if action == "typing_on" else 0, reads=action == "mark_seen")
    return Reply(200, {"recipient_id": to}, sign=sign)
