"""What came with a message of Twilio's? https://www.twilio.com/docs/messaging/guides/webhook-request"""

from channels.payload import Form
from parley.chat.v1 import message_pb2 as chat

HOSTS = (".twilio.com",)  # regions have hosts of their own: api.dublin.ie1.twilio.com
MOST_MEDIA = 32

_KINDS = {
    "image": chat.ATTACHMENT_KIND_IMAGE,
    "audio": chat.ATTACHMENT_KIND_AUDIO,
    "video": chat.ATTACHMENT_KIND_VIDEO,
}
_CARDS = frozenset({"text/vcard", "text/x-vcard", "text/directory"})


def attachments(form: Form) -> list[chat.Attachment]:
    """References: the URLs want the account's password. How many there are is counted here: NumMedia may be absent."""
    return [_attachment(form, index) for index in range(MOST_MEDIA) if form.first(f"MediaUrl{index}")]


def _attachment(form: Form, index: int) -> chat.Attachment:
    media_type = form.first(f"MediaContentType{index}")
    kind = _KINDS.get(media_type.partition("/")[0], chat.ATTACHMENT_KIND_FILE)
    if media_type.lower().partition(";")[0].strip() in _CARDS:
        kind = chat.ATTACHMENT_KIND_CONTACT_CARD
    return chat.Attachment(kind=kind, url=form.first(f"MediaUrl{index}"), media_type=media_type)
