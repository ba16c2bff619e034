"""What is in a webhook of Instagram? Messages, what our people wrote in the app, and what was done to messages.

https://developers.facebook.com/documentation/business-messaging/instagram-messaging/webhooks
"""

from collections.abc import Callable
from functools import partial

from channels.channel import Imitation, Unreadable
from channels.meta_webhook import Batch, Item, date, moment
from channels.payload import identifier, integer, items, mapping, string
from channels.unsupported import name_kind
from parley.chat.v1 import message_pb2 as chat

OBJECT = "instagram"
LONGEST_URL = 2048  # of the contract: a message is worth more than the link to its picture
_KINDS = {
    "image": chat.ATTACHMENT_KIND_IMAGE,
    "video": chat.ATTACHMENT_KIND_VIDEO,
    "audio": chat.ATTACHMENT_KIND_AUDIO,
    "ig_reel": chat.ATTACHMENT_KIND_VIDEO,
    "reel": chat.ATTACHMENT_KIND_VIDEO,
    "sticker": chat.ATTACHMENT_KIND_STICKER,
    "like_heart": chat.ATTACHMENT_KIND_STICKER,
    "story_mention": chat.ATTACHMENT_KIND_IMAGE,
}
# Meta forbids to keep these: https://developers.facebook.com/docs/messenger-platform/instagram/features/story-mention
_NOT_KEPT = frozenset({"story_mention"})
_ENVELOPE = frozenset({"sender", "recipient", "timestamp"})
# Under posts and stories, where nobody writes to us alone.
_LEFT_OUT = frozenset({"comments", "live_comments", "mentions", "story_insights"})
_AS_CHANGES = frozenset(
    {
        *("messages", "message_edit", "message_reactions"),
        *("messaging_postbacks", "messaging_referral", "messaging_seen"),
    }
)

Said = chat.ChannelMessage | chat.Receipt | None
Read = Callable[[Item, str], Said]


def read(body: Item) -> Batch:
    """Every event of every entry, those of other apps' threads too, which nobody here answers."""
    batch = Batch()
    for entry in map(mapping, items(body.get("entry"))):
        address = identifier(entry.get("id"))
        changes = [each for each in map(mapping, items(entry.get("changes"))) if not _is_aside(each, batch)]
        for event in (*items(entry.get("messaging")), *(each.get("value") for each in changes)):
            batch.take(address, event, read=partial(_event, address=address, batch=batch))
        for event in items(entry.get("standby")):
            batch.take(address, event, read=partial(_aside, address=address))
    return batch


def imitate(imitation: Imitation) -> Item:
    """A body with one text."""
    at = int(imitation.now.timestamp() * 1000)
    event = {
        "sender": {"id": imitation.sender},
        "recipient": {"id": imitation.address},
        "timestamp": at,
        "message": {"mid": imitation.message_id, "text": imitation.text},
    }
    return {"object": OBJECT, "entry": [{"time": at, "id": imitation.address, "messaging": [event]}]}


def _is_aside(change: Item, batch: Batch) -> bool:
    """Whether a change is no event of a chat. Meta's page of examples, and its test button, write events as changes."""
    kind = string(change.get("field"))
    if kind in _AS_CHANGES:
        return False
    if kind not in _LEFT_OUT:
        batch.skip(kind or "no field")
    return True


def _event(event: Item, address: str, *, batch: Batch) -> Said:
    """One thing happened; a kind that we do not know is no error."""
    stated = {name for name, value in event.items() if value is not None} - _ENVELOPE  # null says what absence says
    kind = next((kind for kind in _READERS if kind in stated), "")
    if not kind:
        batch.skip(min(stated, default="nothing"))
    return _READERS[kind](event, address) if kind else None


def _aside(event: Item, address: str) -> Said:
    """Another app has this thread: what is said there is worth knowing, and not ours to answer."""
    if event.get("message") is None or _is_ours(event, address):
        return None
    message = _message(event, address)
    if isinstance(message, chat.ChannelMessage):
        message.no_turn = True
        message.metadata["standby"] = "true"
    return message


def _is_ours(event: Item, address: str) -> bool:
    echo = mapping(event.get("message")).get("is_echo") is True
    return echo or identifier(mapping(event.get("sender")).get("id")) == address


def _begun(event: Item, address: str, *, id_: str, kind: str) -> chat.ChannelMessage:
    """A message with its chat: the person's, whoever of the two wrote. No id of Instagram's is a phone number."""
    ours = _is_ours(event, address)
    both = [identifier(mapping(event.get(name)).get("id")) for name in ("sender", "recipient")]
    person = next((each for each in (reversed(both) if ours else both) if each != address), address)
    message = chat.ChannelMessage(
        channel="instagram",
        chat_id=person,
        sender_id=person,
        provider_message_id=id_,
        from_team=ours,
        metadata={"message_type": kind},
    )
    date(message, event.get("timestamp"))
    return message


def _message(event: Item, address: str) -> Said:
    said = mapping(event.get("message"))
    mid = identifier(said.get("mid"))
    if said.get("is_deleted") is True:
        return _deleted(event, address)
    message = _begun(event, address, id_=mid, kind="text")
    message.text = string(said.get("text"))
    for attachment in _each_once(items(said.get("attachments"))):
        for part in _parts(attachment):
            _attach(message, part)
    _add_context(message, said)
    if said.get("is_unsupported") is True or not (message.text or message.attachments):
        message.metadata["message_type"] = "unsupported"
    name_kind(message, "")
    return message


def _each_once(stated: list[object]) -> list[Item]:
    """A post that is shared comes under its old name and under its new one:
    https://developers.facebook.com/docs/instagram-platform/webhooks/new"""
    attachments = [mapping(each) for each in stated]
    posts = any(each.get("type") == "ig_post" for each in attachments)
    return [each for each in attachments if not posts or each.get("type") != "share"]


def _deleted(event: Item, address: str) -> Said:
    """It has the id of the message that was taken back, so that it would be a copy of it."""
    mid = identifier(mapping(event.get("message")).get("mid"))
    if _is_ours(event, address):
        return None
    message = _begun(event, address, id_=f"{_must(mid)}:deleted", kind="deleted")
    message.takes_back, message.no_turn = mid, True
    message.metadata["deleted"] = mid
    return message


def _parts(attachment: Item) -> list[Item]:
    """A template, such as products that are shared, holds several, each with a title and a picture."""
    payload = mapping(attachment.get("payload"))
    cards = items(mapping(payload.get("product")).get("elements")) or items(
        mapping(payload.get("generic")).get("elements")
    )
    cards = cards or items(payload.get("elements"))
    return [{"type": "template", "payload": card} for card in map(mapping, cards)] or [attachment]


def _attach(message: chat.ChannelMessage, attachment: Item) -> None:
    kind = string(attachment.get("type"))
    payload = mapping(attachment.get("payload"))
    # Of a link without a preview both stand beside the payload: it has none.
    url = next(filter(None, map(string, (payload.get("url"), payload.get("image_url"), attachment.get("url")))), "")
    title = string(payload.get("title")) or string(attachment.get("title")) or string(payload.get("text"))
    kept = kind not in _NOT_KEPT and len(url) <= LONGEST_URL
    message.metadata["message_type"] = kind
    message.attachments.add(
        kind=_KINDS.get("image" if payload.get("image_url") else kind, chat.ATTACHMENT_KIND_FILE),
        url=url if kept else "",
        caption=" ".join(filter(None, (title, string(payload.get("subtitle"))))),
    )


def _add_context(message: chat.ChannelMessage, said: Item) -> None:
    reply, referral = mapping(said.get("reply_to")), mapping(said.get("referral"))
    message.reply_to_provider_message_id = identifier(reply.get("mid"))
    app_id = said.get("app_id")
    stated = {
        "story_id": string(mapping(reply.get("story")).get("id")),
        "quick_reply": string(mapping(said.get("quick_reply")).get("payload")),
        **_referred(referral),
        "app_id": string(app_id) if integer(app_id) is None else str(app_id),
    }
    message.metadata.update({name: value for name, value in stated.items() if value})


def _edit(event: Item, address: str) -> Said:
    """What now stands in the place of an earlier message, as on Telegram. The first edition is the message itself."""
    edit = mapping(event.get("message_edit"))
    mid, text, edition = identifier(edit.get("mid")), string(edit.get("text")), _count(edit.get("num_edit"))
    if not text or edition == "0":
        return None
    message = _begun(event, address, id_=f"{_must(mid)}:edited:{edition}", kind="edit")
    message.text = text
    message.metadata["edited"] = mid
    return message


def _postback(event: Item, address: str) -> Said:
    """A pressed button or ice breaker: its title is what the person says."""
    pressed = mapping(event.get("postback"))
    mid = identifier(pressed.get("mid")) or f"postback:{_must(_time(event))}"
    message = _begun(event, address, id_=mid, kind="postback")
    message.text = string(pressed.get("title")) or string(pressed.get("payload"))
    message.metadata.update({"postback": string(pressed.get("payload")), **_referred(mapping(pressed.get("referral")))})
    return message


def _reaction(event: Item, address: str) -> Said:
    """An emoji under a message, or taken away again. It has no id of its own."""
    reaction = mapping(event.get("reaction"))
    mid, action = identifier(reaction.get("mid")), string(reaction.get("action"))
    if _is_ours(event, address):
        return None
    message = _begun(event, address, id_=f"{_must(mid)}:{action}:{_must(_time(event))}", kind="reaction")
    message.no_turn = True
    message.reply_to_provider_message_id = mid
    if action == "react":
        message.text = string(reaction.get("emoji")) or string(reaction.get("reaction"))
    return message


def _referral(event: Item, address: str) -> Said:
    """The person came by a link or an advert, and has said nothing yet."""
    message = _begun(event, address, id_=f"referral:{_must(_time(event))}", kind="referral")
    message.no_turn = True
    message.metadata.update(_referred(mapping(event.get("referral"))))
    return message


def _referred(referral: Item) -> dict[str, str]:
    stated = {
        "referral_ref": string(referral.get("ref")),
        "referral_source": string(referral.get("source")),
        "referral_ad_id": string(referral.get("ad_id")),
        "referral_product_id": string(mapping(referral.get("product")).get("id")),
    }
    return {name: value for name, value in stated.items() if value}


def _seen(event: Item, address: str) -> Said:
    if _is_ours(event, address):
        return None  # one of us read what the person wrote
    mid = identifier(mapping(event.get("read")).get("mid"))
    # Of several that are read at once the last one is named.
    receipt = chat.Receipt(provider_message_id=_must(mid), state=chat.DELIVERY_STATE_READ, covers_earlier=True)
    date(receipt, event.get("timestamp"))
    return receipt


def _must(stated: str) -> str:
    if not stated:
        raise Unreadable("an id is missing")
    return stated


def _time(event: Item) -> str:
    at = round(moment(event.get("timestamp")) * 1000)
    return str(at) if at else ""


def _count(stated: object) -> str:
    number = integer(stated)
    return string(stated) if number is None else str(number)


_READERS: dict[str, Read] = {
    "message": _message,
    "message_edit": _edit,
    "postback": _postback,
    "reaction": _reaction,
    "read": _seen,
    "referral": _referral,
}
