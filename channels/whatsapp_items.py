"""What do people say on WhatsApp? One function for each kind of message of the Cloud API.

https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components
"""

from collections.abc import Callable

from channels import whatsapp_forms
from channels.meta_webhook import Item
from channels.payload import identifier, items, mapping, string
from channels.unsupported import name_kind
from parley.chat.v1 import message_pb2 as chat

Read = Callable[[chat.ChannelMessage, Item], None]
# Of what Meta does not pass on, that which is done to an earlier message, and is no question.
_UNASKED = frozenset({"edit", "keep_in_chat", "pin", "poll_update", "reaction", "revoke"})

EDITED = ":edited:"  # between the id of a message and that of its edit
LONGEST_ID = 256  # of the contract: an edit is worth more than that it goes with its message

_MEDIA = {
    "image": chat.ATTACHMENT_KIND_IMAGE,
    "audio": chat.ATTACHMENT_KIND_AUDIO,
    "voice": chat.ATTACHMENT_KIND_AUDIO,  # as voice notes were called before the Cloud API
    "video": chat.ATTACHMENT_KIND_VIDEO,
    "document": chat.ATTACHMENT_KIND_FILE,
    "sticker": chat.ATTACHMENT_KIND_STICKER,
}


def fill(message: chat.ChannelMessage, said: Item) -> None:
    """Puts what was said into the message. A kind that we do not know is kept by its name, and asks for an answer."""
    kind = string(said.get("type")) or next((each for each in _KINDS if said.get(each) is not None), "")
    message.metadata["message_type"] = kind
    if kind in _MEDIA:
        _media(message, mapping(said.get(kind)), kind=_MEDIA[kind])
    else:
        (_SAID | _DONE).get(kind, _unsupported)(message, said)
    name_kind(message, kind)


def own_id(provider_message_id: str) -> str:
    """Meta's id of what is known by this one here: of an edit its own."""
    return provider_message_id.rpartition(EDITED)[2]


def note(message: chat.ChannelMessage, **stated: object) -> None:
    """Keeps what else is known: texts that are not empty, and flags that are up."""
    for name, value in stated.items():
        text = "true" if value is True else string(value)
        if text:
            message.metadata[name] = text


def _media(message: chat.ChannelMessage, file: Item, *, kind: chat.AttachmentKind) -> None:
    """A reference: the URL behind the id lives for five minutes, and wants the token."""
    message.text = string(file.get("caption"))
    note(message, voice=file.get("voice") is True)
    message.attachments.add(
        kind=kind,
        provider_file_id=identifier(file.get("id")),
        media_type=string(file.get("mime_type")),
        file_name=string(file.get("filename")),
    )


def _text(message: chat.ChannelMessage, said: Item) -> None:
    message.text = string(mapping(said.get("text")).get("body"))


def _location(message: chat.ChannelMessage, said: Item) -> None:
    place = mapping(said.get("location"))
    label = " ".join(part for part in (string(place.get("name")), string(place.get("address"))) if part)
    caption = f"{_plain(place.get('latitude'))},{_plain(place.get('longitude'))} {label}".rstrip()
    message.attachments.add(kind=chat.ATTACHMENT_KIND_LOCATION, caption=caption)


def _contacts(message: chat.ChannelMessage, said: Item) -> None:
    for card in map(mapping, items(said.get("contacts"))):
        name = string(mapping(card.get("name")).get("formatted_name"))
        phones = map(mapping, items(card.get("phones")))
        numbers = [string(phone.get("phone")) or identifier(phone.get("wa_id")) for phone in phones]
        caption = " ".join(part for part in (name, *numbers) if part)
        message.attachments.add(kind=chat.ATTACHMENT_KIND_CONTACT_CARD, caption=caption)


def _button(message: chat.ChannelMessage, said: Item) -> None:
    button = mapping(said.get("button"))
    message.text = string(button.get("text")) or string(button.get("payload"))
    note(message, button_payload=button.get("payload"))


def _interactive(message: chat.ChannelMessage, said: Item) -> None:
    """A pressed button, a chosen row, or a filled form. It may be absent, with errors in its place."""
    chosen = mapping(said.get("interactive"))
    kind = string(chosen.get("type"))
    reply = mapping(chosen.get(kind))
    # Of an address the body is the address as it is written; of a form it is the word "Sent".
    in_words = reply.get("name") == "address_message"
    filled = "" if in_words else whatsapp_forms.answers(string(reply.get("response_json")))
    words = (string(reply.get("title")), filled, *map(string, (reply.get("body"), reply.get("name"), reply.get("id"))))
    message.text = next(filter(None, words), "")
    message.no_turn = kind == "call_permission_reply"  # whether we may call is no question
    note(
        message,
        interactive_type=kind,
        call_permission=reply.get("response") if message.no_turn else "",
        interactive_id=reply.get("id"),
        list_description=reply.get("description"),
        form_answers=reply.get("response_json"),
    )


def _order(message: chat.ChannelMessage, said: Item) -> None:
    """The basket as text, a line for each product, after what the person wrote with it."""
    order = mapping(said.get("order"))
    lines = [_ordered(mapping(product)) for product in items(order.get("product_items"))]
    message.text = "\n".join(line for line in (string(order.get("text")), *lines) if line)
    note(message, catalog_id=order.get("catalog_id"))


def _ordered(product: Item) -> str:
    price = f"{_plain(product.get('item_price'))} {string(product.get('currency'))}".strip()
    what = f"{_plain(product.get('quantity'))} x {string(product.get('product_retailer_id'))}"
    return f"{what} at {price}" if price else what


def _plain(value: object) -> str:
    """A number as it is written, or the text: Meta's own examples have both."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else string(value)


def _edit(message: chat.ChannelMessage, said: Item) -> None:
    """What now stands in the place of an earlier message: a message of its own, as on Telegram. It has an id of its
    own, before which the other's is put: who takes the message back takes back what became of it."""
    edit = mapping(said.get("edit"))
    instead = mapping(edit.get("message"))
    kind, original = string(instead.get("type")), identifier(edit.get("original_message_id"))
    note(message, edited=original)
    if original and message.provider_message_id:
        numbered = f"{original}{EDITED}{message.provider_message_id}"
        message.provider_message_id = numbered if len(numbered) <= LONGEST_ID else message.provider_message_id
    if kind in _MEDIA:
        _media(message, mapping(instead.get(kind)), kind=_MEDIA[kind])
    elif kind in _SAID:
        _SAID[kind](message, instead)
    name_kind(message, kind)


def _reaction(message: chat.ChannelMessage, said: Item) -> None:
    """An emoji under a message; without one it was taken away again."""
    reaction = mapping(said.get("reaction"))
    message.no_turn = True
    message.text = string(reaction.get("emoji"))
    message.reply_to_provider_message_id = identifier(reaction.get("message_id"))


def _revoke(message: chat.ChannelMessage, said: Item) -> None:
    message.takes_back = identifier(mapping(said.get("revoke")).get("original_message_id"))
    message.no_turn = True
    note(message, deleted=message.takes_back)


def _system(message: chat.ChannelMessage, said: Item) -> None:
    """WhatsApp's own words, mostly that the person has a new number."""
    system = mapping(said.get("system"))
    message.no_turn = True
    message.text = string(system.get("body"))
    note(message, system_type=system.get("type"), wa_id=system.get("wa_id"), user_id=system.get("user_id"))


def _welcome(message: chat.ChannelMessage, _said: Item) -> None:
    """The person opened the chat for the first time, and has said nothing yet."""
    message.no_turn = True


def _unsupported(message: chat.ChannelMessage, said: Item) -> None:
    kind = string(mapping(said.get("unsupported")).get("type"))
    message.no_turn = kind in _UNASKED
    note(message, unsupported_type=kind)
    name_kind(message, kind or message.metadata["message_type"])
    for trouble in map(mapping, items(said.get("errors"))):
        code = trouble.get("code")
        note(message, error_code=str(code) if isinstance(code, int) else code)


_SAID: dict[str, Read] = {
    "text": _text,
    "location": _location,
    "contacts": _contacts,
    "button": _button,
    "interactive": _interactive,
    "order": _order,
}
_DONE: dict[str, Read] = {
    "edit": _edit,
    "reaction": _reaction,
    "revoke": _revoke,
    "system": _system,
    "request_welcome": _welcome,
}
_KINDS = (*_MEDIA, *_SAID, *_DONE)
