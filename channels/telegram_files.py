"""How is a file sent on Telegram, and where is one read? By the method of its kind; by the path that getFile names.

https://core.telegram.org/bots/api#sending-files
"""

import re

from channels import telegram_errors
from channels.channel import Answer, Call, Outgoing
from channels.failures import error
from channels.file_kinds import MEGABYTE, Taken, Takes
from channels.files import EVERY_KIND, File, multipart
from channels.media import Gone
from channels.payload import mapping, string
from channels.telegram_replies import quoted
from channels.telegram_updates import DIRECT
from parley.chat.v1 import message_pb2 as chat

UPLOAD_SECONDS = 30.0
_PATH = re.compile(r"[A-Za-z0-9_./-]{1,256}", re.ASCII)
CAPTIONED = EVERY_KIND - {chat.ATTACHMENT_KIND_STICKER}
# Photos are scaled down, and larger ones are refused, as is what is none: those are sent as they are. Sounds and films
# of other types than its own Telegram makes documents of by itself.
_TAKEN: Taken = {
    chat.ATTACHMENT_KIND_IMAGE: Takes(
        frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/bmp"}), 10 * MEGABYTE
    ),
    chat.ATTACHMENT_KIND_STICKER: Takes(
        frozenset({"image/webp", "video/webm", "application/x-tgsticker", "application/gzip"}), MEGABYTE // 2
    ),
}
_DOCUMENT = ("sendDocument", "document")
_METHODS = {
    chat.ATTACHMENT_KIND_IMAGE: ("sendPhoto", "photo"),
    chat.ATTACHMENT_KIND_AUDIO: ("sendAudio", "audio"),
    chat.ATTACHMENT_KIND_VIDEO: ("sendVideo", "video"),
    chat.ATTACHMENT_KIND_STICKER: ("sendSticker", "sticker"),
}


def call(outgoing: Outgoing, url: str, *, chat_id: str, thread_id: str | None = None, as_it_is: bool = False) -> Call:
    """`url` is that of the bot. The caption is plain: nothing in it is markup."""
    file = outgoing.file
    if file is None:
        raise error("payload", provider_code="no_file")
    method, field = _DOCUMENT if as_it_is else _METHODS.get(_kind_of(file), _DOCUMENT)
    fields = {"chat_id": chat_id}
    if outgoing.text:
        fields["caption"] = outgoing.text
    fields |= topic(thread_id)
    if number := quoted(outgoing, chat_id):
        fields["reply_parameters"] = f'{{"message_id":{number},"allow_sending_without_reply":true}}'
    content_type, body = multipart(fields, file, field=field)
    headers = {"content-type": content_type, "accept": "application/json"}
    return Call("POST", f"{url}/{method}", headers, body, UPLOAD_SECONDS)


def _kind_of(file: File) -> chat.AttachmentKind:
    if file.kind not in _TAKEN or _TAKEN[file.kind].fits(file):
        return file.kind
    pictured = file.kind == chat.ATTACHMENT_KIND_STICKER and _TAKEN[chat.ATTACHMENT_KIND_IMAGE].fits(file)
    return chat.ATTACHMENT_KIND_IMAGE if pictured else chat.ATTACHMENT_KIND_FILE


def topic(thread_id: str | None) -> dict[str, str]:
    """Where in the chat, as every method of sending takes it."""
    if not thread_id:
        return {}
    name = "direct_messages_topic_id" if thread_id.startswith(DIRECT) else "message_thread_id"
    return {name: thread_id.removeprefix(DIRECT)}


def path(answer: Answer) -> str:
    """A bot may have files of up to 20 MB. https://core.telegram.org/bots/api#getfile"""
    content = telegram_errors.content(answer)
    found = string(mapping(content.get("result")).get("file_path"))
    if content.get("ok") is True:
        if not _PATH.fullmatch(found) or ".." in found:
            raise Gone("no_reference")
        return found
    if "file is too big" in string(content.get("description")).lower():
        raise Gone("too_large")
    raise telegram_errors.refusal(answer)
