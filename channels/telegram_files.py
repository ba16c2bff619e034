"""How is a file sent on Telegram, and where is one read? By the method of its kind; by the path that getFile names.

https://core.telegram.org/bots/api#sending-files
"""

import re

from channels import telegram_errors
from channels.channel import Answer, Call, Outgoing
from channels.failures import error
from channels.files import EVERY_KIND, multipart
from channels.media import Gone
from channels.payload import mapping, string
from channels.telegram_replies import quoted
from channels.telegram_updates import DIRECT
from parley.chat.v1 import message_pb2 as chat

UPLOAD_SECONDS = 30.0
_PATH = re.compile(r"[A-Za-z0-9_./-]{1,256}", re.ASCII)
CAPTIONED = EVERY_KIND - {chat.ATTACHMENT_KIND_STICKER}
# Photos are scaled down, and larger ones are refused: those are sent as they are.
LARGEST_PHOTO = 10 * 1024 * 1024
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
    method, field = _METHODS.get(file.kind, _DOCUMENT)
    no_photo = as_it_is or len(file.content) > LARGEST_PHOTO or file.media_type == "image/svg+xml"
    if field == "photo" and no_photo:
        method, field = _DOCUMENT
    fields = {"chat_id": chat_id}
    if outgoing.text:
        fields["caption"] = outgoing.text
    fields |= topic(thread_id)
    if number := quoted(outgoing, chat_id):
        fields["reply_parameters"] = f'{{"message_id":{number},"allow_sending_without_reply":true}}'
    content_type, body = multipart(fields, file, field=field)
    headers = {"content-type": content_type, "accept": "application/json"}
    return Call("POST", f"{url}/{method}", headers, body, UPLOAD_SECONDS)


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
