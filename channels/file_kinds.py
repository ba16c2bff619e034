"""Does a provider take a file as what it is? By its media type, or what its name ends in, and by its size.

Where it does not, the file goes another way that arrives: as a document, or as a link among words.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from channels.channel import TextLimit
from channels.files import File
from channels.splitting import fits
from parley.chat.v1.message_pb2 import AttachmentKind

MEGABYTE = 1024 * 1024
_UNKNOWN = "application/octet-stream"
# One name for each type that has several.
_ALSO = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/heic": "image/heif",
    "audio/mp3": "audio/mpeg",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
    "audio/x-aac": "audio/aac",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "video/3gp": "video/3gpp",
    "video/x-msvideo": "video/avi",
    "text/x-vcard": "text/vcard",
}
_OFFICE = "application/vnd.openxmlformats-officedocument"
DOCX, PPTX, XLSX = (
    f"{_OFFICE}.{each}" for each in ("wordprocessingml.document", "presentationml.presentation", "spreadsheetml.sheet")
)
_BY_ENDING = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "svg": "image/svg+xml",
    "heic": "image/heif",
    "heif": "image/heif",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "bmp": "image/bmp",
    "avif": "image/avif",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "amr": "audio/amr",
    "ogg": "audio/ogg",
    "oga": "audio/ogg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "3gp": "video/3gpp",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "avi": "video/avi",
    "mkv": "video/x-matroska",
    "pdf": "application/pdf",
    "zip": "application/zip",
    "doc": "application/msword",
    "docx": DOCX,
    "xls": "application/vnd.ms-excel",
    "xlsx": XLSX,
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": PPTX,
    "txt": "text/plain",
    "csv": "text/csv",
    "vcf": "text/vcard",
}


@dataclass(frozen=True, slots=True)
class Takes:
    """What a provider takes as one kind. What nobody knows of a file counts for it."""

    types: frozenset[str]
    most_bytes: int

    def fits(self, file: File) -> bool:
        """Whether it may be sent as that."""
        known = type_of(file)
        return (not known or known in self.types) and max(len(file.content), file.size_bytes) <= self.most_bytes


Taken = Mapping[AttachmentKind, Takes]


def type_of(file: File) -> str:
    """Its bare media type, as tables name it; "" when neither a statement nor an ending says one."""
    stated = file.media_type.partition(";")[0].strip().lower()
    if stated in ("", _UNKNOWN) and not file.content:
        stated = _BY_ENDING.get(_ending(file.file_name), "") or _BY_ENDING.get(_ending(file.url), "")
    return _ALSO.get(stated, stated)


def link(file: File, text: str = "", *, limit: TextLimit) -> str:
    """A file as words: what would stand under it, its name, and where it is. "" where that is too long for a message.

    The name goes before anything else does.
    """
    named = f"{file.name} {file.url}" if file.file_name else file.url
    ways = ("\n".join(filter(None, (text, said))) for said in (named, file.url))
    return next((each for each in ways if file.url and fits(each, limit)), "")


def _ending(name: str) -> str:
    _, is_url, rest = name.partition("://")
    path = rest.partition("#")[0].partition("?")[0].partition("/")[2] if is_url else name
    _, dot, ending = path.rpartition("/")[2].rpartition(".")
    return ending.lower() if dot else ""
