"""What does an update say? Of some twenty kinds, those in which a person says something to the bot.

https://core.telegram.org/bots/api#update
"""

from hashlib import sha256
from typing import Any

from channels import telegram_content, telegram_entities
from channels.channel import Imitation
from channels.payload import identifier, integer, items, mapping, seconds, string
from channels.telegram_kinds import emoji, unknown_content
from channels.unsupported import LONGEST_KIND, name_kind
from parley.chat.v1 import message_pb2 as chat

# For setWebhook: nothing else is read. Of reactions in groups only admins are told.
ALLOWED_UPDATES = ("message", "edited_message", "callback_query", "message_reaction")
# Not said to the bot, and many: posts of channels, who comes and goes, what is typed at inline bots.
_ASIDE = frozenset(
    {
        *("channel_post", "edited_channel_post", "my_chat_member", "chat_member"),
        *("message_reaction_count", "inline_query", "chosen_inline_result", "poll"),
    }
)

_NAMED = frozenset({"from", "sender_chat"})
PRESSED = "callback:"  # before the id of a press of a button
THREAD = "thread"  # metadata: of replies, or of comments under a post; no topic of a forum
DIRECT = "d"  # before the number of a topic of a channel's direct messages


def read(update: dict[str, Any]) -> chat.ChannelMessage | None:
    """The message in it; None when it holds none for us."""
    if update.get("message"):
        return _message(mapping(update["message"]))
    if update.get("edited_message"):
        return _edited(update)
    if update.get("callback_query"):
        return _pressed(mapping(update["callback_query"]))
    return _reacted(update) if update.get("message_reaction") else None


def unread(update: dict[str, Any]) -> str:
    """The kind of an update that nobody here reads; "" of those that are read, and of those that are not for us."""
    kind = next((each for each, value in update.items() if each != "update_id" and value is not None), "")
    if kind == "callback_query" and mapping(update[kind]).get("message") is None:
        return kind  # a button in a chat that we are not in
    return "" if kind in ALLOWED_UPDATES or kind in _ASIDE else string(kind)[:40] or "nothing"


def message_number(provider_message_id: str) -> int:
    """Telegram's number of a message that we know by this id; 0 when it has none (a pressed button)."""
    number = provider_message_id.partition(":")[0]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0


def imitate(imitation: Imitation) -> dict[str, Any]:
    """An update with a text from a private chat. Ids that are not numbers become some."""
    sender, number = _number(imitation.sender), _number(imitation.message_id)
    return {
        "update_id": number,
        "message": {
            "message_id": number,
            "from": {"id": sender, "is_bot": False, "first_name": "Ann", "language_code": "en"},
            "chat": {"id": sender, "first_name": "Ann", "type": "private"},
            "date": int(imitation.now.timestamp()),
            "text": imitation.text,
        },
    }


def _message(stated: dict[str, Any]) -> chat.ChannelMessage | None:
    said = {name: value for name, value in stated.items() if value is not None}
    if said.get("migrate_to_chat_id") or said.get("migrate_from_chat_id"):
        return _moved(said)
    sender = _sender(said)
    if sender is None or said.get("is_automatic_forward") is True:
        return None
    text = telegram_entities.words(said) or telegram_content.spoken_otherwise(said)
    attachments = telegram_content.attachments(said)
    done, unknown = telegram_content.done(said), unknown_content(said) if _NAMED & said.keys() else ""
    if not (text or attachments or done or unknown):
        return None  # a service message: somebody joined, a title changed …
    answers = "direct_messages_topic" in said and "sender_chat" in said  # the channel, a person who wrote to it
    if answers:
        sender = mapping(mapping(said["direct_messages_topic"]).get("user")) or sender
    message = chat.ChannelMessage(
        channel="telegram",
        chat_id=_chat_id(said),
        sender_id=_id(sender),
        sender_name=telegram_content.name(sender),
        from_team=answers,
        text=text,
        attachments=attachments,
        provider_message_id=_id({"id": said.get("message_id")}),
        metadata={**_metadata(said, sender), **done},
        no_turn=bool(done),
    )
    if unknown and not (text or attachments):
        message.metadata["unsupported"] = unknown[:LONGEST_KIND]
        name_kind(message, unknown)
    message.reply_to_provider_message_id = _id({"id": mapping(said.get("reply_to_message")).get("message_id")})
    written = seconds(said.get("date"))
    if written:
        message.provider_at.seconds = written
    return message


def _moved(said: dict[str, Any]) -> chat.ChannelMessage:
    """The group has become a supergroup, which has another id. Each of the two chats is told of the other."""
    here, sender = _chat_id(said), _sender(said) or mapping(said.get("chat"))
    to, was = (_id({"id": said.get(f"migrate_{which}_chat_id")}) for which in ("to", "from"))
    message = chat.ChannelMessage(
        channel="telegram",
        chat_id=to or here,
        previous_chat_id=here if to else was,
        sender_id=_id(sender),
        sender_name=telegram_content.name(sender),
        provider_message_id=_id({"id": said.get("message_id")}),
        metadata={"kind": "became_a_supergroup", **_metadata(said, sender)},
        no_turn=True,
        only_if_known=True,
    )
    if written := seconds(said.get("date")):
        message.provider_at.seconds = written
    return message


def _edited(update: dict[str, Any]) -> chat.ChannelMessage | None:
    """An edit is a message of its own: it has the number of the one that it changes, so the update's is added."""
    said = mapping(update["edited_message"])
    if said.get("location"):
        return None  # a live location, moving: an edit every few seconds
    message = _message(said)
    if message is not None and message.provider_message_id:
        message.metadata["edited"] = message.provider_message_id
        message.provider_message_id = f"{message.provider_message_id}:edited:{update['update_id']}"
        edited = seconds(said.get("edit_date"))
        if edited:
            message.provider_at.seconds = edited
    return message


def _pressed(query: dict[str, Any]) -> chat.ChannelMessage | None:
    """A button under one of our messages: what it stands for is what the person says."""
    sender, under = mapping(query.get("from")), mapping(query.get("message"))
    text = string(query.get("data"))
    if not text or not under or sender.get("is_bot") is True:
        return None
    return chat.ChannelMessage(
        channel="telegram",
        chat_id=_chat_id(under),
        sender_id=_id(sender),
        sender_name=telegram_content.name(sender),
        text=text,
        provider_message_id=f"{PRESSED}{string(query.get('id'))}",
        reply_to_provider_message_id=_id({"id": under.get("message_id")}),
        metadata={"kind": "callback_query", **_metadata(under, sender)},
    )


def _reacted(update: dict[str, Any]) -> chat.ChannelMessage | None:
    """An emoji under a message, or none any more. Where there are topics nothing says in which that is."""
    reaction = mapping(update["message_reaction"])
    sender, where = mapping(reaction.get("user")) or mapping(reaction.get("actor_chat")), mapping(reaction.get("chat"))
    topics = where.get("is_forum") is True or where.get("is_direct_messages") is True
    if not sender or sender.get("is_bot") is True or topics:
        return None
    shown = map(emoji, items(reaction.get("new_reaction")))
    message = chat.ChannelMessage(
        channel="telegram",
        chat_id=_chat_id(reaction),
        sender_id=_id(sender),
        sender_name=telegram_content.name(sender),
        text=" ".join(filter(None, shown)),
        provider_message_id=f"reaction:{update['update_id']}",
        reply_to_provider_message_id=_id({"id": reaction.get("message_id")}),
        metadata={"kind": "message_reaction", **_metadata(reaction, sender)},
        no_turn=True,
        only_if_known=True,  # an admin is told of every emoji of a group in which nobody need have spoken to us
    )
    if at := seconds(reaction.get("date")):
        message.provider_at.seconds = at
    return message


def _sender(said: dict[str, Any]) -> dict[str, Any] | None:
    """Who wrote; None when a bot did. `sender_chat` stands for an anonymous admin, whose `from` is a fake bot. Where
    nobody is named the chat stands for whoever it was."""
    in_the_name_of = mapping(said.get("sender_chat"))
    if in_the_name_of:
        return in_the_name_of
    sender = mapping(said.get("from")) or mapping(said.get("chat"))
    return None if not sender or sender.get("is_bot") is True else sender


def _chat_id(said: dict[str, Any]) -> str:
    """The chat, and in a forum the topic: each topic is a conversation. Other threads are only replies. In the direct
    messages of a channel each person has a topic, which is numbered otherwise."""
    chat_id = _id(mapping(said.get("chat")))
    person = integer(mapping(said.get("direct_messages_topic")).get("topic_id"))
    if chat_id and person:
        return f"{chat_id}:{DIRECT}{person}"
    thread = integer(said.get("message_thread_id"))
    return f"{chat_id}:{thread}" if chat_id and thread and said.get("is_topic_message") is True else chat_id


def _id(holder: dict[str, Any]) -> str:
    number = identifier(holder.get("id"))
    return number if number.isascii() and number.removeprefix("-").isdigit() else ""


def _metadata(said: dict[str, Any], sender: dict[str, Any]) -> dict[str, str]:
    stated = {
        "chat_type": string(mapping(said.get("chat")).get("type")),
        "username": string(sender.get("username")),
        "language": string(sender.get("language_code")),
        "album": string(said.get("media_group_id")),
        "quote": string(mapping(said.get("quote")).get("text")),
        "forwarded": "true" if said.get("forward_origin") else "",
        THREAD: "" if said.get("is_topic_message") is True else identifier(said.get("message_thread_id")),
    }
    return {name: value for name, value in stated.items() if value}


def _number(name: str) -> int:
    """The number itself, or one that always stands for this name; 52 bits, as Telegram's."""
    if name.isascii() and name.isdigit() and len(name) < 16 and int(name):
        return int(name)
    return int.from_bytes(sha256(name.encode()).digest()[:6], "big") | 1
