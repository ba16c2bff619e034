"""How is a file sent on Telegram? By the method of its kind, the bytes in a form of at most 50 MB (10 of a photo).

https://core.telegram.org/bots/api#sending-files
"""

from channels.channel import Call, Outgoing
from channels.failures import error
from channels.files import EVERY_KIND, multipart
from channels.telegram_replies import quoted
from channels.telegram_updates import DIRECT
from parley.chat.v1 import message_pb2 as chat

UPLOAD_SECONDS = 30.0
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
