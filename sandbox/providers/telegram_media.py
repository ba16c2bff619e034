"""How does Telegram keep files, and which does it take from a bot? https://core.telegram.org/bots/api#sending-files

Of a file a bot is told an id; getFile gives it a path, up to 20 MB, and it sends up to 50 MB, a photo up to 10.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from channels.payload import string
from sandbox.files import File
from sandbox.pictures import size_of
from sandbox.provider import Account, Ask, Reply

MEGABYTE = 1024 * 1024
LARGEST_READ, LARGEST_SENT, LARGEST_PHOTO = 20 * MEGABYTE, 50 * MEGABYTE, 10 * MEGABYTE
LONGEST_CAPTION = 1024  # UTF-16 units
MOST_PIXELS, STEEPEST = 10_000, 20  # of a photo: both sides together, and one against the other

_FILE = re.compile(r"/file/bot(?P<token>[^/]*)/(?P<path>[a-z]+/file_[0-9]+(\.[a-z0-9]+)?)")
_FOLDERS = {"photo": "photos", "voice": "voice", "audio": "music", "video": "videos", "sticker": "stickers"}
_METHODS = {f"send{each}": each for each in ("photo", "document", "audio", "voice", "video", "animation", "sticker")}


@dataclass(frozen=True, slots=True)
class Kept:
    """A file, and where it is read."""

    id: str
    path: str
    file: File


class Media:
    """Files of one bot, from people and to them."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._paths: dict[str, str] = {}  # file_id -> path

    def said(self, file: File) -> dict[str, Any]:
        """The field of a person's message."""
        return self.described(_kind_of(file), file)

    def described(self, kind: str, file: File) -> dict[str, Any]:
        """The field of a message, by which the file is found from now on."""
        kept = self._keep(kind, file)
        width, height = size_of(file.content)
        known = {"file_id": kept.id, "file_unique_id": kept.id[-16:], "file_size": len(file.content)}
        if kind == "photo":
            small = {**known, "file_id": self._keep(kind, file).id, "width": 90, "height": 90, "file_size": 1000}
            return {"photo": [small, {**known, "width": width or 1280, "height": height or 1280}]}
        told: dict[str, Any] = known | {"mime_type": file.bare_type}
        if kind in ("audio", "voice", "video"):
            told |= {"duration": 1}
        if kind == "video":
            told |= {"width": width or 640, "height": height or 480}
        return {kind: told if kind == "voice" else told | {"file_name": file.name}}

    def got(self, asked: Mapping[str, Any]) -> Reply | Kept:
        """Of getFile: the file, or why there is none."""
        file_id = string(asked.get("file_id"))
        file = self._account.shelf.get(f"telegram:{self._paths.get(file_id, '')}")
        if not file:
            return refused(400, "Bad Request: invalid file_id")
        if len(file.content) > LARGEST_READ:
            return refused(400, "Bad Request: file is too big")
        return Kept(file_id, self._paths[file_id], file)

    def read(self, ask: Ask, token: str) -> Reply | None:
        """The bytes of a path; None where no file is asked for."""
        found = _FILE.fullmatch(ask.path)
        if not found:
            return None
        file = self._account.shelf.get(f"telegram:{found['path']}") if unquote(found["token"]) == token else None
        return Reply(200, {}, file=file) if file and ask.method == "GET" else refused(404, "Not Found")

    def _keep(self, kind: str, file: File) -> Kept:
        file_id, folder = f"AgACAgIAAx{self._account.draw(48)}", _FOLDERS.get(kind, "documents")
        path = f"{folder}/file_{len(self._paths) + 1}{file.extension}"
        self._paths[file_id] = path
        self._account.shelf.put(f"telegram:{path}", file)
        return Kept(file_id, path, file)


def field_of(method: str) -> str:
    """What a method sends; "" of those that send no file."""
    return _METHODS.get(method, "")


def wrong(field: str, file: File) -> Reply | None:
    """Why a bot's file is not taken."""
    size, (width, height) = len(file.content), size_of(file.content)
    if not size:
        return refused(400, "Bad Request: file must be non-empty")
    if size > LARGEST_SENT:
        return refused(413, "Request Entity Too Large")
    if field != "photo":
        return None
    if size > LARGEST_PHOTO:
        told = f"file of size {size} bytes is too big for a photo; the maximum size is {LARGEST_PHOTO} bytes"
        return refused(400, f"Bad Request: {told}")
    if file.kind != "image" or file.bare_type == "image/svg+xml":
        return refused(400, "Bad Request: IMAGE_PROCESS_FAILED")
    steep = width and height and max(width, height) / min(width, height) > STEEPEST
    return refused(400, "Bad Request: PHOTO_INVALID_DIMENSIONS") if steep or width + height > MOST_PIXELS else None


def refused(code: int, description: str, **more: Any) -> Reply:
    """Telegram's own shape of an error."""
    return Reply(code, {"ok": False, "error_code": code, "description": description, **more})


def _kind_of(file: File) -> str:
    """What a phone sends it as."""
    if file.kind == "image":
        return "photo" if file.bare_type in ("image/jpeg", "image/png", "image/webp") else "document"
    if file.kind == "audio":
        return "voice" if file.is_voice else "audio"
    return "video" if file.kind == "video" else "document"
