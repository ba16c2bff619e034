"""What does WhatsApp's Cloud API say when it is asked to send, and how does it report what became of it?

https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from channels.channel import Webhook
from channels.payload import mapping, parse_json, string
from sandbox import formatting
from sandbox.files import TOO_LARGE, UNREAD, WRONG_TYPE, Attached, File
from sandbox.provider import Account, Ask, Draw, Handset, Person, Reply, Sign, Skin, Taken, Words, imitated
from sandbox.providers import graph, graph_media

LONGEST_TEXT = 4096
# What our word for a status is at Meta, and its error: (status, code, title).
STATUSES = {
    "sent": ("sent", 0, ""),
    "delivered": ("delivered", 0, ""),
    "read": ("read", 0, ""),
    "refused": ("failed", 131047, "Re-engagement message"),
    **dict.fromkeys((UNREAD, TOO_LARGE, WRONG_TYPE), ("failed", 131053, "Media upload error")),
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
            captioned=frozenset({"image", "video", "file"}),
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
        self._media = graph_media.Media(account, self._door)
        self._heard: dict[str, str] = {}  # what people wrote -> who
        self._marks: dict[str, str] = {}  # message -> what the sender wants to find it by

    def person(self, number: int) -> Person:
        """Numbers of the block that is kept for films, as Meta writes them."""
        return Person(f"1202555{150 + number % 50:04d}")

    def label(self, ask: Ask) -> str:
        """The edge, without the account."""
        return graph_media.label(ask) or graph.label(ask)

    def answer(self, ask: Ask) -> Reply | Taken:
        """POST messages, and files there and back."""
        if about_files := self._media.answer(ask):
            return about_files
        asked = self._door.asked(ask)
        if isinstance(asked, Reply):
            return asked
        if "status" in asked:
            return self._see(asked)
        kind = string(asked.get("type")) or "text"
        said = mapping(asked.get(kind))
        text = string(said.get("body" if kind == "text" else "caption"))
        to = string(asked.get("to")) or string(asked.get("recipient"))
        wrong = _wrong(asked, text, to=to) or (self._wrong_file(said) if kind != "text" else None)
        if wrong:
            return wrong
        id_ = f"wamid.{self._account.draw(40)}"
        self._marks[id_] = string(asked.get("biz_opaque_callback_data"))
        contacts = [{"input": to, "wa_id": to.removeprefix("+")}]
        content = {"messaging_product": "whatsapp", "contacts": contacts, "messages": [{"id": id_}]}
        runs = formatting.whatsapp(text)
        shown = formatting.plain(runs)
        attached = self._attached(kind, said)
        runs = runs if text else ()
        return Taken(
            "whatsapp_cloud", to.removeprefix("+"), id_, shown, Reply(200, content), runs=runs, attached=attached
        )

    def _wrong_file(self, said: Mapping[str, Any]) -> Reply | None:
        number, link = string(said.get("id")), string(said.get("link"))
        if bool(number) == bool(link):
            return graph.refused(400, 100, message="Either id or link must be provided.")
        known = self._media.get(number) if number else link.startswith(("http://", "https://"))
        return None if known else graph.refused(400, 131009, message="Parameter value is not valid")

    def _attached(self, kind: str, said: Mapping[str, Any]) -> Attached | None:
        """What was put there before is looked at no sooner than what is linked to."""
        if kind == "text":
            return None
        name = string(said.get("filename"))
        file = self._media.get(string(said.get("id")))

        def judge(found: File | None) -> str:
            return graph_media.wrong(found, kind, takes=graph_media.WHATSAPP)

        if file is None:
            return Attached(url=string(said.get("link")), judge=judge)
        return Attached(replace(file, name=name or file.name))

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
        webhook = imitated(channel, words, account=self._account, message_id=id_)
        if not words.file:
            return webhook
        body = parse_json(webhook.body)
        (message,) = body["entry"][0]["changes"][0]["value"]["messages"]
        message.pop("text")
        kind = "document" if words.file.kind == "file" else words.file.kind
        file = {"id": self._media.keep(words.file), **graph_media.described(words.file)}
        file |= {"caption": words.text} if words.text else {}
        file |= {"filename": words.file.name} if kind == "document" else {}
        file |= {"voice": words.file.is_voice} if kind == "audio" else {}
        message |= {"type": kind, kind: file}
        return graph.signed(webhook.url, body, account=self._account)

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
    kind = asked.get("type", "text")
    checks = (
        (asked.get("messaging_product") != "whatsapp", 100, "The parameter messaging_product is required."),
        (not to, 100, "The parameter to is required."),
        (not _PERSON.fullmatch(to), 131009, "Parameter value is not valid"),
        (kind != "text" and kind not in graph_media.WHATSAPP, 131051, "Message type is not currently supported"),
        (kind == "text" and not text.strip(), 100, "The parameter text['body'] is required."),
        (len(text) > LONGEST_TEXT, 100, "Param text['body'] must be at most 4096 characters long."),
        (
            kind != "text" and len(text) > graph_media.LONGEST_CAPTION,
            100,
            "Param caption must be at most 1024 characters long.",
        ),
        (kind in ("audio", "sticker") and bool(text), 100, f'Unexpected key "caption" on param "{kind}".'),
    )
    return next((graph.refused(400, code, message=message) for wrong, code, message in checks if wrong), None)
