"""What came with a message of Twilio's? https://www.twilio.com/docs/messaging/guides/webhook-request"""

from channels.file_kinds import DOCX, MEGABYTE, PPTX, XLSX, Takes
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
# https://www.twilio.com/docs/whatsapp/guidance-whatsapp-media-messages: a WebP is a sticker, and so is sent as one
WHATSAPP = Takes(
    frozenset(
        {
            *("image/jpeg", "image/png", "image/webp", "video/mp4", "video/3gpp", "text/vcard"),
            *("audio/ogg", "audio/opus", "audio/amr", "audio/3gpp", "audio/aac", "audio/mpeg", "audio/mp4"),
            *("application/pdf", "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"),
            *(DOCX, PPTX, XLSX),
        }
    ),
    16 * MEGABYTE,
)
# https://www.twilio.com/docs/messaging/guides/accepted-mime-types
SMS = Takes(
    frozenset(
        {
            *("image/jpeg", "image/png", "image/gif", "image/bmp", "image/tiff", "image/heif"),
            *("audio/basic", "audio/l24", "audio/mp4", "audio/mpeg", "audio/ogg", "audio/vorbis", "audio/3gpp"),
            *("audio/3gpp2", "audio/ac3", "audio/wav", "audio/webm", "audio/amr-nb", "audio/amr", "audio/aac"),
            *("audio/vnd.rn-realaudio", "video/mpeg", "video/mp4", "video/quicktime", "video/webm", "video/3gpp"),
            *("video/3gpp2", "video/3gpp-tt", "video/h261", "video/h263", "video/h263-1998", "video/h263-2000"),
            *("video/h264", "text/vcard", "text/csv", "text/rtf", "text/richtext", "text/calendar", "text/directory"),
            *("application/pdf", "application/vcard", "application/vnd.apple.pkpass"),
        }
    ),
    5 * MEGABYTE,
)
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
