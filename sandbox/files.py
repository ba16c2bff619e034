"""What is a file in the sandbox, and how long is it kept? Until there is no room for it: the oldest goes first."""

import mimetypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["image", "audio", "video", "file"]

EVERY_KIND: frozenset[Kind] = frozenset({"image", "audio", "video", "file"})
MOST_BYTES = 24 * 1024 * 1024  # of one: more than Telegram gives to bots
SHELF_BYTES = 256 * 1024 * 1024
UNKNOWN = "application/octet-stream"
NAMELESS = "file"

# What bytes begin with that neither name nor type say something of.
_MARKS = (
    (b"\x89PNG\r\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
)
_KINDS: Mapping[str, Kind] = {"image": "image", "audio": "audio", "video": "video"}
_NAMED = {"audio/ogg": ".ogg", "image/jpeg": ".jpg", "video/mp4": ".mp4", "audio/mpeg": ".mp3"}


@dataclass(frozen=True, slots=True, repr=False)
class File:
    """One file, whoever sent it."""

    name: str
    media_type: str
    content: bytes

    @property
    def kind(self) -> Kind:
        """What a phone takes it for."""
        return _KINDS.get(self.media_type.partition("/")[0], "file")

    @property
    def bare_type(self) -> str:
        """Without parameters: "audio/ogg" of "audio/ogg; codecs=opus"."""
        return self.media_type.partition(";")[0].strip().lower()

    @property
    def extension(self) -> str:
        """With its dot; of the name, or of the type."""
        stem, _, end = self.name.rpartition(".")
        return f".{end.lower()}" if stem and end.isascii() and end.isalnum() else extension_of(self.media_type)

    @property
    def is_voice(self) -> bool:
        """Whether it is what phones record."""
        return self.bare_type in ("audio/ogg", "audio/opus", "audio/amr")


def file_of(name: str, stated: str, *, content: bytes) -> File:
    """With the type that is stated, or that the name or the first bytes tell."""
    bare = name.replace("\\", "/").rpartition("/")[2][:200] or NAMELESS
    guessed = mimetypes.guess_type(bare)[0] or next((t for mark, t in _MARKS if content.startswith(mark)), UNKNOWN)
    return File(bare, stated if stated and stated != UNKNOWN else guessed, content)


def extension_of(media_type: str) -> str:
    """The usual one of a type, "" where there is none."""
    bare = media_type.partition(";")[0].strip()
    return _NAMED.get(bare) or mimetypes.guess_extension(bare) or ""


class Shelf:
    """Files by their keys."""

    def __init__(self, most_bytes: int = SHELF_BYTES) -> None:
        self._most_bytes = most_bytes
        self._files: dict[str, File] = {}
        self._bytes = 0

    def put(self, key: str, file: File) -> str:
        """Keeps it, and gives the key back."""
        self._take(key)
        while self._files and self._bytes + len(file.content) > self._most_bytes:
            self._take(next(iter(self._files)))
        self._files[key] = file
        self._bytes += len(file.content)
        return key

    def get(self, key: str) -> File | None:
        """The file, while it is kept."""
        return self._files.get(key)

    def _take(self, key: str) -> None:
        gone = self._files.pop(key, None)
        self._bytes -= len(gone.content) if gone else 0


# Which receipt tells what is wrong with a file that was read from a URL, None where it could not be; "" tells nothing.
Judge = Callable[[File | None], str]
UNREAD, TOO_LARGE, WRONG_TYPE = "unread", "too_large", "wrong_type"
WRONG = {
    UNREAD: "Never shown: the provider could not read the file at its URL.",
    TOO_LARGE: "Never shown: the file is larger than the provider takes.",
    WRONG_TYPE: "Never shown: the provider takes no files of that type.",
}


@dataclass(frozen=True, slots=True)
class Attached:
    """A file of a message of ours: bytes that the provider was given, or a URL that it reads by itself."""

    file: File | None = None
    url: str = ""
    judge: Judge = lambda file: "" if file else UNREAD
