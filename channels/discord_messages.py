"""What does an ordinary message on Discord say? https://docs.discord.com/developers/resources/message

It comes over the Gateway as a dispatch, to which the listener has added who we are and whether it was said to us.
"""

import re
from typing import Any

from channels import discord_content
from channels.channel import Decoded, HttpAnswer, Unreadable
from channels.discord_changes import CREATED, READERS, UPDATED, edited_at, mark_edited, moment
from channels.discord_ids import is_id, said_at
from channels.payload import identifier, items, mapping, string
from parley.chat.v1 import message_pb2 as chat

ME, ASIDE = "me", "aside"  # what the listener adds
NOTHING = HttpAnswer(202, "application/json", b"")
_SAID = (None, 0, 19)  # of the types of messages, those in which a person says something: by itself, or as a reply
_MENTION = re.compile(r"<@!?([0-9]{1,20})>", re.ASCII)
_EMOJI = re.compile(r"<a?:([A-Za-z0-9_]{1,32}):[0-9]{1,20}>", re.ASCII)


def is_dispatch(body: dict[str, Any]) -> bool:
    """Interactions have no `op`, and what is signed is an interaction."""
    return "op" in body


def read(dispatch: dict[str, Any]) -> Decoded:
    """The message in it; none when nobody says anything."""
    said, me, kind = mapping(dispatch.get("d")), string(dispatch.get(ME)), string(dispatch.get("t"))
    aside = dispatch.get(ASIDE) is True
    if kind in READERS:
        return Decoded(answer=NOTHING, messages=tuple(READERS[kind](dispatch, aside)))
    if kind not in (CREATED, UPDATED):
        raise Unreadable("not a message")
    author = mapping(said.get("author"))
    if said.get("type") not in _SAID or is_program(said) or (me and string(author.get("id")) == me):
        return Decoded(answer=NOTHING)
    message, edited = _message(said, me=me), edited_at(said) if kind == UPDATED else None
    message.only_if_known = aside
    if kind == UPDATED and edited is None:
        return Decoded(answer=NOTHING)
    if edited is not None and message.provider_message_id:
        mark_edited(message, edited)
    return Decoded(answer=NOTHING, messages=(message,) if message.text or message.attachments else ())


def is_program(said: dict[str, Any]) -> bool:
    """Ours and others' alike: two programs that answer each other never end."""
    author = mapping(said.get("author"))
    return bool(author.get("bot") or author.get("system") or said.get("webhook_id"))


def mentions(said: dict[str, Any], me: str, *, roles: set[str]) -> bool:
    """Whether it is said to us: by name, by our role's, or as a reply to what we said."""
    named = {string(mapping(each).get("id")) for each in items(said.get("mentions"))}
    replied = mapping(mapping(said.get("referenced_message")).get("author"))
    called = {string(each) for each in items(said.get("mention_roles"))}
    return bool(me) and (me in named or me == string(replied.get("id")) or bool(called & roles))


def _message(said: dict[str, Any], *, me: str) -> chat.ChannelMessage:
    author, member = mapping(said.get("author")), mapping(said.get("member"))
    number = _id(said.get("id"))
    message = chat.ChannelMessage(
        channel="discord",
        chat_id=_id(said.get("channel_id")),
        sender_id=_id(author.get("id")),
        sender_name=string(member.get("nick")) or string(author.get("global_name")) or string(author.get("username")),
        text=_text(said, me=me),
        attachments=discord_content.files(said),
        provider_message_id=number,
        reply_to_provider_message_id=_id(mapping(said.get("message_reference")).get("message_id")),
        metadata=_about(said),
    )
    if number:
        message.provider_at.FromMilliseconds(said_at(number))
    elif at := moment(string(said.get("timestamp"))):
        message.provider_at.FromDatetime(at)
    return message


def _text(said: dict[str, Any], *, me: str) -> str:
    """Without the mention that only calls us; a mention and nothing else stays."""
    content = discord_content.written(said)
    names = {string(mapping(each).get("id")): _shown(mapping(each)) for each in items(said.get("mentions"))}
    called = re.sub(rf"^\s*<@!?{re.escape(me)}>[\s:,]*", "", content) if me else content
    text = _MENTION.sub(lambda found: f"@{names.get(found[1]) or found[1]}", called or content)
    return _EMOJI.sub(r":\1:", text)


def _shown(user: dict[str, Any]) -> str:
    nick = string(mapping(user.get("member")).get("nick"))
    return nick or string(user.get("global_name")) or string(user.get("username"))


def _about(said: dict[str, Any]) -> dict[str, str]:
    guild = _id(said.get("guild_id"))
    stated = {
        "kind": "message",
        "context": "guild" if guild else "bot_dm",
        "guild_id": guild,
        "username": string(mapping(said.get("author")).get("username")),
    }
    return {name: value for name, value in stated.items() if value}


def _id(value: Any) -> str:
    text = identifier(value)
    return text if is_id(text) else ""
