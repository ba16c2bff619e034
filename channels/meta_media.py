"""Where are the files of Meta's channels? An id that becomes a URL of five minutes, or a URL that ends after a while.

https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media
"""

import re
from collections.abc import Generator
from dataclasses import replace

from channels import meta_graph
from channels.channel import Answer, Call, Credentials, Outgoing, Unavailable, Unknown
from channels.failures import error
from channels.file_kinds import DOCX, MEGABYTE, PPTX, XLSX, Taken, Takes, type_of
from channels.files import File, multipart
from channels.media import Download, Finding, Gone, Wanted
from channels.payload import string
from parley.chat.v1 import message_pb2 as chat

# Meta names no host: these are what other programs were seen to pin. Whatever is missing is added here.
HOSTS = (".fbsbx.com", ".fbcdn.net", ".whatsapp.net", ".cdninstagram.com", "graph.facebook.com")

UPLOAD_SECONDS = 30.0
# https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages#media-object
CAPTIONED = frozenset({chat.ATTACHMENT_KIND_IMAGE, chat.ATTACHMENT_KIND_VIDEO, chat.ATTACHMENT_KIND_FILE})
_KINDS = {
    chat.ATTACHMENT_KIND_IMAGE: "image",
    chat.ATTACHMENT_KIND_AUDIO: "audio",
    chat.ATTACHMENT_KIND_VIDEO: "video",
    chat.ATTACHMENT_KIND_STICKER: "sticker",
}
# Another picture, sound or film than these is refused as that, in a receipt, and arrives as a document.
# https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media#supported-media-types
_TAKEN: Taken = {
    chat.ATTACHMENT_KIND_IMAGE: Takes(frozenset({"image/jpeg", "image/png"}), 5 * MEGABYTE),
    chat.ATTACHMENT_KIND_AUDIO: Takes(
        frozenset({"audio/aac", "audio/amr", "audio/mp4", "audio/mpeg", "audio/ogg", "audio/opus"}), 16 * MEGABYTE
    ),
    chat.ATTACHMENT_KIND_VIDEO: Takes(frozenset({"video/mp4", "video/3gpp"}), 16 * MEGABYTE),
    chat.ATTACHMENT_KIND_STICKER: Takes(frozenset({"image/webp"}), MEGABYTE // 2),
}
# The edge that takes bytes has one list for all kinds, documents too; what it does not take Meta reads at a URL.
_DOCUMENTS = ("application/pdf", "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint")
_UPLOADED = {each: takes.most_bytes for takes in _TAKEN.values() for each in takes.types}
_UPLOADED |= dict.fromkeys((*_DOCUMENTS, DOCX, PPTX, XLSX, "text/plain"), 100 * MEGABYTE)

_ID = re.compile(r"[0-9]{1,64}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def by_id(wanted: Wanted, credentials: Credentials, *, base_url: str) -> Finding:
    """GET /{media id}, and then the URL that it names, with the token for both."""
    token, media_id = credentials.get("access_token", ""), wanted.attachment.provider_file_id
    if not _ID.fullmatch(media_id):
        raise Gone("no_reference")
    base, secret = wanted.api_base_url or base_url, credentials.get("app_secret", "")
    answer = yield meta_graph.ask(media_id, token, base_url=base, options=wanted.options, app_secret=secret)
    known = meta_graph.taken(answer)
    url, digest = string(known.get("url")), string(known.get("sha256"))
    if not url:
        raise Gone("no_reference")
    headers = {"authorization": f"Bearer {token}"}
    return Download(url, HOSTS, headers, sha256=digest if _SHA256.fullmatch(digest) else "")


def content(
    outgoing: Outgoing, token: str, *, base_url: str, app_secret: str
) -> Generator[Call, Answer, dict[str, object]]:
    """What a WhatsApp message with this file holds, once the bytes are at Meta. To put them there is not to send."""
    file = outgoing.file
    if file is None:
        raise error("payload", provider_code="no_file")
    kind = kind_of(file)
    name = _KINDS.get(kind, "document")
    named: dict[str, object] = {"link": file.url}
    if not file.url and type_of(file) not in _UPLOADED:
        raise error("payload", provider_code="file_needs_url")
    if uploads(file) or not file.url:
        fields = {"messaging_product": "whatsapp", "type": type_of(file)}
        call = meta_graph.send(outgoing, token, base_url=base_url, body={}, app_secret=app_secret)
        content_type, body = multipart(fields, replace(file, media_type=type_of(file)), field="file")
        url, headers = call.url.replace("/messages", "/media"), {**call.headers, "content-type": content_type}
        try:
            answer = yield Call("POST", url, headers, body, UPLOAD_SECONDS)
        except Unknown as lost:
            raise Unavailable(provider_code=lost.provider_code) from None
        named = {"id": string(meta_graph.sent(answer).get("id"))}
        if not named["id"]:
            raise Unavailable(provider_code="no_media_id")
    if outgoing.text and kind in CAPTIONED:
        named["caption"] = outgoing.text
    if name == "document":
        named["filename"] = file.name
    return {"type": name, name: named}


def uploads(file: File) -> bool:
    """Whether Meta takes its bytes."""
    return 0 < len(file.content) <= _UPLOADED.get(type_of(file), 0)


def kind_of(file: File) -> chat.AttachmentKind:
    """As what it goes out: what it is, or a document. A sticker that is none may be a picture."""
    ways = [file.kind, *([chat.ATTACHMENT_KIND_IMAGE] if file.kind == chat.ATTACHMENT_KIND_STICKER else [])]
    return next((each for each in ways if each in _TAKEN and _TAKEN[each].fits(file)), chat.ATTACHMENT_KIND_FILE)
