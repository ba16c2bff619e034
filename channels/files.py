"""What is a file on its way to a provider? Its bytes or its URL, and the form in which bytes are posted."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from parley.chat.v1.message_pb2 import AttachmentKind

_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,63}/[A-Za-z0-9!#$&^_.+-]{1,63}", re.ASCII)
_NAMELESS = "file"
LONGEST_NAME = 200
# What a file without a name ends in: a phone opens none that ends in nothing.
_ENDINGS = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "audio/ogg": ".ogg",
    "audio/mpeg": ".mp3",
    "video/mp4": ".mp4",
    "application/pdf": ".pdf",
    "text/plain": ".txt",
}


EVERY_KIND = frozenset(AttachmentKind.values())


@dataclass(frozen=True, slots=True, repr=False)
class File:
    """One file of a reply. Either `content` is there, or `url`, as the channel `takes` it; both where it `links` it."""

    kind: AttachmentKind
    media_type: str
    file_name: str = ""
    caption: str = ""
    url: str = ""
    content: bytes = b""
    size_bytes: int = 0  # as far as it is known of what a URL leads to

    def __repr__(self) -> str:
        """Neither name nor words."""
        return f"File({AttachmentKind.Name(self.kind)}, {len(self.content)} bytes)"

    @property
    def name(self) -> str:
        """A name that is no path, holds no control characters, and is not empty."""
        last = re.split(r"[/\\]", self.file_name)[-1].strip(". ")
        named = "".join(each for each in last if each.isprintable())[:LONGEST_NAME]
        return named or _NAMELESS + _ENDINGS.get(self.media_type.partition(";")[0], "")


def multipart(fields: Mapping[str, str], file: File, *, field: str) -> tuple[str, bytes]:
    """RFC 7578: the media type with its boundary, and the body; the file stands last, under this field.

    The boundary is made of what it parts, so the same file gives the same bytes, and nobody can write one into it.
    """
    boundary = "parley-" + sha256(file.content + repr(sorted(fields.items())).encode()).hexdigest()[:40]
    begins = f"--{boundary}\r\nContent-Disposition: form-data; name="
    stated = "".join(f'{begins}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
    media_type = file.media_type if _TYPE.fullmatch(file.media_type) else "application/octet-stream"
    head = f'{begins}"{field}"; filename="{_quoted(file.name)}"\r\nContent-Type: {media_type}\r\n\r\n'
    body = (stated + head).encode() + file.content + f"\r\n--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", body


def _quoted(name: str) -> str:
    """As browsers do: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data"""
    return name.replace("%", "%25").replace('"', "%22")
