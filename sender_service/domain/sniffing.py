"""What is a file, by its own bytes? And is that what the person was said to have sent? Nothing is ever unpacked."""

import puremagic

from parley.chat.v1 import message_pb2 as chat
from parley.chat.v1.message_pb2 import Attachment

UNKNOWN, TEXT, HTML, ZIP = "application/octet-stream", "text/plain", "text/html", "application/zip"
ENOUGH_BYTES = 8192  # every mark stands before this
MOST_EXCERPT = 2000  # characters
LONGEST_TYPE = 128

# What the library has no type for, or too many.
_MARKS = (
    (b"#!AMR", "audio/amr"),
    (b"OggS", "audio/ogg"),
    (b"\x1f\x8b", "application/gzip"),
    (b"PK\x03\x04", ZIP),
)
_PAGE = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<title")
# What each kind of file may be. A GIF is a film to some, and animated stickers are packed drawings.
_FITS = {
    chat.ATTACHMENT_KIND_IMAGE: {"image/*"},
    chat.ATTACHMENT_KIND_AUDIO: {
        "audio/*",
        "application/ogg",
        "video/mp4",
        "video/webm",
        "video/3gpp",
        "video/quicktime",
    },
    chat.ATTACHMENT_KIND_VIDEO: {"video/*", "image/*", "application/x-matroska"},
    chat.ATTACHMENT_KIND_STICKER: {"image/*", "application/gzip", "application/json", "video/webm"},
}


def type_of(head: bytes, *, stated: str) -> str:
    """RFC 6838 media type. What the sender stated is believed where the bytes leave a choice, and nowhere else."""
    claimed = stated.partition(";")[0].strip().lower()[:LONGEST_TYPE]
    if _is_page(head):
        return HTML
    known = _known(head)
    if claimed in known:
        return claimed
    for mark, media_type in _MARKS:
        if head.startswith(mark):
            return media_type
    if known:
        return known[0]
    if _is_text(head):
        return claimed if claimed.startswith("text/") and claimed != HTML else TEXT
    return UNKNOWN


def is_what_it_says(attachment: Attachment, media_type: str) -> bool:
    """Whether a person would find that kind of thing. A page in the place of a file is a provider's login or error."""
    if media_type == HTML:
        return attachment.media_type.partition(";")[0].strip().lower() == HTML
    fits = _FITS.get(attachment.kind)
    return fits is None or media_type in fits or f"{media_type.partition('/')[0]}/*" in fits


def excerpt(head: bytes, media_type: str) -> str:
    """The beginning of a text; "" of anything else."""
    if not (media_type.startswith("text/") or media_type == "application/json") or media_type == HTML:
        return ""
    text = head[: 4 * MOST_EXCERPT].decode("utf-8", "ignore")
    return "".join(each for each in text if each.isprintable() or each in "\n\t")[:MOST_EXCERPT]


def _known(head: bytes) -> list[str]:
    """By the library's own confidence. Office files are all the same package: only a statement tells them apart."""
    try:
        found = puremagic.magic_string(head[:ENOUGH_BYTES])
    except (puremagic.PureError, ValueError):
        return []
    return [each.mime_type.lower() for each in found if "/" in each.mime_type and each.mime_type != UNKNOWN]


def _is_page(head: bytes) -> bool:
    begins = head[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return begins.startswith(_PAGE) or (begins.startswith(b"<!--") and any(each in begins for each in _PAGE))


def _is_text(head: bytes) -> bool:
    """UTF-8 without control characters. The last character may have been cut."""
    sample = head[:ENOUGH_BYTES]
    for cut in range(min(4, len(sample)) if len(head) >= ENOUGH_BYTES else 1):
        try:
            text = sample[: len(sample) - cut].decode()
        except UnicodeDecodeError:
            continue
        return bool(text) and all(each >= " " or each in "\t\n\r\f" for each in text)
    return False
