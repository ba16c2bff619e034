"""What is in a message of Slack's? Words in its text or its blocks, files, and the messages that it passes on.

https://docs.slack.dev/reference/events/message/
"""

from typing import Any

from channels import slack_blocks
from channels.payload import count, items, mapping, string
from channels.slack_text import plain
from parley.chat.v1 import message_pb2 as chat

_KINDS = {
    "image": chat.ATTACHMENT_KIND_IMAGE,
    "audio": chat.ATTACHMENT_KIND_AUDIO,
    "video": chat.ATTACHMENT_KIND_VIDEO,
}


def words(said: dict[str, Any], text: str) -> str:
    """What it says, with `text` as far as that was read; a message that was passed on stands below what was said to it.

    A link has a preview, too: that is no part of what was said.
    """
    attached = [mapping(each) for each in items(said.get("attachments"))]
    own = text or slack_blocks.words(said.get("blocks"))
    told = (_told(each) for each in attached if not own or each.get("is_share") is True)
    return "\n\n".join(filter(None, (own, *told)))


def files(said: dict[str, Any]) -> list[chat.Attachment]:
    """Its own, and those of the messages that it passes on."""
    holders = (said, *map(mapping, items(said.get("attachments"))))
    return [_file(each) for holder in holders for each in items(holder.get("files")) if isinstance(each, dict)]


def _told(shared: dict[str, Any]) -> str:
    text = plain(string(shared.get("text"))) or slack_blocks.words(shared.get("blocks"))
    inner = (mapping(mapping(each).get("message")) for each in items(shared.get("message_blocks")))
    text = text or "\n".join(filter(None, (slack_blocks.words(each.get("blocks")) for each in inner)))
    return text or plain(string(shared.get("fallback")))


def _file(given: dict[str, Any]) -> chat.Attachment:
    """A reference: the URL wants the bot's token and the scope files:read. Of a file of another company there is
    nothing but an id."""
    media_type = string(given.get("mimetype"))
    return chat.Attachment(
        kind=_KINDS.get(media_type.partition("/")[0], chat.ATTACHMENT_KIND_FILE),
        url=string(given.get("url_private_download")) or string(given.get("url_private")),
        provider_file_id=string(given.get("id")),
        media_type=media_type,
        file_name=string(given.get("name")),
        size_bytes=count(given.get("size")),
    )
