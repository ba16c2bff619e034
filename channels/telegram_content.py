"""What does a message on Telegram hold besides its text? Files, places, people, polls, what was paid.

https://core.telegram.org/bots/api#message
"""

from typing import Any

from channels import telegram_rich
from channels.payload import count, items, mapping, string
from parley.chat.v1 import message_pb2 as chat

# An animation is a document, and a live photo a photo, for the sake of older programs.
_GIVEN_AS_BOTH = {"document": "animation", "live_photo": "photo"}
_FILES = {
    "document": chat.ATTACHMENT_KIND_FILE,
    "live_photo": chat.ATTACHMENT_KIND_VIDEO,
    "voice": chat.ATTACHMENT_KIND_AUDIO,
    "audio": chat.ATTACHMENT_KIND_AUDIO,
    "video": chat.ATTACHMENT_KIND_VIDEO,
    "video_note": chat.ATTACHMENT_KIND_VIDEO,
    "animation": chat.ATTACHMENT_KIND_VIDEO,
    "sticker": chat.ATTACHMENT_KIND_STICKER,
}


def name(sender: dict[str, Any]) -> str:
    """Of a person, or of a chat that speaks."""
    names = (string(sender.get("first_name")), string(sender.get("last_name")))
    return " ".join(name for name in names if name) or string(sender.get("title"))


def spoken_otherwise(said: dict[str, Any]) -> str:
    """A die or a poll has no text, and silence is no answer."""
    poll, checklist, invoice = (mapping(said.get(name)) for name in ("poll", "checklist", "invoice"))
    words = (
        string(mapping(said.get("dice")).get("emoji")),
        _lines(poll.get("question"), [{"text": poll.get("description")}, *items(poll.get("options"))]),
        _lines(invoice.get("title"), [{"text": invoice.get("description")}]),
        _lines(checklist.get("title"), checklist.get("tasks")),
        string(mapping(said.get("web_app_data")).get("data")),  # what a page behind a button sends in the person's name
        string(mapping(said.get("game")).get("title")),
        telegram_rich.text(mapping(said.get("rich_message"))),
    )
    return next((each for each in words if each), "")


def _lines(title: object, rows: object) -> str:
    return "\n".join(filter(None, [string(title), *(string(mapping(row).get("text")) for row in items(rows))]))


def done(said: dict[str, Any]) -> dict[str, str]:
    """What the person did, and said nothing: it is kept, and asks for no answer."""
    paid = mapping(said.get("successful_payment")) or mapping(said.get("refunded_payment"))
    if not paid:
        return {}
    stated = {
        "kind": "successful_payment" if "successful_payment" in said else "refunded_payment",
        "payment_currency": string(paid.get("currency")),
        "payment_amount": str(count(paid.get("total_amount"))),  # in the smallest unit of the currency
        "payment_payload": string(paid.get("invoice_payload")),
        "payment_charge": string(paid.get("telegram_payment_charge_id")),
    }
    return {name: value for name, value in stated.items() if value}


def attachments(said: dict[str, Any]) -> list[chat.Attachment]:
    """References to what came with it."""
    found = []
    photos = [size for size in items(said.get("photo")) if isinstance(size, dict)]
    if photos:
        found.append(_file(photos[-1], chat.ATTACHMENT_KIND_IMAGE))  # sizes rise: the last is the original
    for name, kind in _FILES.items():
        if name in said and _GIVEN_AS_BOTH.get(name) not in said:
            found.append(_file(mapping(said[name]), kind))
    if "location" in said or "venue" in said:
        found.append(_place(said))
    people = [said.get("contact"), *items(mapping(said.get("users_shared")).get("users"))]
    found += [_card(person) for person in map(mapping, people) if person]
    for paid in map(mapping, items(mapping(said.get("paid_media")).get("paid_media"))):
        found += attachments({name: paid[name] for name in ("photo", "video", "live_photo") if paid.get(name)})
    poll = mapping(said.get("poll"))
    asked = [mapping(mapping(each).get("media")) for each in (poll, *items(poll.get("options")))]
    for part in filter(None, (*asked, *telegram_rich.files(mapping(said.get("rich_message"))))):
        found += attachments({name: value for name, value in part.items() if value and name != "poll"})
    return found


def _file(stated: dict[str, Any], kind: chat.AttachmentKind) -> chat.Attachment:
    """A reference: getFile turns the id into a URL, which holds the token and is not kept."""
    return chat.Attachment(
        kind=kind,
        provider_file_id=string(stated.get("file_id")),
        media_type=string(stated.get("mime_type")),
        file_name=string(stated.get("file_name")),
        caption=string(stated.get("emoji")),
        size_bytes=count(stated.get("file_size")),
    )


def _place(said: dict[str, Any]) -> chat.Attachment:
    venue = mapping(said.get("venue"))
    location = mapping(said.get("location")) or mapping(venue.get("location"))
    label = " ".join(part for part in (string(venue.get("title")), string(venue.get("address"))) if part)
    caption = f"{location.get('latitude')},{location.get('longitude')} {label}".rstrip()
    return chat.Attachment(kind=chat.ATTACHMENT_KIND_LOCATION, caption=caption)


def _card(contact: dict[str, Any]) -> chat.Attachment:
    parts = (name(contact), string(contact.get("phone_number")))
    return chat.Attachment(kind=chat.ATTACHMENT_KIND_CONTACT_CARD, caption=" ".join(part for part in parts if part))
