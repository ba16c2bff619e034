"""How is an attachment told to a model that reads no files? What it is, by its bytes where they are here, and why not.

All of it may be a person's words, the name of a file too: it stands in brackets, on a line of its own, and is guarded
as what they wrote.
"""

from parley.chat.v1.message_pb2 import Attachment, AttachmentKind, MediaState

KINDS = {
    AttachmentKind.ATTACHMENT_KIND_IMAGE: "image",
    AttachmentKind.ATTACHMENT_KIND_AUDIO: "audio",
    AttachmentKind.ATTACHMENT_KIND_VIDEO: "video",
    AttachmentKind.ATTACHMENT_KIND_FILE: "file",
    AttachmentKind.ATTACHMENT_KIND_STICKER: "sticker",
    AttachmentKind.ATTACHMENT_KIND_LOCATION: "location",
    AttachmentKind.ATTACHMENT_KIND_CONTACT_CARD: "contact card",
}
UNSUPPORTED = "a message of a kind that cannot be read here"
PENDING, STORED = MediaState.MEDIA_STATE_PENDING, MediaState.MEDIA_STATE_STORED
UNAVAILABLE = MediaState.MEDIA_STATE_UNAVAILABLE
# The words of docs/media.md, as they are said to a model; any other is "it could not be fetched".
WHY = {
    "too_large": "it is too large",
    "wrong_type": "it is not what it says it is",
    "not_found": "it is not there any more",
    "empty": "it is empty",
    "expired": "it was kept for its time and is removed",
    "not_supported": "this channel gives no files",
}


def described(attachment: Attachment) -> str:
    """One line, and the beginning of a text file below it."""
    if attachment.kind == AttachmentKind.ATTACHMENT_KIND_UNSUPPORTED:
        return f"[{': '.join(filter(None, (UNSUPPORTED, _plain(attachment.caption))))}]"
    about = [KINDS.get(attachment.kind, "file")]
    if attachment.media_state == STORED:
        about += [f'"{_plain(attachment.file_name)}"'] if attachment.file_name else []
        about += [_plain(attachment.sniffed_media_type), _size(attachment.size_bytes)]
    elif attachment.media_state == UNAVAILABLE:
        about.append(f"not available: {WHY.get(attachment.unavailable_reason, 'it could not be fetched')}")
    elif attachment.media_state == PENDING:
        about.append("not here yet")
    line = ", ".join(about)
    line = f"[{line}: {attachment.caption}]" if attachment.caption else f"[{line}]"
    return f'{line}\nIt begins: """\n{attachment.excerpt}\n"""' if attachment.excerpt else line


def words(attachment: Attachment) -> list[str]:
    """What of it a person may have written."""
    return [each for each in (attachment.caption, attachment.excerpt, attachment.file_name) if each]


def _plain(name: str) -> str:
    """A name closes no bracket and begins no line."""
    return "".join(each if each.isprintable() and each not in '[]"' else " " for each in name).strip()


def _size(size_bytes: int) -> str:
    if size_bytes < 1024:
        return f"{size_bytes} bytes"
    return f"{size_bytes / 1024:.0f} KB" if size_bytes < 1024 * 1024 else f"{size_bytes / 1024 / 1024:.1f} MB"
