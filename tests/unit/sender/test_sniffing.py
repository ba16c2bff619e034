"""What are files, whatever they are called? Beginnings of real ones, and of what is sent in their place."""

import io
import zipfile

import pytest

from parley.chat.v1 import message_pb2 as chat
from parley.chat.v1.message_pb2 import Attachment
from sender_service.domain import sniffing

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(40)
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + bytes(50)
MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(40)
OPUS = b"OggS\x00\x02" + bytes(22) + b"\x01\x13OpusHead" + bytes(30)
PAGE = b"\n<!DOCTYPE html><html><head><title>Sign in</title>"
OFFICE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def packed(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "x" * 100)
    return file.getvalue()


@pytest.mark.parametrize(
    ("head", "stated", "media_type"),
    [
        (PNG, "", "image/png"),
        (PNG, "image/jpeg", "image/png"),
        (JPEG, "", "image/jpeg"),
        (b"GIF89a" + bytes(30), "", "image/gif"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(30), "image/webp", "image/webp"),
        (b"%PDF-1.7\n%abc\n", "application/octet-stream", "application/pdf"),
        (OPUS, "audio/ogg; codecs=opus", "audio/ogg"),
        (MP4, "", "video/mp4"),
        (b"#!AMR\n" + bytes(30), "audio/amr", "audio/amr"),
        (b"ID3\x03\0\0\0\0\0\0" + bytes(30), "audio/mpeg", "audio/mpeg"),
        (packed("a.txt"), "", "application/zip"),
        (packed("a.txt"), "image/png", "application/zip"),
        (packed("word/document.xml"), OFFICE, OFFICE),
        (b"a,b\n1,2\n", "text/csv", "text/csv"),
        ("gr\u00fc\u00df dich".encode(), "", "text/plain"),
        (b"hello", "text/html", "text/plain"),
        (b"hello", "image/png", "text/plain"),
        (b"BEGIN:VCARD\nVERSION:3.0\n", "text/x-vcard", "text/vcard"),
        (PAGE, "image/png", "text/html"),
        (b"<!-- hi --><script>1</script>", "text/plain", "text/html"),
        (b"\xef\xbb\xbf<html>", "", "text/html"),
        (bytes(range(256)), "", "application/octet-stream"),
        (bytes(range(256)), "image/png", "application/octet-stream"),
    ],
)
def test_bytes_say_what_they_are(head: bytes, stated: str, media_type: str) -> None:
    assert sniffing.type_of(head, stated=stated) == media_type


@pytest.mark.parametrize(
    ("kind", "media_type", "is_it"),
    [
        ("IMAGE", "image/png", True),
        ("IMAGE", "text/html", False),
        ("IMAGE", "application/octet-stream", False),
        ("IMAGE", "application/zip", False),
        ("AUDIO", "audio/ogg", True),
        ("AUDIO", "video/mp4", True),
        ("AUDIO", "image/png", False),
        ("VIDEO", "video/mp4", True),
        ("VIDEO", "image/gif", True),
        ("VIDEO", "audio/ogg", False),
        ("STICKER", "image/webp", True),
        ("STICKER", "application/gzip", True),
        ("STICKER", "application/pdf", False),
        ("FILE", "application/zip", True),
        ("FILE", "application/octet-stream", True),
        ("FILE", "text/html", False),
    ],
)
def test_a_file_is_what_a_person_would_find_it_to_be(kind: str, media_type: str, *, is_it: bool) -> None:
    attachment = Attachment(kind=f"ATTACHMENT_KIND_{kind}", media_type="application/pdf")
    assert sniffing.is_what_it_says(attachment, media_type) is is_it


def test_a_page_that_was_sent_as_one_is_one() -> None:
    sent = Attachment(kind=chat.ATTACHMENT_KIND_FILE, media_type="text/html; charset=utf-8")
    assert sniffing.is_what_it_says(sent, "text/html")


def test_the_excerpt_of_a_text_is_bounded_and_holds_nothing_that_is_not_seen() -> None:
    assert sniffing.excerpt(b"one\ttwo\n\x1b[31mred\x00", "text/plain") == "one\ttwo\n[31mred"
    assert len(sniffing.excerpt(b"a" * 100_000, "text/csv")) == sniffing.MOST_EXCERPT
    assert sniffing.excerpt("\u00fc".encode()[:1], "text/plain") == ""
    assert sniffing.excerpt(PNG, "image/png") == ""
    assert sniffing.excerpt(PAGE, "text/html") == ""


def test_a_text_is_known_as_one_though_its_last_character_was_cut() -> None:
    whole = ("\u00fc" * sniffing.ENOUGH_BYTES).encode()
    assert sniffing.type_of(b"a" + whole, stated="") == "text/plain"
