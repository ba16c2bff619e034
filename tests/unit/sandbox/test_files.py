"""Do files come and go on every phone, as the provider keeps them, takes them and refuses them?"""

import contextlib
from collections.abc import Generator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from channels.channel import Answer, Call, DeliveryError, Outgoing, Rejected, Throttled, Unknown
from channels.files import File as Given
from channels.files import multipart
from channels.media import Gives, Keeps, Wanted
from channels.registry import CHANNELS
from parley.chat.v1 import message_pb2 as chat
from sandbox import files
from sandbox.files import File, Shelf
from sandbox.provider import Ask, Reading
from tests.unit.sandbox.test_every_phone import DELIVERY, PHONES, credentials, heard, spoken
from tests.unit.sandbox.world import Sandbox

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (320).to_bytes(4) + (200).to_bytes(4) + bytes(900)
SENT = {
    "picture": (File("chair.png", "image/png", PNG), chat.ATTACHMENT_KIND_IMAGE),
    "voice": (File("note.ogg", "audio/ogg", b"OggS" + bytes(900)), chat.ATTACHMENT_KIND_AUDIO),
    "document": (File("bill.pdf", "application/pdf", b"%PDF-1.4" + bytes(900)), chat.ATTACHMENT_KIND_FILE),
}
LINK = "https://gateway.test/media/token"
KINDS = {
    "image": chat.ATTACHMENT_KIND_IMAGE,
    "audio": chat.ATTACHMENT_KIND_AUDIO,
    "file": chat.ATTACHMENT_KIND_FILE,
}
GIVES = [each for each in PHONES if isinstance(CHANNELS[each], Gives)]
WAYS = [(name, way) for name in GIVES if isinstance(known := CHANNELS[name], Gives) for way in known.takes]


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


def address(sandbox: Sandbox, channel: str) -> str:
    return sandbox.values.get(CHANNELS[channel].address_environment, "") or channel


def base_url(channel: str) -> str:
    return f"http://sandbox.test/{CHANNELS[channel].provider}"


def ask_of(channel: str, method: str, url: str, headers: Any, body: bytes = b"") -> Ask:
    provider, parts = CHANNELS[channel].provider, urlsplit(url)
    lowered = {name.lower(): value for name, value in headers.items()}
    assert parts.path.startswith(f"/{provider}/")
    return Ask(method, parts.path.removeprefix(f"/{provider}"), lowered, body, parts.query, base_url(channel))


async def run(sandbox: Sandbox, channel: str, flow: Generator[Call, Answer, Any]) -> Any:
    """As the sender does, with the stand-in for the provider."""
    provider = sandbox.switchboard.providers[CHANNELS[channel].provider]
    try:
        call = next(flow)
        while True:
            ask = ask_of(channel, call.method, call.url, call.headers, call.body)
            reply = await sandbox.switchboard.answer(provider, ask)
            if reply is None:
                call = flow.throw(Unknown("lost", provider_code="connection_lost"))
                continue
            body = reply.file.content if reply.file else orjson.dumps(reply.content)
            call = flow.send(Answer(reply.status, reply.headers, body))
    except StopIteration as ended:
        return ended.value


async def fetched(sandbox: Sandbox, message: chat.ChannelMessage) -> bytes:
    """The bytes of its attachment, by the channel's own way to them."""
    channel, given = CHANNELS[message.channel], credentials(sandbox, message.channel)
    assert isinstance(channel, Keeps)
    wanted = Wanted(message.attachments[0], address(sandbox, channel.name), base_url(channel.name))
    flow = channel.fetch(wanted, given)
    found = await run(sandbox, channel.name, flow)
    url = found.url
    while True:
        reply = sandbox.call(channel.provider, ask_of(channel.name, "GET", url, found.headers))
        assert reply
        if reply.status != 307:
            break
        url = reply.headers["location"]
    assert reply.status == 200
    assert reply.file
    return reply.file.content


async def give(sandbox: Sandbox, to: chat.ChannelMessage, file: Given, *, text: str = "") -> str:
    channel = CHANNELS[to.channel]
    assert isinstance(channel, Gives)
    outgoing = Outgoing(
        DELIVERY, 0, text, to.chat_id, address(sandbox, channel.name), api_base_url=base_url(channel.name), file=file
    )
    sent = await run(sandbox, channel.name, channel.give(outgoing, credentials(sandbox, channel.name)))
    await sandbox.settle()
    return str(sent.provider_message_id)


def given(way: str, file: File, sandbox: Sandbox) -> Given:
    """As the sender makes it ready: its bytes, or the URL where the provider finds it."""
    sandbox.files[LINK] = file
    content = {"url": LINK} if way == "url" else {"content": file.content}
    return Given(KINDS[file.kind], file.media_type, file.name, **content)


@pytest.mark.parametrize("what", SENT)
@pytest.mark.parametrize("channel", PHONES)
async def test_what_a_person_sends_along_is_what_parley_fetches(sandbox: Sandbox, channel: str, what: str) -> None:
    file, kind = SENT[what]
    sandbox.switchboard.say(channel, "look", file=file)
    await sandbox.settle()
    messages = [each for received in heard(sandbox, channel) for each in received.messages]
    captioned = file.kind in sandbox.switchboard.phones[channel].handset.captioned
    assert [each.text for each in messages] == (["look"] if captioned else ["", "look"])
    [attachment] = messages[0].attachments
    assert attachment.kind == kind
    assert await fetched(sandbox, messages[0]) == file.content
    shown = sandbox.switchboard.phones[channel].bubbles[0].file
    assert shown
    assert (shown.name, shown.size_bytes) == (file.name, len(file.content))


@pytest.mark.parametrize(("channel", "way"), WAYS)
async def test_a_picture_of_parleys_is_seen_on_the_phone(sandbox: Sandbox, channel: str, way: str) -> None:
    person = await spoken(sandbox, channel)
    known = CHANNELS[channel]
    assert isinstance(known, Gives)
    caption = "this one" if chat.ATTACHMENT_KIND_IMAGE in known.captioned else ""
    await give(sandbox, person, given(way, SENT["picture"][0], sandbox), text=caption)
    bubble = sandbox.switchboard.phones[channel].bubbles[-1]
    assert not bubble.mine
    assert bubble.text == caption
    assert bubble.file
    assert bubble.file.media_type == "image/png"
    held = sandbox.switchboard.shelf.get(bubble.file.id)
    assert held
    assert held.content == PNG


@pytest.mark.parametrize("channel", GIVES)
async def test_a_lost_answer_shows_the_file_and_a_throttled_one_waits(sandbox: Sandbox, channel: str) -> None:
    person, known = await spoken(sandbox, channel), CHANNELS[channel]
    assert isinstance(known, Gives)
    file = given(known.takes[0], SENT["picture"][0], sandbox)
    sandbox.switchboard.turn(channel, "throttled", seconds=9)
    with pytest.raises(Throttled):
        await give(sandbox, person, file)
    sandbox.switchboard.turn(channel, "lost", seconds=0)
    with contextlib.suppress(DeliveryError):  # Discord knows a second one by its nonce
        await give(sandbox, person, file)
    await sandbox.settle()
    shown = [each.file for each in sandbox.switchboard.phones[channel].bubbles if not each.mine]
    assert [each.size_bytes if each else 0 for each in shown][:1] == [len(PNG)]


REFUSED = [
    ("whatsapp_cloud", "bytes", File("a.gif", "image/gif", b"GIF89a"), "image"),
    ("discord", "bytes", File("a.pdf", "application/pdf", bytes(11 * 2**20)), "file"),
    ("instagram", "url", File("a.png", "image/png", bytes(9 * 2**20)), "image"),
]


@pytest.mark.parametrize(("channel", "way", "file", "kind"), REFUSED)
async def test_a_file_that_the_provider_does_not_take_is_refused_for_good(
    sandbox: Sandbox, channel: str, way: str, file: File, kind: str
) -> None:
    person = await spoken(sandbox, channel)
    known, sandbox.files[LINK] = CHANNELS[channel], file
    assert isinstance(known, Gives)
    content: Any = {"url": LINK} if way == "url" else {"content": file.content}
    ready = Given(KINDS[kind], file.media_type, file.name, **content)
    with pytest.raises(Rejected):
        await give(sandbox, person, ready)
    assert len(sandbox.switchboard.phones[channel].bubbles) == 1


OTHER_WAYS = [
    ("whatsapp_cloud", File("a.gif", "image/gif", b"GIF89a"), "image", "a.gif"),
    ("whatsapp_cloud", File("a.webp", "image/webp", b"RIFF"), "image", "a.webp"),
    ("whatsapp_cloud", File("a.png", "image/png", bytes(6 * 2**20)), "image", "a.png"),
    ("whatsapp_cloud", File("a.wav", "audio/x-wav", b"RIFF"), "audio", "a.wav"),
    ("whatsapp", File("a.gif", "image/gif", b"GIF89a"), "image", ""),
    ("whatsapp", File("a.zip", "application/zip", b"PK"), "file", ""),
    ("sms", File("a.exe", "application/x-msdownload", b"MZ"), "file", ""),
    ("instagram", File("a.webp", "image/webp", b"RIFF"), "image", ""),
    ("instagram", File("a.ogg", "audio/ogg", b"OggS"), "audio", ""),
    ("instagram", File("a.zip", "application/zip", b"PK"), "file", ""),
    ("line", File("a.gif", "image/gif", b"GIF89a"), "image", ""),
    ("telegram", File("a.heic", "image/heic", b"ftyp"), "image", "a.heic"),
    ("discord", File("a.pdf", "application/pdf", bytes(11 * 2**20)), "file", ""),
    ("slack", File("a.gif", "image/gif", b"GIF89a"), "image", "a.gif"),
]


@pytest.mark.parametrize(("channel", "file", "kind", "shown"), OTHER_WAYS)
async def test_a_file_that_the_provider_does_not_take_as_what_it_is_arrives_another_way(
    sandbox: Sandbox, channel: str, file: File, kind: str, shown: str
) -> None:
    """As a file of that name, or as words with its link."""
    person = await spoken(sandbox, channel)
    known, sandbox.files[LINK] = CHANNELS[channel], file
    assert isinstance(known, Gives)
    ready = Given(KINDS[kind], file.media_type, file.name, url=LINK)
    if "bytes" in known.takes:
        ready = replace(ready, content=file.content)
    await give(sandbox, person, ready)
    bubble = sandbox.switchboard.phones[channel].bubbles[-1]
    assert not bubble.mine
    assert bubble.state != "failed"
    assert (bubble.file.name if bubble.file else "") == shown
    assert bubble.text == ("" if shown else f"{file.name} {LINK}")


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (File("a.png", "image/png", PNG + bytes(10 * 2**20)), "is too big for a photo"),
        (File("a.png", "image/png", PNG.replace((200).to_bytes(4), (2).to_bytes(4))), "PHOTO_INVALID_DIMENSIONS"),
        (File("a.pdf", "application/pdf", b"%PDF"), "IMAGE_PROCESS_FAILED"),
        (File("a.png", "image/png", b""), "file must be non-empty"),
    ],
)
async def test_telegram_takes_no_photo_that_is_none(sandbox: Sandbox, file: File, why: str) -> None:
    """Our channel sends as a document what is none, so it is asked by hand."""
    person = await spoken(sandbox, "telegram")
    form = Given(KINDS["image"], file.media_type, file.name, content=file.content)
    kind, body = multipart({"chat_id": person.chat_id}, form, field="photo")
    token = sandbox.values["TELEGRAM_BOT_TOKEN"]
    reply = sandbox.call("telegram", Ask("POST", f"/bot{token}/sendPhoto", {"content-type": kind}, body))
    assert reply
    assert why in reply.content["description"]


LATE = [
    ("whatsapp", None, "63019"),
    ("whatsapp", File("a.gif", "image/gif", b"GIF89a"), "63021"),
    ("whatsapp", File("a.png", "image/png", bytes(17 * 2**20)), "63034"),
    ("sms", None, "11200"),
    ("sms", File("a.exe", "application/x-msdownload", b"MZ"), "12300"),
    ("sms", File("a.png", "image/png", bytes(6 * 2**20)), "30019"),
    ("whatsapp_cloud", None, "131053"),
    ("whatsapp_cloud", File("a.gif", "image/gif", b"GIF89a"), "131053"),
]


@pytest.mark.parametrize(("channel", "file", "code"), LATE)
async def test_what_a_provider_cannot_read_at_its_url_it_tells_in_a_receipt(
    sandbox: Sandbox, channel: str, file: File | None, code: str
) -> None:
    person = await spoken(sandbox, channel)
    if file:
        sandbox.files[LINK] = file
    ready = Given(chat.ATTACHMENT_KIND_IMAGE, "image/png", "a.png", url=LINK)
    known = CHANNELS[channel]
    assert isinstance(known, Gives)
    status = f"http://gateway.test/webhook/{channel}/k/status"
    outgoing = Outgoing(
        DELIVERY, 0, "", person.chat_id, address(sandbox, channel), api_base_url=base_url(channel), status_url=status
    )
    flow = known.give(replace(outgoing, file=ready), credentials(sandbox, channel))
    await run(sandbox, channel, flow)
    await sandbox.settle()
    [receipt] = [each for received in heard(sandbox, channel) for each in received.receipts]
    assert (receipt.state, receipt.provider_code) == (chat.DELIVERY_STATE_FAILED, code)
    bubble = sandbox.switchboard.phones[channel].bubbles[-1]
    assert (bubble.state, bubble.file) == ("failed", None)


async def test_a_file_goes_to_nobody_who_may_not_read_it(sandbox: Sandbox) -> None:
    for channel in PHONES:
        sandbox.switchboard.say(channel, "", file=SENT["picture"][0])
        await sandbox.settle()
        [received] = heard(sandbox, channel)
        sandbox.posts.clear()
        [message] = received.messages
        url = message.attachments[0].url
        if not url or channel == "slack":
            continue
        forged = url.replace("hm=", "hm=0").replace("signature=", "signature=0").replace("/ME", "/ME0")
        reply = sandbox.call(CHANNELS[channel].provider, ask_of(channel, "GET", forged, {}))
        assert reply
        assert reply.file is None


def test_the_shelf_keeps_the_newest_files_and_no_more_than_fit() -> None:
    shelf = Shelf(most_bytes=10)
    for name in ("a", "b", "c"):
        shelf.put(name, File(name, files.UNKNOWN, bytes(4)))
    assert [shelf.get(each) is not None for each in ("a", "b", "c")] == [False, True, True]


async def test_a_provider_that_reads_a_url_first_answers_when_it_has(sandbox: Sandbox) -> None:
    person = await spoken(sandbox, "instagram")
    body = {"recipient": {"id": person.chat_id}, "message": {"attachment": {"type": "image", "payload": {"url": LINK}}}}
    token, account = sandbox.values["INSTAGRAM_ACCESS_TOKEN"], sandbox.values["INSTAGRAM_ACCOUNT_ID"]
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    asked = Ask("POST", f"/v24.0/{account}/messages", headers, orjson.dumps(body))
    assert isinstance(sandbox.switchboard.providers["instagram"].answer(asked), Reading)
    refused = await sandbox.switchboard.answer(sandbox.switchboard.providers["instagram"], asked)
    assert refused
    assert refused.content["error"]["error_subcode"] == 2018008
