"""What becomes of a message on Discord after it was said? It is edited, taken back, or somebody puts an emoji under it.

https://docs.discord.com/developers/events/gateway-events#messages · Each is a message of its own, as on other channels.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from channels.discord_ids import is_id
from channels.payload import items, mapping, seconds, string
from parley.chat.v1 import message_pb2 as chat

CREATED, UPDATED = "MESSAGE_CREATE", "MESSAGE_UPDATE"
DELETED, PURGED = "MESSAGE_DELETE", "MESSAGE_DELETE_BULK"
REACTED, UNREACTED = "MESSAGE_REACTION_ADD", "MESSAGE_REACTION_REMOVE"
WRITERS = "writers"  # what the listener adds to what is taken back: by message, who had written it

Read = Callable[[Mapping[str, Any], bool], list[chat.ChannelMessage]]


def edited_at(said: Mapping[str, Any]) -> datetime | None:
    """When its writer changed it; None where it is as it was said.

    Discord tells of a message anew when it adds a preview or somebody pins it, too. That leaves the time of the last
    edit, and so the id of it, as it was.
    """
    return moment(string(said.get("edited_timestamp"))) if isinstance(said.get("content"), str) else None


def mark_edited(message: chat.ChannelMessage, at: datetime) -> None:
    """An edit has the id of the message that it changes, so its time is added."""
    message.metadata["edited"] = message.provider_message_id
    message.provider_message_id = f"{message.provider_message_id}:edited:{round(at.timestamp() * 1000)}"
    message.provider_at.FromDatetime(at)


def message_number(provider_message_id: str) -> str:
    """Discord's id of a message that we know by this one; "" when it is none of Discord's (an interaction's)."""
    number = provider_message_id.partition(":")[0]
    return number if is_id(number) else ""


def moment(stated: str) -> datetime | None:
    """A time as Discord writes it; None when it is none, or none that the contract takes."""
    try:
        at = datetime.fromisoformat(stated)
    except ValueError:
        return None
    return at if at.tzinfo and seconds(int(at.timestamp())) else None


def taken_back(dispatch: Mapping[str, Any], _aside: bool) -> list[chat.ChannelMessage]:
    """One, or as many as a moderator clears away at once. Whose they were the listener says: Discord does not."""
    gone = mapping(dispatch.get("d"))
    return [
        chat.ChannelMessage(
            channel="discord",
            chat_id=_id(gone.get("channel_id")),
            sender_id=writer,
            provider_message_id=f"{number}:deleted",
            metadata={"kind": "message", **_where(gone), "deleted": number},
            takes_back=number,
            no_turn=True,
            only_if_known=True,
        )
        for number, writer in mapping(dispatch.get(WRITERS)).items()
        if is_id(number) and is_id(string(writer))
    ]


def reacted(dispatch: Mapping[str, Any], aside: bool) -> list[chat.ChannelMessage]:
    """An emoji under a message, or no more. It has no id and no time: the same one put there again is the same."""
    said = mapping(dispatch.get("d"))
    number, who, emoji = _id(said.get("message_id")), _id(said.get("user_id")), _shown(mapping(said.get("emoji")))
    if not emoji:
        return []
    removed, member = dispatch.get("t") == UNREACTED, mapping(said.get("member"))
    user = mapping(member.get("user"))
    name = string(member.get("nick")) or string(user.get("global_name")) or string(user.get("username"))
    message = chat.ChannelMessage(
        channel="discord",
        chat_id=_id(said.get("channel_id")),
        sender_id=who,
        sender_name=name,
        text="" if removed else emoji,
        provider_message_id=f"{number}:{emoji}:{who}" + (":removed" if removed else "") if number else "",
        reply_to_provider_message_id=number,
        metadata={"kind": "reaction_removed" if removed else "reaction_added", **_where(said)},
        no_turn=True,
        only_if_known=aside,
    )
    return [message]


def of(content: Mapping[str, Any]) -> list[str]:
    """The messages that were taken back."""
    return [number for number in map(string, [content.get("id"), *items(content.get("ids"))]) if is_id(number)]


READERS: Mapping[str, Read] = {
    DELETED: taken_back,
    PURGED: taken_back,
    REACTED: reacted,
    UNREACTED: reacted,
}


def _where(said: Mapping[str, Any]) -> dict[str, str]:
    guild = _id(said.get("guild_id"))
    return {"context": "guild", "guild_id": guild} if guild else {"context": "bot_dm"}


def _shown(emoji: Mapping[str, Any]) -> str:
    """A server's own has an id and a name, any other is itself."""
    name = string(emoji.get("name"))[:64]
    return f":{name}:" if name and emoji.get("id") else name


def _id(value: Any) -> str:
    text = string(value)
    return text if is_id(text) else ""
