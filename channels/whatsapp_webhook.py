"""What is in a webhook of the WhatsApp Cloud API? Messages, what our people wrote in the app, and receipts, in batches.

https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/payload-examples
"""

import re
from collections.abc import Mapping
from functools import partial

from channels import meta_errors
from channels.channel import Imitation
from channels.meta_webhook import Batch, Item, date
from channels.payload import identifier, integer, items, mapping, string
from channels.phones import e164
from channels.whatsapp_items import fill, note
from parley.chat.v1 import message_pb2 as chat

OBJECT = "whatsapp_business_account"
# All else is about the account (templates, reviews, calls, groups …) and is kept as it came.
FIELDS = frozenset({"messages", "smb_message_echoes", "message_echoes"})
# Half a year of old messages, and the address book of the phone: nothing that was said to us, and large.
_LEFT_OUT = frozenset({"history", "smb_app_state_sync"})
_SAID = frozenset({"messages", "message_echoes", "statuses"})
_ABOUT_IT = frozenset({"messaging_product", "metadata", "contacts"})
OUR_ID = re.compile(r"([0-9A-Za-z-]{1,64})\.([0-9]{1,3})", re.ASCII)
_STATES = {
    "sent": chat.DELIVERY_STATE_SENT,
    "delivered": chat.DELIVERY_STATE_DELIVERED,
    "read": chat.DELIVERY_STATE_READ,
    "played": chat.DELIVERY_STATE_READ,  # a voice note
    "failed": chat.DELIVERY_STATE_FAILED,
}
_REFERRAL = {
    "referral_body": "body",
    "referral_headline": "headline",
    "referral_source_id": "source_id",
    "referral_source_type": "source_type",
    "referral_source_url": "source_url",
    "referral_click_id": "ctwa_clid",
}

People = Mapping[str, Item]


def read(body: Item) -> Batch:
    """Every item of every change of every entry."""
    batch = Batch()
    for entry in items(body.get("entry")):
        for change in map(mapping, items(mapping(entry).get("changes"))):
            kind = string(change.get("field"))
            if kind in FIELDS:
                _take(batch, mapping(change.get("value")))
            elif kind not in _LEFT_OUT:
                batch.skip(kind or "no field")
    return batch


def imitate(imitation: Imitation) -> Item:
    """A body with one text."""
    sender = imitation.sender.removeprefix("+")
    message = {
        "from": sender,
        "id": imitation.message_id,
        "timestamp": str(int(imitation.now.timestamp())),
        "type": "text",
        "text": {"body": imitation.text},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550000000", "phone_number_id": imitation.address},
        "contacts": [{"profile": {"name": "Ann"}, "wa_id": sender}],
        "messages": [message],
    }
    return {"object": OBJECT, "entry": [{"id": "0", "changes": [{"value": value, "field": "messages"}]}]}


def _take(batch: Batch, value: Item) -> None:
    address = identifier(mapping(value.get("metadata")).get("phone_number_id"))
    people = {key: each for each in map(mapping, items(value.get("contacts"))) for key in _names(each)}
    for said in items(value.get("messages")):
        batch.take(address, said, read=partial(_message, people=people))
    for echo in items(value.get("message_echoes")):
        batch.take(address, echo, read=_echo)
    for status in items(value.get("statuses")):
        batch.take(address, status, read=_receipt)
    for kind in _unread(value):
        batch.skip(kind)


def _unread(value: Item) -> list[str]:
    """Where nothing is said, what there is instead: errors of the account or the app by their codes, or what is new."""
    stated = {name for name, each in value.items() if each is not None}
    if stated & _SAID:
        return []  # errors beside a message say why it came without content
    codes = (identifier(mapping(trouble).get("code")) for trouble in items(value.get("errors")))
    return [f"errors:{code}" for code in codes if code] or sorted(stated - _ABOUT_IT) or ["nothing"]


def _names(contact: Item) -> list[str]:
    """A number, unless the person hides it, and an id that only our business knows them by."""
    return [name for name in (identifier(contact.get("wa_id")), string(contact.get("user_id"))) if name]


def _message(said: Item, *, people: People) -> chat.ChannelMessage:
    number, user_id = identifier(said.get("from")), string(said.get("from_user_id"))
    sender = number or user_id or string(mapping(said.get("system")).get("previous_user_id")) or _alone(people)
    person = people.get(number) or people.get(user_id) or people.get(sender) or {}
    message = _begun(said, chat_id=identifier(said.get("group_id")) or sender, person_id=sender)
    message.sender_also_known_as = _other_id(said, sender=sender, person=person)
    message.sender_name = string(mapping(person.get("profile")).get("name"))
    message.sender_phone = e164(number or identifier(person.get("wa_id")))
    note(message, user_id=user_id or person.get("user_id"), username=mapping(person.get("profile")).get("username"))
    _add_context(message, mapping(said.get("context")))
    referral = mapping(said.get("referral"))
    note(message, **{ours: referral.get(theirs) for ours, theirs in _REFERRAL.items()})
    fill(message, said)
    return message


def _other_id(said: Item, *, sender: str, person: Item) -> str:
    """The number beside the id, or the id beside the number. Of a change nothing: what is theirs now their own
    messages say."""
    if said.get("system") is not None:
        return ""
    user_id = string(said.get("from_user_id")) or string(person.get("user_id"))
    return identifier(person.get("wa_id")) if sender == user_id else user_id


def _alone(people: People) -> str:
    """The one person that a batch names, for a message that does not say whose it is; "" when they are several."""
    return next(iter(people)) if len({id(each) for each in people.values()}) == 1 else ""


def _echo(said: Item) -> chat.ChannelMessage | None:
    """What a human of the business wrote in the WhatsApp Business app; the chat is the person's that they wrote to."""
    number, user_id = identifier(said.get("to")), string(said.get("to_user_id"))
    message = _begun(said, chat_id=number or user_id, person_id=number or user_id)
    message.sender_phone = e164(number)
    message.sender_also_known_as = user_id if number else ""
    message.from_team = True
    note(message, user_id=user_id)
    fill(message, said)
    # What they do without writing anything, such as an emoji or a pin, is no reason to silence the agent.
    return None if message.no_turn else message


def _begun(said: Item, *, chat_id: str, person_id: str) -> chat.ChannelMessage:
    message = chat.ChannelMessage(
        channel="whatsapp_cloud",
        chat_id=chat_id,
        sender_id=person_id,
        provider_message_id=identifier(said.get("id")),
    )
    date(message, said.get("timestamp"))
    return message


def _add_context(message: chat.ChannelMessage, context: Item) -> None:
    message.reply_to_provider_message_id = identifier(context.get("id"))
    product = mapping(context.get("referred_product"))
    note(
        message,
        replied_to_sender=context.get("from"),
        forwarded=context.get("forwarded") is True,
        frequently_forwarded=context.get("frequently_forwarded") is True,
        product_id=product.get("product_retailer_id"),
        catalog_id=product.get("catalog_id"),
    )


def _receipt(status: Item) -> chat.Receipt | None:
    """A state that WhatsApp may add says nothing to us, nor does that of a payment, which has the message's id."""
    state = _STATES.get(string(status.get("status")))
    if state is None or string(status.get("type")) not in {"", "message"}:
        return None
    receipt = chat.Receipt(provider_message_id=identifier(status.get("id")), state=state)
    ours = OUR_ID.fullmatch(string(status.get("biz_opaque_callback_data")))
    if ours:
        receipt.delivery_id, receipt.part = ours[1], int(ours[2])
    for trouble in map(mapping, items(status.get("errors"))[:1]):
        code = integer(trouble.get("code"))
        receipt.provider_code = "" if code is None else str(code)
        receipt.window_closed = state == chat.DELIVERY_STATE_FAILED and meta_errors.BY_CODE.get(code or 0) == "window"
    date(receipt, status.get("timestamp"))
    return receipt
