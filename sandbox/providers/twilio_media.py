"""How does Twilio keep what people send, and what does it say of the files that it is to send?

https://www.twilio.com/docs/messaging/api/media-resource and https://www.twilio.com/docs/messaging/guides/accepted-mime-types
"""

import re
from urllib.parse import urlsplit

from channels.payload import Form
from sandbox.files import TOO_LARGE, UNREAD, WRONG_TYPE, Attached, File
from sandbox.provider import Account, Ask, Reply

WHATSAPP, SMS = "whatsapp", "sms"
MOST_URLS = 10
MEGABYTE = 1024 * 1024
# What our word for a file that cannot be sent is at Twilio, which takes the send first and reads the URL then.
STATUSES = {
    (WHATSAPP, UNREAD): ("failed", "63019"),
    (WHATSAPP, TOO_LARGE): ("failed", "63034"),
    (WHATSAPP, WRONG_TYPE): ("failed", "63021"),
    (SMS, UNREAD): ("failed", "11200"),
    (SMS, TOO_LARGE): ("failed", "30019"),
    (SMS, WRONG_TYPE): ("failed", "12300"),
}
_LARGEST = {WHATSAPP: 16 * MEGABYTE, SMS: 5 * MEGABYTE}
_OFFICE = r"vnd\.openxmlformats-officedocument\.(wordprocessingml|presentationml|spreadsheetml)\.[a-z]+"
_TAKEN = {
    WHATSAPP: re.compile(
        rf"image/(jpe?g|png|webp)|audio/(ogg|amr|3gpp|aac|mpeg|mp4)|video/(mp4|3gpp)|text/(x-)?vcard"
        rf"|application/(pdf|msword|vnd\.ms-(excel|powerpoint)|{_OFFICE})"
    ),
    SMS: re.compile(
        r"image/(jpe?g|png|gif|bmp|tiff)|(audio|video)/[a-z0-9.-]+|application/(pdf|vcard|vnd\.apple\.pkpass)"
        r"|text/(vcard|x-vcard|csv|rtf|richtext|calendar|directory)"
    ),
}
_MEDIA = re.compile(
    r"/2010-04-01/Accounts/(?P<account>[^/.]+)/Messages/[A-Z]{2}[0-9a-f]{32}/Media/(?P<key>ME[0-9a-f]{32})"
)
_STORED = re.compile(r"/store/(?P<key>[0-9a-f]{64})")
_TYPES = {"image": "image", "audio": "audio", "video": "video", "file": "document"}


class Media:
    """Files of messages that came in: shown to the account, which is sent to a store that asks nobody who they are."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._sid = account.values["TWILIO_ACCOUNT_SID"]
        self._moved: dict[str, tuple[str, str]] = {}  # media sid -> its channel and its key in the store

    def said(self, channel: str, file: File, *, sid: str, base_url: str, text: str) -> dict[str, str]:
        """The webhook's fields about it. A document without words has its name for them."""
        media, key = f"ME{self._account.draw(32)}", self._account.draw(64)
        self._account.shelf.put(f"twilio:{key}", file)
        self._moved[media] = (channel, key)
        url = f"{base_url}/2010-04-01/Accounts/{self._sid}/Messages/{sid}/Media/{media}"
        fields = {"NumMedia": "1", "MediaUrl0": url, "MediaContentType0": file.media_type}
        if channel == WHATSAPP:
            fields |= {"MessageType": _TYPES[file.kind]} | ({} if text or file.kind != "file" else {"Body": file.name})
        return fields

    def account_of(self, ask: Ask) -> str:
        """Whose medium is asked for; "" when none is."""
        found = _MEDIA.fullmatch(ask.path)
        return found["account"] if found else ""

    def shown(self, ask: Ask) -> Reply | None:
        """Where it is; None when there is none."""
        found = _MEDIA.fullmatch(ask.path)
        channel, key = self._moved.get(found["key"] if found else "", ("", ""))
        if not key or ask.method != "GET":
            return None
        return Reply(307, {}, {"location": f"{ask.base_url}/store/{key}"}, channel=channel)

    def stored(self, ask: Ask) -> Reply | None:
        """The file itself, for whoever was told its key."""
        found = _STORED.fullmatch(ask.path)
        file = self._account.shelf.get(f"twilio:{found['key']}") if found and ask.method == "GET" else None
        if not found or not file:
            return None
        channel = next((each for each, key in self._moved.values() if key == found["key"]), "")
        return Reply(200, {}, file=file, channel=channel)


def attached(form: Form, channel: str) -> Attached | None:
    """The first of what a send links to: of a message on WhatsApp the others are left out."""
    url = form.first("MediaUrl")
    return Attached(url=url, judge=lambda file: _wrong(file, channel)) if url else None


def is_wrong(form: Form) -> bool:
    """Whether a URL is none."""
    stated = [urlsplit(each) for each in form.get("MediaUrl", [])]
    return any(each.scheme not in {"http", "https"} or not each.netloc for each in stated)


def _wrong(file: File | None, channel: str) -> str:
    if file is None:
        return UNREAD
    if not _TAKEN[channel].fullmatch(file.bare_type):
        return WRONG_TYPE
    return TOO_LARGE if len(file.content) > _LARGEST[channel] else ""
