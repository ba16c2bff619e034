"""What does an interaction say? Commands, pressed buttons, chosen rows and filled-in forms, as a person's words.

https://docs.discord.com/developers/interactions/receiving-and-responding
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from channels import discord_content
from channels.channel import Decoded, HttpAnswer, Imitation, Unreadable
from channels.discord_ids import id_at, id_of, is_id, said_at
from channels.payload import identifier, integer, items, mapping, string
from parley.chat.v1 import message_pb2 as chat

PING, COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 1, 2, 3, 4, 5
# What is asked with one of these is what the person says; every other command arrives as it is typed.
TALKING = ("ask", "chat", "talk")
# How a reply is given, for the sender: it takes the place of "thinking …", or it is a message of its own.
EDIT, FOLLOW_UP = "edit", "followup"

LONGEST_KIND = 40
LONGEST_TOKEN = 1000  # what metadata has room for; Discord's have some 200 characters
SUB_COMMAND, SUB_COMMAND_GROUP, ATTACHMENT = 1, 2, 11  # types of options
USER_COMMAND, MESSAGE_COMMAND = 2, 3  # types of commands; the rest is written with a slash
DEEPEST = 4  # group, sub-command, option; row or label, field
CONTEXTS = {0: "guild", 1: "bot_dm", 2: "private"}
_NAMED = (("users", "@"), ("roles", "@"), ("channels", "#"))


def _json(content: object) -> HttpAnswer:
    return HttpAnswer(200, "application/json", orjson.dumps(content))


PONG = _json({"type": 1})
THINKING = _json({"type": 5})
TAKEN = _json({"type": 6})  # the message under which a button was pressed stays as it is
NO_CHOICES = _json({"type": 8, "data": {"choices": []}})
# "The answer comes otherwise", and none does: after three seconds the person sees that nothing happened.
NOTHING = HttpAnswer(202, "application/json", b"")


@dataclass(frozen=True, slots=True)
class Said:
    """What an interaction stands for."""

    text: str
    attachments: tuple[chat.Attachment, ...] = ()
    reply_to: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


def read(interaction: dict[str, Any]) -> Decoded:
    """The message in it, and the answer that it must have within three seconds."""
    kind = integer(interaction.get("type"))
    if kind is None:
        raise Unreadable("no type")
    if kind not in _READERS:
        unread = "" if kind in _ANSWERS else f"type_{kind}"[:LONGEST_KIND]
        return Decoded(answer=_ANSWERS.get(kind, NOTHING), unread=unread)
    name, reader, reply = _READERS[kind]
    said = reader(mapping(interaction.get("data")), interaction)
    if not said.text and not said.attachments:
        raise Unreadable("it says nothing")
    message = _message(interaction, said)
    message.metadata.update({"kind": name, **_reply(interaction, reply), **_about(interaction), **said.metadata})
    return Decoded(answer=THINKING if reply == EDIT else TAKEN, messages=(message,))


def imitate(imitation: Imitation) -> dict[str, Any]:
    """A /chat from a direct message. Ids that are not numbers become some; the interaction's says when."""
    sender = imitation.sender if is_id(imitation.sender) else id_of(imitation.sender)
    return {
        "id": id_at(imitation.now, imitation.message_id),
        "application_id": "1",
        "type": COMMAND,
        "token": sha256(imitation.message_id.encode()).hexdigest(),
        "version": 1,
        "channel_id": id_of(f"dm:{imitation.sender}"),
        "context": 1,
        "locale": "en-US",
        "user": {"id": sender, "username": "ann", "global_name": "Ann"},
        "data": {
            "id": "2",
            "name": "chat",
            "type": 1,
            "options": [{"name": "message", "type": 3, "value": imitation.text}],
        },
    }


def _message(interaction: dict[str, Any], said: Said) -> chat.ChannelMessage:
    """`member` stands in servers, `user` in direct messages. An interaction's id is no message's: hence its prefix."""
    member, number = mapping(interaction.get("member")), _id(interaction.get("id"))
    user = mapping(member.get("user")) or mapping(interaction.get("user"))
    message = chat.ChannelMessage(
        channel="discord",
        chat_id=_id(interaction.get("channel_id")) or _id(mapping(interaction.get("channel")).get("id")),
        sender_id=_id(user.get("id")),
        sender_name=string(member.get("nick")) or _name(user),
        text=said.text,
        attachments=said.attachments,
        provider_message_id=f"interaction:{number}" if number else "",
        reply_to_provider_message_id=said.reply_to,
        from_bot=user.get("bot") is True,
    )
    if number:
        message.provider_at.FromMilliseconds(said_at(number))
    return message


def _reply(interaction: dict[str, Any], reply: str) -> dict[str, str]:
    """What the sender needs to answer this very interaction. The token is good for 15 minutes, and for nothing else."""
    application, token = _id(interaction.get("application_id")), string(interaction.get("token"))
    if not application or not 0 < len(token) <= LONGEST_TOKEN:
        return {}
    return {"reply": reply, "application_id": application, "interaction_token": token}


def _about(interaction: dict[str, Any]) -> dict[str, str]:
    channel, member = mapping(interaction.get("channel")), mapping(interaction.get("member"))
    user = mapping(member.get("user")) or mapping(interaction.get("user"))
    stated = {
        "context": "" if (context := integer(interaction.get("context"))) is None else CONTEXTS.get(context, ""),
        "guild_id": _id(interaction.get("guild_id")),
        "thread_of": _id(channel.get("parent_id")) if integer(channel.get("type")) in {10, 11, 12} else "",
        "username": string(user.get("username")),
        "language": string(interaction.get("locale")),
    }
    return {name: value for name, value in stated.items() if value}


def _command(data: dict[str, Any], _interaction: dict[str, Any]) -> Said:
    name, resolved = string(data.get("name")), mapping(data.get("resolved"))
    kind, target = integer(data.get("type")), _id(data.get("target_id"))
    if kind == USER_COMMAND:
        return Said(f"{name}: {_resolved(target, resolved)}", metadata={"command": name})
    if kind == MESSAGE_COMMAND:
        return _about_a_message(name, mapping(mapping(resolved.get("messages")).get(target)), target=target)
    options = list(_options(items(data.get("options"))))
    words = [word for option in options if (word := _word(option, resolved))]
    files = tuple(_files([each.get("value") for each in options if each.get("type") == ATTACHMENT], resolved))
    talks = name.lower() in TALKING and (words or files)
    return Said(" ".join(words if talks else [f"/{name}", *words]) if name else "", files, metadata={"command": name})


def _about_a_message(name: str, message: dict[str, Any], *, target: str) -> Said:
    """A command from a message's menu: its name, and what stands in that message."""
    content, files = discord_content.shown(message), tuple(discord_content.files(message))
    return Said(f"{name}: {content}" if content else name, files, reply_to=target, metadata={"command": name})


def _options(options: list[Any], depth: int = 0) -> Iterator[dict[str, Any]]:
    """Values in their order; a sub-command's name stands before its own."""
    for option in map(mapping, options):
        if option.get("type") in {SUB_COMMAND, SUB_COMMAND_GROUP} and depth < DEEPEST:
            yield {"value": option.get("name")}
            yield from _options(items(option.get("options")), depth + 1)
        elif "value" in option:
            yield option


def _word(option: dict[str, Any], resolved: dict[str, Any]) -> str:
    value = option.get("value")
    if option.get("type") == ATTACHMENT:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    text = string(value)
    return text if option.get("type") == 3 else _resolved(text, resolved)


def _resolved(value: str, resolved: dict[str, Any]) -> str:
    """A person's, a role's or a channel's name in place of its id; else the value itself."""
    for section, sign in _NAMED:
        name = _name(mapping(mapping(resolved.get(section)).get(value)))
        if name:
            return sign + name
    return value


def _name(thing: dict[str, Any]) -> str:
    return string(thing.get("global_name")) or string(thing.get("username")) or string(thing.get("name"))


def _component(data: dict[str, Any], interaction: dict[str, Any]) -> Said:
    """A button stands for its custom_id, a menu for the values that were chosen."""
    resolved, custom_id = mapping(data.get("resolved")), string(data.get("custom_id"))
    chosen = [_resolved(value, resolved) for each in items(data.get("values")) if (value := string(each))]
    under = _id(mapping(interaction.get("message")).get("id"))
    return Said(", ".join(chosen) or custom_id, reply_to=under, metadata={"custom_id": custom_id[:100]})


def _modal(data: dict[str, Any], interaction: dict[str, Any]) -> Said:
    """What was filled in: one field is what the person says, of several each has its name before it."""
    resolved, custom_id = mapping(data.get("resolved")), string(data.get("custom_id"))
    fields = list(_fields(items(data.get("components"))))
    files = tuple(_files([value for each in fields for value in items(each.get("values"))], resolved))
    known = {each.provider_file_id for each in files}
    filled = [(string(each.get("custom_id")), _filled(each, resolved, known=known)) for each in fields]
    filled = [(name, text) for name, text in filled if text]
    text = filled[0][1] if len(filled) == 1 else "\n".join(f"{name}: {text}" for name, text in filled)
    under = _id(mapping(interaction.get("message")).get("id"))
    return Said(text or custom_id, files, reply_to=under, metadata={"custom_id": custom_id[:100]})


def _fields(components: list[Any], depth: int = 0) -> Iterator[dict[str, Any]]:
    """Fields stand in rows or, one by one, in labels."""
    for component in map(mapping, components):
        inner = [*items(component.get("components")), *filter(None, [component.get("component")])]
        if inner and depth < DEEPEST:
            yield from _fields(inner, depth + 1)
        elif "value" in component or "values" in component:
            yield component


def _filled(component: dict[str, Any], resolved: dict[str, Any], *, known: set[str]) -> str:
    chosen = [text for each in items(component.get("values")) if (text := string(each)) and text not in known]
    return ", ".join(_resolved(each, resolved) for each in chosen) or _word({**component, "type": 3}, resolved)


def _files(ids: list[Any], resolved: dict[str, Any]) -> Iterator[chat.Attachment]:
    attachments = mapping(resolved.get("attachments"))
    return (
        discord_content.file_of(attachments[each])
        for each in map(string, ids)
        if isinstance(attachments.get(each), dict)
    )


def _id(value: Any) -> str:
    text = identifier(value)
    return text if is_id(text) else ""


Reader = Callable[[dict[str, Any], dict[str, Any]], Said]
# What is said -> its name, what reads it, and how it is replied to.
_READERS: Mapping[int, tuple[str, Reader, str]] = {
    COMMAND: ("command", _command, EDIT),
    COMPONENT: ("component", _component, FOLLOW_UP),  # to edit would change the message under which the button is
    MODAL: ("modal", _modal, EDIT),
}
_ANSWERS = {PING: PONG, AUTOCOMPLETE: NO_CHOICES}
