"""What is in a message of Discord's? Words, files, and the message that it passes on.

https://docs.discord.com/developers/resources/message
"""

from collections.abc import Iterator
from typing import Any

from channels.discord_ids import is_id
from channels.payload import count, identifier, items, mapping, string
from parley.chat.v1 import message_pb2 as chat

DEEPEST = 5  # components in components
TEXT_DISPLAY = 10  # the type of component that holds words
_KINDS = {"image": chat.ATTACHMENT_KIND_IMAGE, "audio": chat.ATTACHMENT_KIND_AUDIO, "video": chat.ATTACHMENT_KIND_VIDEO}
_STICKER = chat.ATTACHMENT_KIND_STICKER


def written(said: dict[str, Any]) -> str:
    """What somebody wrote, or passes on: such a message has no text of its own."""
    return string(said.get("content")) or _asked(said) or (shown(passed_on) if (passed_on := _forwarded(said)) else "")


def shown(said: dict[str, Any]) -> str:
    """What there is to read in a message that is spoken of: a program's may have no text, but embeds and components.
    In a message that somebody writes, embeds are previews of its links."""
    return written(said) or "\n".join(filter(None, (*_displayed(said.get("components")), *_embedded(said))))


def files(said: dict[str, Any]) -> list[chat.Attachment]:
    """Its own, and those of the message that it passes on; stickers last."""
    parts = (said, _forwarded(said))
    given = [file_of(each) for part in parts for each in items(part.get("attachments")) if isinstance(each, dict)]
    stickers = [mapping(each) for part in parts for each in items(part.get("sticker_items"))]
    return given + [
        chat.Attachment(kind=_STICKER, provider_file_id=_id(each.get("id")), caption=string(each.get("name")))
        for each in stickers
    ]


def file_of(stated: dict[str, Any]) -> chat.Attachment:
    """A reference: the URL is signed, and ends after a while."""
    media_type = string(stated.get("content_type"))
    return chat.Attachment(
        kind=_KINDS.get(media_type.partition("/")[0], chat.ATTACHMENT_KIND_FILE),
        url=string(stated.get("url")),
        provider_file_id=_id(stated.get("id")),
        media_type=media_type,
        file_name=string(stated.get("filename")),
        caption=string(stated.get("description")),
        size_bytes=count(stated.get("size")),
    )


def _forwarded(said: dict[str, Any]) -> dict[str, Any]:
    return mapping(mapping(next(iter(items(said.get("message_snapshots"))), None)).get("message"))


def _asked(said: dict[str, Any]) -> str:
    """A poll has no text: its question, and a line for each answer."""
    poll = mapping(said.get("poll"))
    answers = [mapping(each).get("poll_media") for each in items(poll.get("answers"))]
    return "\n".join(filter(None, (string(mapping(each).get("text")) for each in (poll.get("question"), *answers))))


def _embedded(said: dict[str, Any]) -> Iterator[str]:
    for embed in map(mapping, items(said.get("embeds"))):
        yield from (string(embed.get("title")), string(embed.get("description")))
        for field in map(mapping, items(embed.get("fields"))):
            yield ": ".join(filter(None, (string(field.get("name")), string(field.get("value")))))


def _displayed(components: object, depth: int = 0) -> Iterator[str]:
    for component in map(mapping, items(components) if depth < DEEPEST else []):
        if component.get("type") == TEXT_DISPLAY:
            yield string(component.get("content"))
        yield from _displayed(component.get("components"), depth + 1)


def _id(value: Any) -> str:
    text = identifier(value)
    return text if is_id(text) else ""
