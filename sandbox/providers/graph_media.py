"""How does Meta keep the files of its channels, and which does it take?

https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media
https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from channels.channel import Unreadable
from channels.payload import parse_form
from sandbox.files import TOO_LARGE, UNREAD, WRONG_TYPE, File
from sandbox.forms import filled, is_form
from sandbox.provider import Account, Ask, Reply
from sandbox.providers.graph import Door, refused

MEGABYTE = 1024 * 1024
LONGEST_CAPTION = 1024
CAPTIONED = frozenset({"image", "video", "document"})
_OFFICE = r"vnd\.openxmlformats-officedocument\.(wordprocessingml|presentationml|spreadsheetml)\.[a-z]+"
_DOCUMENT = rf"application/(pdf|msword|vnd\.ms-(excel|powerpoint)|{_OFFICE})|text/plain"
# kind of a message -> the types that it takes, and the largest file
WHATSAPP: Mapping[str, tuple["re.Pattern[str]", int]] = {
    "image": (re.compile(r"image/(jpeg|png)"), 5 * MEGABYTE),
    "audio": (re.compile(r"audio/(aac|mp4|mpeg|amr|ogg|opus)"), 16 * MEGABYTE),
    "video": (re.compile(r"video/(mp4|3gpp)"), 16 * MEGABYTE),
    "sticker": (re.compile(r"image/webp"), MEGABYTE // 2),
    "document": (re.compile(r"[a-z]+/[a-z0-9.+-]+"), 100 * MEGABYTE),
}
INSTAGRAM: Mapping[str, tuple["re.Pattern[str]", int]] = {
    "image": (re.compile(r"image/(jpeg|png|gif)"), 8 * MEGABYTE),
    "audio": (re.compile(r"audio/(aac|m4a|x-m4a|mp4|wav|x-wav)"), 25 * MEGABYTE),
    "video": (re.compile(r"video/(mp4|ogg|avi|x-msvideo|quicktime|webm)"), 25 * MEGABYTE),
    "file": (re.compile(r"application/pdf"), 25 * MEGABYTE),
}
_UPLOADED = re.compile(rf"image/(jpeg|png|webp)|audio/(aac|mp4|mpeg|amr|ogg|opus)|video/(mp4|3gpp)|{_DOCUMENT}")

_UPLOAD = re.compile(r"/v[0-9]{1,3}\.[0-9]{1,2}/(?P<account>[0-9]+)/media")
_NODE = re.compile(r"/v[0-9]{1,3}\.[0-9]{1,2}/(?P<id>77[0-9]{14})")
ATTACHMENT, CDN = "/whatsapp_business/attachments/", "/ig_messaging_cdn/"


class Media:
    """Files by their ids: what people sent, and what was put there to be sent."""

    def __init__(self, account: Account, door: Door) -> None:
        self._account = account
        self._door = door

    def keep(self, file: File) -> str:
        """The id under which it is found."""
        number = f"77{int(self._account.draw(12), 16) % 10**14:014d}"
        self._account.shelf.put(f"meta:{number}", file)
        return number

    def get(self, number: str) -> File | None:
        """The file, while it is kept."""
        return self._account.shelf.get(f"meta:{number}")

    def linked(self, file: File, base_url: str) -> str:
        """A URL that whoever has it may read."""
        number = self.keep(file)
        return f"{base_url}{CDN}?asset_id={number}&signature={self._proof(number)}"

    def answer(self, ask: Ask) -> Reply | None:
        """Of requests about files; None of all others."""
        if ask.path == CDN:
            return self._read(ask, "asset_id", proof="signature")
        upload, node = _UPLOAD.fullmatch(ask.path), _NODE.fullmatch(ask.path)
        if not upload and not node and ask.path != ATTACHMENT:
            return None
        if refusal := self._door.refusal(ask):
            return refusal
        if upload:
            return self._upload(ask, upload["account"])
        return self._shown(ask, node["id"]) if node else self._read(ask, "mid", proof="hash")

    def _upload(self, ask: Ask, account: str) -> Reply:
        if account != self._door.account_id or ask.method != "POST" or not is_form(ask):
            return refused(400, 100, message="Unsupported post request. Object with ID does not exist", subcode=33)
        try:
            form = filled(ask)
        except Unreadable:
            return refused(400, 100, message="The body is not a form")
        file = form.files.get("file")
        if form.fields.get("messaging_product") != "whatsapp" or not file:
            missing = "file" if not file else "messaging_product"
            return refused(400, 100, message=f"The parameter {missing} is required.")
        if not _UPLOADED.fullmatch(file.bare_type):
            told = f"Received file of type '{file.bare_type}'."
            return refused(400, 100, message=f"Param file must be a file with one of the documented types. {told}")
        if not file.content or len(file.content) > _largest(file):
            return refused(400, 131053, message="Media upload error")
        return Reply(200, {"id": self.keep(file)})

    def _shown(self, ask: Ask, number: str) -> Reply:
        file = self.get(number)
        if not file or ask.method != "GET":
            return refused(400, 100, message="Unsupported get request. Object with ID does not exist", subcode=33)
        url = f"{ask.base_url}{ATTACHMENT}?mid={number}&ext=1&hash={self._proof(number)}"
        told = {"messaging_product": "whatsapp", "url": url, "mime_type": file.media_type, "id": number}
        return Reply(200, told | {"sha256": sha256(file.content).hexdigest(), "file_size": len(file.content)})

    def _read(self, ask: Ask, name: str, *, proof: str) -> Reply:
        query = parse_form(ask.query)
        number = query.first(name)
        file = self.get(number)
        known = file and query.first(proof) == self._proof(number) and ask.method == "GET"
        return Reply(200, {}, file=file) if known else refused(404, 100, message="URL signature expired")

    def _proof(self, number: str) -> str:
        return sha256(f"{self._account.values['META_APP_SECRET']}{number}".encode()).hexdigest()[:24]


def label(ask: Ask) -> str:
    """Of requests about files, without ids; "" of all others."""
    if _UPLOAD.fullmatch(ask.path) or _NODE.fullmatch(ask.path):
        return f"{ask.method} media"
    return f"{ask.method} a file" if ask.path in (ATTACHMENT, CDN) else ""


def described(file: File) -> dict[str, Any]:
    """What a webhook of WhatsApp says of a file beside its id."""
    digest = b64encode(sha256(file.content).digest()).decode()
    return {"mime_type": file.media_type, "sha256": digest}


def wrong(file: File | None, kind: str, *, takes: Mapping[str, tuple["re.Pattern[str]", int]]) -> str:
    """What is wrong with a file, as a receipt's word; "" for nothing."""
    if file is None:
        return UNREAD
    types, largest = takes[kind]
    if not types.fullmatch(file.bare_type):
        return WRONG_TYPE
    return TOO_LARGE if len(file.content) > largest else ""


def _largest(file: File) -> int:
    kind = "sticker" if file.bare_type == "image/webp" else "document" if file.kind == "file" else file.kind
    return WHATSAPP[kind][1]
