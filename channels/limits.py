"""How is a decoded message made to fit the contract? By the limits that the contract itself declares.

A verified webhook is never refused for its length: what may be cut is cut and marked in the metadata, and a reference
that does not fit (a link, what is answered) is left out. An id of the message itself that does not fit makes the
webhook unreadable.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter, le
from typing import Any

from google.protobuf.message import Message

from channels.channel import Unreadable
from parley.chat.v1.message_pb2 import Attachment, ChannelMessage, Receipt

MAX_METADATA_VALUE = 1024
_IDS = frozenset(
    {
        "channel",
        "chat_id",
        "sender_id",
        "provider_message_id",
        "delivery_id",
        "account_id",
        "takes_back",
    }
)
# Half a link leads nowhere, half an id to somebody else, and a message is worth more than the link to its picture.
_REFERENCES = frozenset(
    {"reply_to_provider_message_id", "provider_file_id", "sender_also_known_as", "previous_chat_id", "url"}
)


@dataclass(frozen=True, slots=True)
class _Lengths:
    """How long the texts of one type may be. Nearly always all of them fit, which is asked in one go."""

    each: tuple[tuple[str, int], ...]
    texts: Callable[[Message], tuple[Any, ...]]
    mosts: tuple[int, ...]


def fit_message(message: ChannelMessage) -> None:
    """Cuts in place. Raises Unreadable when an id is missing or too long."""
    if not (message.chat_id and message.sender_id and message.provider_message_id):
        raise Unreadable("an id is missing")
    cut = _fit(message, _MESSAGE_LENGTHS)
    for attachment in message.attachments:
        cut += _fit(attachment, _ATTACHMENT_LENGTHS)
    if len(message.attachments) > _MOST_ATTACHMENTS:
        del message.attachments[_MOST_ATTACHMENTS:]
        cut.append("attachments")
    if message.metadata:
        _fit_metadata(message, cut)
    if cut:
        message.metadata["cut"] = ",".join(sorted(set(cut)))


def fit_receipt(receipt: Receipt) -> None:
    """Cuts in place. Raises Unreadable when an id is too long."""
    _fit(receipt, _RECEIPT_LENGTHS)


def _fit(message: Message, lengths: _Lengths) -> list[str]:
    cut: list[str] = []
    if all(map(le, map(len, lengths.texts(message)), lengths.mosts)):
        return cut
    for name, longest in lengths.each:
        value = getattr(message, name)
        if len(value) <= longest:
            continue
        if name in _IDS:
            raise Unreadable(f"{name} is too long")
        setattr(message, name, "" if name in _REFERENCES else value[:longest])
        cut.append(name)
    return cut


def _fit_metadata(message: ChannelMessage, cut: list[str]) -> None:
    for name in sorted(message.metadata)[_MOST_METADATA - 1 :]:  # one place stays free for "cut"
        del message.metadata[name]
        cut.append("metadata")
    for name, value in list(message.metadata.items()):
        if len(value) > MAX_METADATA_VALUE:
            message.metadata[name] = value[:MAX_METADATA_VALUE]
            cut.append(name)


def _declared(message: type[Message], name: str, *, limit: str) -> int:
    options = message.DESCRIPTOR.fields_by_name[name].GetOptions()
    for option, value in options.ListFields():
        if option.name == "limits":
            return int(getattr(value, limit))
    return 0


def _lengths(message: type[Message]) -> _Lengths:
    declared = ((name, _declared(message, name, limit="max_length")) for name in message.DESCRIPTOR.fields_by_name)
    each = tuple((name, longest) for name, longest in declared if longest)
    return _Lengths(each, attrgetter(*(name for name, _ in each)), tuple(longest for _, longest in each))


_MESSAGE_LENGTHS = _lengths(ChannelMessage)
_ATTACHMENT_LENGTHS = _lengths(Attachment)
_RECEIPT_LENGTHS = _lengths(Receipt)
_MOST_ATTACHMENTS = _declared(ChannelMessage, "attachments", limit="max_items")
_MOST_METADATA = _declared(ChannelMessage, "metadata", limit="max_items")
