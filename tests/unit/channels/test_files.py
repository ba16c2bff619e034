"""How does each channel send a file? By the provider's own calls, and never twice for an answer that was lost."""

import email
import email.policy
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest

from channels.channel import (
    Answer,
    Call,
    Credentials,
    DeliveryError,
    Outgoing,
    Rejected,
    Sent,
    Unauthorized,
    Unavailable,
    Unknown,
)
from channels.files import File, multipart
from channels.media import Gives
from channels.registry import CHANNELS
from parley.chat.v1 import message_pb2 as chat

IMAGE, AUDIO, FILE = chat.ATTACHMENT_KIND_IMAGE, chat.ATTACHMENT_KIND_AUDIO, chat.ATTACHMENT_KIND_FILE
PNG = b"\x89PNG\r\n\x1a\n\r\n--parley"
KNOWN = {
    "account_sid": "AC" + "1" * 32,
    "auth_token": "twilio-token",
    "bot_token": "123:telegram",
    "access_token": "EAAmeta",
}
LINK = File(IMAGE, "image/png", "a.png", "look", url="https://x.test/a.png")
BYTES = File(IMAGE, "image/png", 'a "b".png', "look", content=PNG)


def give(name: str, file: File, *answers: Answer | DeliveryError, **more: str) -> tuple[list[Call], Sent]:
    channel = CHANNELS[name]
    assert isinstance(channel, Gives)
    chat_id = more.pop("chat_id", "1234567")
    outgoing = Outgoing("d1", 1, file.caption, chat_id, "555000111222333", file=file)
    flow = channel.give(outgoing, Credentials({**KNOWN, **more}))
    calls, given = [next(flow)], iter(answers)
    try:
        while True:
            answer = next(given)
            calls.append(flow.throw(answer) if isinstance(answer, DeliveryError) else flow.send(answer))
    except StopIteration as done:
        sent: Sent = done.value
        return calls, sent


def answer(content: object, status: int = 200) -> Answer:
    return Answer(status, {}, orjson.dumps(content))


def form(call: Call) -> Mapping[str, bytes]:
    """The parts of a form by their names, as anybody's parser reads them."""
    head = f"content-type: {call.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + call.body, policy=email.policy.HTTP)
    return {
        str(part.get_param("name", header="content-disposition")): bytes(part.get_payload(decode=True))
        for part in message.iter_parts()
    }


def test_words_stand_under_a_document_by_sms_and_not_by_twilios_whatsapp() -> None:
    document = chat.ATTACHMENT_KIND_FILE
    channels: Any = CHANNELS
    shown = {name: document in channels[name].captioned for name in ("sms", "whatsapp", "whatsapp_cloud")}
    assert shown == {"sms": True, "whatsapp": False, "whatsapp_cloud": True}


def test_twilio_is_told_where_the_file_is() -> None:
    calls, sent = give("whatsapp", LINK, answer({"sid": "MM1"}, 201), chat_id="+14155550123")
    fields = parse_qs(calls[0].body.decode())
    assert (fields["MediaUrl"], fields["Body"], sent) == (["https://x.test/a.png"], ["look"], Sent("MM1"))


def test_instagram_is_told_where_the_file_is() -> None:
    calls, sent = give("instagram", LINK, answer({"message_id": "mid.1"}))
    said = orjson.loads(calls[0].body)["message"]
    assert said == {"attachment": {"type": "image", "payload": {"url": "https://x.test/a.png"}}}
    assert sent == Sent("mid.1")


def test_whatsapp_cloud_is_told_where_the_file_is_or_given_it_first() -> None:
    done = answer({"messages": [{"id": "wamid.1"}]})
    calls, sent = give("whatsapp_cloud", LINK, done)
    said = orjson.loads(calls[0].body)
    assert (said["type"], said["image"]) == ("image", {"link": "https://x.test/a.png", "caption": "look"})
    calls, sent = give("whatsapp_cloud", BYTES, answer({"id": "777"}), done)
    assert calls[0].url == "https://graph.facebook.com/v23.0/555000111222333/media"
    assert form(calls[0]) == {"messaging_product": b"whatsapp", "type": b"image/png", "file": PNG}
    said = orjson.loads(calls[1].body)
    assert (said["image"], said["biz_opaque_callback_data"]) == ({"id": "777", "caption": "look"}, "d1.1")
    assert sent == Sent("wamid.1")


@pytest.mark.parametrize(
    ("kind", "media_type", "what"),
    [
        (
            FILE,
            "application/pdf",
            {"type": "document", "document": {"id": "7", "caption": "look", "filename": "a.bin"}},
        ),
        (AUDIO, "audio/mpeg", {"type": "audio", "audio": {"id": "7"}}),
    ],
)
def test_whatsapp_cloud_has_a_name_for_documents_and_no_words_for_sound(
    kind: chat.AttachmentKind, media_type: str, what: Mapping[str, object]
) -> None:
    file = File(kind, media_type, "a.bin", "look", content=b"1")
    calls, _ = give("whatsapp_cloud", file, answer({"id": "7"}), answer({"messages": [{"id": "w"}]}))
    said = orjson.loads(calls[1].body)
    assert {name: said[name] for name in what} == what


@pytest.mark.parametrize(
    ("file", "method", "field"),
    [
        (BYTES, "sendPhoto", "photo"),
        (File(AUDIO, "audio/ogg", "a.ogg", content=b"1"), "sendAudio", "audio"),
        (File(FILE, "application/pdf", "a.pdf", content=b"1"), "sendDocument", "document"),
        (File(IMAGE, "image/svg+xml", "a.svg", content=b"1"), "sendDocument", "document"),
        (File(IMAGE, "image/png", "a.png", content=bytes(11_000_000)), "sendDocument", "document"),
    ],
)
def test_telegram_has_a_method_for_each_kind(file: File, method: str, field: str) -> None:
    calls, sent = give("telegram", file, answer({"ok": True, "result": {"message_id": 7}}))
    assert calls[0].url == f"https://api.telegram.org/bot123:telegram/{method}"
    assert form(calls[0])[field] == file.content
    assert form(calls[0]).get("caption", b"") == file.caption.encode()
    assert sent == Sent("7")


@pytest.mark.parametrize("chat_id", ["42", "-100:7"])
def test_a_picture_that_is_too_tall_for_a_photo_of_telegram_s_goes_out_as_it_is(chat_id: str) -> None:
    refusal = {"ok": False, "error_code": 400, "description": "Bad Request: PHOTO_INVALID_DIMENSIONS"}
    done = answer({"ok": True, "result": {"message_id": 7}})
    calls, sent = give("telegram", BYTES, answer(refusal, 400), done, chat_id=chat_id)
    assert [each.url.rpartition("/")[2] for each in calls] == ["sendPhoto", "sendDocument"]
    photo, document = (dict(form(each)) for each in calls)
    assert document.pop("document") == photo.pop("photo") == BYTES.content
    assert (document, sent) == (photo, Sent("7"))


def test_a_picture_that_is_too_tall_follows_its_group_too() -> None:
    moved = {"ok": False, "error_code": 400, "description": "upgraded", "parameters": {"migrate_to_chat_id": -1001}}
    refusal = {"ok": False, "error_code": 400, "description": "Bad Request: PHOTO_INVALID_DIMENSIONS"}
    done = answer({"ok": True, "result": {"message_id": 7}})
    calls, _ = give("telegram", BYTES, answer(moved, 400), answer(refusal, 400), done, chat_id="-100")
    assert [form(each)["chat_id"] for each in calls] == [b"-100", b"-1001", b"-1001"]


def test_a_group_of_telegram_s_that_moved_gets_its_file_there() -> None:
    moved = {"ok": False, "error_code": 400, "description": "upgraded", "parameters": {"migrate_to_chat_id": -1001}}
    done = answer({"ok": True, "result": {"message_id": 7}})
    calls, _ = give("telegram", BYTES, answer(moved, 400), done, chat_id="-100")
    assert [form(each)["chat_id"] for each in calls] == [b"-100", b"-1001"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (IMAGE, {"type": "image", "originalContentUrl": "https://x.test/a", "previewImageUrl": "https://x.test/a"}),
        (AUDIO, {"type": "text", "text": "a.ogg https://x.test/a"}),
        (FILE, {"type": "text", "text": "a.ogg https://x.test/a"}),
    ],
)
def test_line_shows_pictures_by_their_url_and_is_told_the_link_of_all_else(
    kind: chat.AttachmentKind, message: dict[str, str]
) -> None:
    file = File(kind, "image/png" if kind == IMAGE else "audio/ogg", "a.ogg", url="https://x.test/a")
    [call], sent = give("line", file, answer({"sentMessages": [{"id": "46"}]}), chat_id="U" + "0" * 32)
    assert orjson.loads(call.body)["messages"] == [message]
    assert call.headers["x-line-retry-key"]
    assert sent == Sent("46")


def test_a_file_on_slack_is_put_first_and_shown_last() -> None:
    where = answer({"ok": True, "upload_url": "https://files.slack.com/upload/v1/abc", "file_id": "F1"})
    token, thread = {"bot_token": "xoxb-1", "chat_id": "C1:1700000000.000100"}, "1700000000.000100"
    calls, sent = give("slack", BYTES, where, Answer(200, {}, b"OK"), answer({"ok": True}), **token)
    assert parse_qs(calls[0].body.decode()) == {"filename": ['a "b".png'], "length": [str(len(PNG))]}
    assert (calls[1].url, calls[1].body) == ("https://files.slack.com/upload/v1/abc", PNG)
    assert "authorization" not in calls[1].headers
    assert orjson.loads(calls[2].body) == {
        "files": [{"id": "F1", "title": 'a "b".png'}],
        "channel_id": "C1",
        "thread_ts": thread,
        "initial_comment": "look",
    }
    assert sent == Sent("F1")


def test_who_may_not_show_files_on_slack_is_not_who_may_say_nothing() -> None:
    token = {"bot_token": "xoxb-1", "chat_id": "D1"}
    where = answer({"ok": True, "upload_url": "https://files.slack.com/u", "file_id": "F1"})
    forbidden = answer({"ok": False, "error": "missing_scope", "needed": "files:write"})
    for answers in ([forbidden], [where, Answer(200, {}, b"OK"), forbidden]):
        with pytest.raises(Rejected) as refused:
            give("slack", BYTES, *answers, **token)
        assert (refused.value.kind, refused.value.provider_code) == ("policy", "missing_scope")
    with pytest.raises(Unauthorized):
        give("slack", BYTES, answer({"ok": False, "error": "token_revoked"}), **token)


@pytest.mark.parametrize(
    "url",
    ["https://files.slack.com.evil.test/u", "http://files.slack.com/u", "https://evil.test/u", "file:///etc", ""],
)
def test_a_person_s_file_is_put_nowhere_but_at_slack(url: str) -> None:
    with pytest.raises(Unavailable):
        give("slack", BYTES, answer({"ok": True, "upload_url": url, "file_id": "F1"}), bot_token="xoxb-1", chat_id="C1")


def test_what_was_lost_before_anybody_saw_it_may_be_done_again_and_what_was_lost_after_is_unknown() -> None:
    where = answer({"ok": True, "upload_url": "https://files.slack.com/u", "file_id": "F1"})
    token = {"bot_token": "xoxb-1", "chat_id": "C1"}
    with pytest.raises(Unavailable):
        give("slack", BYTES, Unknown(), **token)
    with pytest.raises(Unavailable):
        give("slack", BYTES, where, Unknown(), **token)
    with pytest.raises(Unknown):
        give("slack", BYTES, where, Answer(200, {}, b"OK"), Unknown(), **token)
    with pytest.raises(Unavailable):
        give("whatsapp_cloud", BYTES, Unknown())
    with pytest.raises(Unknown):
        give("whatsapp_cloud", BYTES, answer({"id": "7"}), Unknown())


def test_discord_gets_the_file_with_the_message_by_its_nonce() -> None:
    known = {"bot_token": "discord.token", "chat_id": "1234567890123456789"}
    calls, sent = give("discord", BYTES, Unknown(), answer({"id": "9876543210987654321"}), **known)
    assert len(calls) == 2
    assert calls[0] == calls[1]
    said = orjson.loads(form(calls[0])["payload_json"])
    assert (said["content"], said["enforce_nonce"], said["allowed_mentions"]) == ("look", True, {"parse": []})
    assert form(calls[0])["files[0]"] == PNG
    assert sent == Sent("9876543210987654321")


def test_what_a_provider_does_not_take_is_refused_for_good() -> None:
    with pytest.raises(Rejected):
        give("telegram", BYTES, answer({"ok": False, "error_code": 400, "description": "PHOTO_INVALID"}, 400))
    with pytest.raises(Rejected):
        give("whatsapp_cloud", LINK, answer({"error": {"code": 131053}}, 400))


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.png", "a.png"),
        ("a\r\nx-other: 1\r\n\r\n.png", "ax-other: 1.png"),
        ("..", "file"),
        ("", "file"),
        ("x" * 300, "x" * 200),
    ],
)
def test_a_name_is_no_path_and_no_header(stated: str, name: str) -> None:
    file = File(FILE, "text/plain\r\nx: y", stated, content=b"1")
    assert file.name == name
    content_type, body = multipart({}, file, field="f")
    assert body.count(b"\r\n\r\n") == 1
    assert b"x: y" not in body
    assert content_type.startswith("multipart/form-data; boundary=parley-")
