"""What is said of a message of which nothing can be read? That it came, and what its provider calls it."""

from parley.chat.v1 import message_pb2 as chat

LONGEST_KIND = 100
_NAMELESS = ("unsupported", "text")


def name_kind(message: chat.ChannelMessage, kind: str) -> None:
    """Puts it beside the text, which stays the person's own words: here none. Of what asks for no answer nothing."""
    if not (message.text or message.attachments or message.no_turn):
        stated = "" if kind in _NAMELESS else kind[:LONGEST_KIND]
        message.attachments.add(kind=chat.ATTACHMENT_KIND_UNSUPPORTED, caption=stated)
