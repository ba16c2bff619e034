"""What came with a message of Twilio's? https://www.twilio.com/docs/messaging/guides/webhook-request"""

from channels.payload import Form
from parley.chat.v1 import message_pb2 as chat

HOSTS = (".twilio.com",)  # regions have hosts of their own: api.dublin.ie1.twilio.com
MOST_MEDIA = 32

_FIELDS = tuple((f"MediaUrl{number}", f"MediaContentType{number}") for number in range(MOST_MEDIA))
_KINDS = {
    "image": chat.ATTACHMENT_KIND_IMAGE,
    "audio": chat.ATTACHMENT_KIND_AUDIO,
    "video": chat.ATTACHMENT_KIND_VIDEO,
}
_CARDS = frozenset({"text/vcard", "text/x-vcard", "text/directory"})


def attachments(form: Form) -> list[chat.Attachment]:
    """References: the URLs want the account's password. How many there are is counted here: NumMedia may be absent."""
    found = ((form.first(url), content_type) for url, content_type in _FIELDS if url in form)
    return [_attachment(url, form.first(content_type)) for url, content_type in found if url]


def _attachment(url: str, media_type: str) -> chat.Attachment:
    kind = _KINDS.get(media_type.partition("/")[0], chat.ATTACHMENT_KIND_FILE)
    if media_type.lower().partition(";")[0].strip() in _CARDS:
        kind = chat.ATTACHMENT_KIND_CONTACT_CARD
    return chat.Attachment(kind=kind, url=url, media_type=media_type)
