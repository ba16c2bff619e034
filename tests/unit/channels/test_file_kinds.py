"""As what does a file go out that its provider does not take as what it is? As whatever arrives."""

from typing import Any

import orjson
import pytest

from channels.channel import Rejected, TextLimit
from channels.file_kinds import Takes, link, type_of
from channels.files import File
from channels.media import Links
from channels.registry import CHANNELS
from parley.chat.v1 import message_pb2 as chat
from tests.unit.channels.test_files import answer, form, give

IMAGE, AUDIO, VIDEO = chat.ATTACHMENT_KIND_IMAGE, chat.ATTACHMENT_KIND_AUDIO, chat.ATTACHMENT_KIND_VIDEO
FILE, STICKER = chat.ATTACHMENT_KIND_FILE, chat.ATTACHMENT_KIND_STICKER
URL = "https://x.test/a"
SENT = answer({"messages": [{"id": "wamid.1"}]})
MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("file", "named"),
    [
        (File(IMAGE, "image/JPG; q=1"), "image/jpeg"),
        (File(IMAGE, "", "a.PNG"), "image/png"),
        (File(IMAGE, "", "", url="https://x.test/b.c/a.webp?v=1.png#x.gif"), "image/webp"),
        (File(IMAGE, "application/octet-stream", "photo", url="https://x.test/a.gif"), "image/gif"),
        (File(IMAGE, "", "photo", url="https://x.gif"), ""),
        (File(IMAGE, "", "gif"), ""),
        (File(IMAGE, "application/octet-stream", "a.png", content=b"?"), "application/octet-stream"),
        (File(AUDIO, "audio/x-m4a"), "audio/mp4"),
    ],
)
def test_a_type_is_what_is_stated_or_what_a_name_ends_in(file: File, named: str) -> None:
    assert type_of(file) == named


def test_what_nobody_knows_of_a_file_counts_for_it() -> None:
    takes = Takes(frozenset({"image/png"}), 10)
    assert takes.fits(File(IMAGE, "", url=URL))
    assert takes.fits(File(IMAGE, "image/png", url=URL, size_bytes=10))
    assert not takes.fits(File(IMAGE, "image/png", url=URL, size_bytes=11))
    assert not takes.fits(File(IMAGE, "image/gif", url=URL))


def test_a_link_is_said_with_as_much_as_fits_beside_it() -> None:
    file = File(FILE, "", "bill.zip", url=URL)
    assert link(file, "yours", limit=TextLimit(100, "bytes")) == f"yours\nbill.zip {URL}"
    assert link(file, "yours", limit=TextLimit(24, "bytes")) == f"yours\n{URL}"
    assert link(file, "yours", limit=TextLimit(20, "bytes")) == "", "words are not lost for a link"
    assert link(File(FILE, "", "bill.zip", content=b"1"), limit=TextLimit(100, "bytes")) == ""


@pytest.mark.parametrize(
    ("kind", "media_type", "size", "sent_as"),
    [
        (IMAGE, "image/jpeg", 5 * MEGABYTE, "image"),
        (IMAGE, "image/jpeg", 5 * MEGABYTE + 1, "document"),
        (IMAGE, "image/gif", 9, "document"),
        (IMAGE, "image/webp", 9, "document"),
        (IMAGE, "", 9, "image"),
        (AUDIO, "audio/ogg; codecs=opus", 9, "audio"),
        (AUDIO, "audio/wav", 9, "document"),
        (AUDIO, "audio/mpeg", 17 * MEGABYTE, "document"),
        (VIDEO, "video/mp4", 9, "video"),
        (VIDEO, "video/quicktime", 9, "document"),
        (STICKER, "image/webp", 9, "sticker"),
        (STICKER, "image/png", 9, "image"),
        (STICKER, "image/gif", 9, "document"),
        (FILE, "image/png", 9, "document"),
    ],
)
def test_whatsapp_cloud_gets_as_a_document_what_it_does_not_take_as_its_kind(
    kind: chat.AttachmentKind, media_type: str, size: int, sent_as: str
) -> None:
    [call], _ = give("whatsapp_cloud", File(kind, media_type, "a", "look", url=URL, size_bytes=size), SENT)
    said = orjson.loads(call.body)
    assert (said["type"], said[sent_as]["link"]) == (sent_as, URL)
    assert said[sent_as].get("filename") == ("a" if sent_as == "document" else None)
    assert said[sent_as].get("caption") == (None if sent_as in ("audio", "sticker") else "look")


def test_what_whatsapp_cloud_takes_no_bytes_of_it_reads_at_a_url() -> None:
    channel: Any = CHANNELS["whatsapp_cloud"]
    assert isinstance(channel, Links)
    animated = File(IMAGE, "image/gif", "a.gif", content=b"GIF89a")
    assert channel.links(animated)
    assert not channel.links(File(IMAGE, "image/webp", "a.webp", content=b"RIFF"))
    [call], _ = give("whatsapp_cloud", File(IMAGE, "image/gif", "a.gif", url=URL, content=b"GIF89a"), SENT)
    assert orjson.loads(call.body)["document"] == {"link": URL, "filename": "a.gif"}
    with pytest.raises(Rejected) as refused:
        give("whatsapp_cloud", animated, SENT)
    assert refused.value.provider_code == "file_needs_url"


def test_whatsapp_cloud_is_given_a_type_by_the_name_that_it_knows() -> None:
    file = File(AUDIO, "audio/x-m4a", "a.m4a", content=b"1")
    calls, _ = give("whatsapp_cloud", file, answer({"id": "7"}), SENT)
    assert form(calls[0])["type"] == b"audio/mp4"
    assert b"Content-Type: audio/mp4" in calls[0].body


@pytest.mark.parametrize(
    ("kind", "media_type", "method"),
    [
        (IMAGE, "image/heic", "sendDocument"),
        (IMAGE, "image/webp", "sendPhoto"),
        (STICKER, "image/webp", "sendSticker"),
        (STICKER, "image/png", "sendPhoto"),
        (STICKER, "image/avif", "sendDocument"),
    ],
)
def test_telegram_gets_as_a_document_what_it_cannot_draw(
    kind: chat.AttachmentKind, media_type: str, method: str
) -> None:
    [call], _ = give(
        "telegram", File(kind, media_type, "a", content=b"1"), answer({"ok": True, "result": {"message_id": 7}})
    )
    assert call.url.endswith(f"/{method}")


def test_a_photo_that_telegram_cannot_read_goes_out_as_it_is() -> None:
    refusal = {"ok": False, "error_code": 400, "description": "Bad Request: IMAGE_PROCESS_FAILED"}
    done = answer({"ok": True, "result": {"message_id": 7}})
    calls, _ = give("telegram", File(IMAGE, "image/png", "a.png", content=b"1"), answer(refusal, 400), done)
    assert [each.url.rpartition("/")[2] for each in calls] == ["sendPhoto", "sendDocument"]


def test_discord_says_the_link_of_what_is_too_large_for_the_server() -> None:
    known = {"bot_token": "discord.token", "chat_id": "1234567890123456789"}
    file = File(FILE, "application/pdf", "a.pdf", "bill", url=URL, content=b"%PDF")
    done = answer({"id": "9876543210987654321"})
    calls, _ = give("discord", file, answer({"code": 40005}, 413), done, **known)
    assert orjson.loads(calls[1].body)["content"] == f"bill\na.pdf {URL}"
