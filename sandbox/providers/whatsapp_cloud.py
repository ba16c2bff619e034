"""What does WhatsApp's Cloud API say when it is asked to send, and how does it report what became of it?

https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages
"""

import re
from collections.abc import Mapping
from typing import Any

from channels.channel import Webhook
from channels.payload import mapping, string
from sandbox import formatting
from sandbox.provider import Account, Ask, Draw, Handset, Person, Reply, Sign, Skin, Taken, Words, imitated
from sandbox.providers import graph

LONGEST_TEXT = 4096
# What our word for a status is at Meta, and its error: (status, code, title).
STATUSES = {
    "sent": ("sent", 0, ""),
    "delivered": ("delivered", 0, ""),
    "read": ("read", 0, ""),
    "refused": ("failed", 131047, "Re-engagement message"),
}
_PERSON = re.compile(r"\+?[0-9]{5,20}|[A-Z]{2}\.[A-Za-z0-9.]{1,140}")


def made_up(draw: Draw) -> Mapping[str, str]:
    """A number that nobody has."""
    return {
        **graph.app(draw),
        "WHATSAPP_ACCESS_TOKEN": f"EAA{draw(60)}",
        "WHATSAPP_PHONE_NUMBER_ID": "106500000000001",
    }


class WhatsAppCloud:
    """One number at Meta."""

    name = "whatsapp"
    handsets = (
        Handset(
            channel="whatsapp_cloud",
            title="WhatsApp Cloud",
            skin=Skin(bar="#00705f", mine="#d9fdd3", mine_dark="#005c4b", wall="#efeae2", wall_dark="#0b141a"),
            receipts=("sent", "delivered", "read"),
            faults=("window",),
        ),
    )

    def __init__(self, account: Account) -> None:
        self._account = account
        self._number_id = account.values["WHATSAPP_PHONE_NUMBER_ID"]
        self._door = graph.Door(
            self._number_id,
            account.values["WHATSAPP_ACCESS_TOKEN"],
            account.values["META_APP_SECRET"],
            {"verified_name": "Sandbox", "display_phone_number": "+1 500 000 0000"},
        )
        self._heard: dict[str, str] = {}  # what people wrote -> who
        self._marks: dict[str, str] = {}  # message -> what the sender wants to find it by

    def person(self, number: int) -> Person:
        """Numbers of the block that is kept for films, as Meta writes them."""
        return Person(f"1202555{150 + number % 50:04d}")

    def label(self, ask: Ask) -> str:
        """The edge, without the account."""
        return graph.label(ask)

    def answer(self, ask: Ask) -> Reply | Taken:
        """POST messages."""
        asked = self._door.asked(ask)
        if isinstance(asked, Reply):
            return asked
        if "status" in asked:
            return self._see(asked)
        text = string(mapping(asked.get("text")).get("body"))
        to = string(asked.get("to")) or string(asked.get("recipient"))
        wrong = _wrong(asked, text, to=to)
        if wrong:
            return wrong
        id_ = f"wamid.{self._account.draw(40)}"
        self._marks[id_] = string(asked.get("biz_opaque_callback_data"))
        contacts = [{"input": to, "wa_id": to.removeprefix("+")}]
        content = {"messaging_product": "whatsapp", "contacts": contacts, "messages": [{"id": id_}]}
        runs = formatting.whatsapp(text)
        shown = formatting.plain(runs)
        return Taken("whatsapp_cloud", to.removeprefix("+"), id_, shown, Reply(200, content), runs=runs)

    def _see(self, asked: Mapping[str, Any]) -> Reply:
        """Their message was read, and perhaps answered soon."""
        to = self._heard.get(string(asked.get("message_id")))
        if asked.get("status") != "read" or not to:
            return graph.refused(400, 131009, message="Parameter value is not valid")
        writes_seconds = 25.0 if "typing_indicator" in asked else 0.0
        sign = Sign("whatsapp_cloud", to, writes_seconds=writes_seconds, reads=True)
        return Reply(200, {"success": True}, sign=sign)

    def refuse(self, fault: str, seconds: int) -> Reply:
        """By code."""
        if fault == "throttled":
            return graph.refused(429, 130429, message="Rate limit hit", seconds=seconds)
        return graph.refused(500, 131000, message="Something went wrong")

    def say(self, channel: str, words: Words) -> Webhook:
        """As described by Meta."""
        id_ = f"wamid.{self._account.draw(40)}"
        self._heard[id_] = words.person.id
        return imitated(channel, words, account=self._account, message_id=id_)

    def receipt(self, taken: Taken, state: str, *, url: str) -> Webhook | None:
        """A status, with the sender's own mark."""
        status, code, title = STATUSES[state]
        told: dict[str, Any] = {
            "id": taken.id,
            "status": status,
            "timestamp": str(int(self._account.now().timestamp())),
            "recipient_id": taken.to,
        }
        told |= {"biz_opaque_callback_data": self._marks[taken.id]} if self._marks[taken.id] else {}
        told |= {"errors": [{"code": code, "title": title}]} if code else {}
        metadata = {"display_phone_number": "15550000000", "phone_number_id": self._number_id}
        value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": [told]}
        entry = [{"id": "0", "changes": [{"value": value, "field": "messages"}]}]
        return graph.signed(url, {"object": "whatsapp_business_account", "entry": entry}, account=self._account)


def _wrong(asked: Mapping[str, Any], text: str, *, to: str) -> Reply | None:
    """The first that is wrong."""
    checks = (
        (asked.get("messaging_product") != "whatsapp", 100, "The parameter messaging_product is required."),
        (not to, 100, "The parameter to is required."),
        (not _PERSON.fullmatch(to), 131009, "Parameter value is not valid"),
        (asked.get("type", "text") != "text", 131051, "Message type is not currently supported"),
        (not text.strip(), 100, "The parameter text['body'] is required."),
        (len(text) > LONGEST_TEXT, 100, "Param text['body'] must be at most 4096 characters long."),
    )
    return next((graph.refused(400, code, message=message) for wrong, code, message in checks if wrong), None)
