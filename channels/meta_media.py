"""Where are the files of Meta's channels? An id that becomes a URL of five minutes, or a URL that ends after a while.

https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media
"""

import re
from collections.abc import Generator

from channels import meta_graph
from channels.channel import Answer, Call, Credentials, Outgoing, Unavailable, Unknown
from channels.failures import error
from channels.files import multipart
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
    kind = _KINDS.get(file.kind, "document")
    named: dict[str, object] = {"link": file.url}
    if file.content:
        fields = {"messaging_product": "whatsapp", "type": file.media_type}
        call = meta_graph.send(outgoing, token, base_url=base_url, body={}, app_secret=app_secret)
        content_type, body = multipart(fields, file, field="file")
        url, headers = call.url.replace("/messages", "/media"), {**call.headers, "content-type": content_type}
        try:
            answer = yield Call("POST", url, headers, body, UPLOAD_SECONDS)
        except Unknown as lost:
            raise Unavailable(provider_code=lost.provider_code) from None
        named = {"id": string(meta_graph.sent(answer).get("id"))}
        if not named["id"]:
            raise Unavailable(provider_code="no_media_id")
    if outgoing.text and file.kind in CAPTIONED:
        named["caption"] = outgoing.text
    if kind == "document":
        named["filename"] = file.name
    return {"type": kind, kind: named}
