"""Do files come and go as the providers' own clients and Parley's own downloads expect it, over the wire?"""

import asyncio
from base64 import b64encode

import pytest
import telegram
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from twilio.base.exceptions import TwilioRestException

from channels.channel import Credentials, Webhook
from channels.host import Account, receive
from channels.media import Keeps, Wanted
from channels.registry import CHANNELS
from kit.command import asking
from kit.moments import utc_now
from kit.proxies import Proxies
from sandbox.reading import Reader
from sender_service.backends.downloads import Downloads
from tests.simulated.wire import File
from tests.suites.sandbox.conftest import World
from tests.suites.sandbox.test_official_clients import create, twilio

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (320).to_bytes(4) + (200).to_bytes(4) + bytes(300_000)
PICTURE = {"name": "chair.png", "content": b64encode(PNG).decode()}


async def fetched(world: World, channel: str) -> bytes:
    """What the sender gets, from the gateway's view of the last webhook to the bytes."""
    known = CHANNELS[channel]
    assert isinstance(known, Keeps)
    async with asyncio.timeout(30):
        while not world.posted:
            await asyncio.sleep(0.01)
    came = world.posted[-1]
    values = {each.name: world.values.get(each.environment, "") for each in known.credential_fields}
    address = world.values.get(known.address_environment, "") or channel
    webhook = Webhook("POST", f"{world.gateway_url}{came.path}", came.headers, came.body, utc_now())
    [message] = receive(known, webhook, account=Account("account", address, Credentials(values))).messages
    base = f"{world.url}/{known.provider}"
    download = await asking.ask(
        known.fetch(Wanted(message.attachments[0], address, base), Credentials(values)), "it", hidden={}
    )
    async with Downloads(Proxies()) as downloads, downloads.read(download, trusted=base, most_bytes=2**24) as chunks:
        return b"".join([each async for each in chunks])


@pytest.mark.parametrize("channel", ["whatsapp", "telegram", "whatsapp_cloud", "instagram", "slack", "discord", "line"])
async def test_parleys_own_downloads_read_what_a_person_sent(world: World, channel: str) -> None:
    assert await world.do(channel, "say", file=PICTURE) == 200
    assert await fetched(world, channel) == PNG
    shown = (await world.phone(channel))["bubbles"][0]["file"]
    assert (shown["name"], shown["size"], shown["picture"]) == ("chair.png", len(PNG), True)
    async with world.client.get(f"{world.url}/files/{shown['id']}") as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (200, "image/png", PNG)


async def test_telegrams_bot_sends_a_photo_and_reads_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")  # without it the client warns of its next version
    assert await world.do("telegram", "say", text="hi") == 200
    token, base = world.values["TELEGRAM_BOT_TOKEN"], f"{world.url}/telegram"
    async with telegram.Bot(token, base_url=f"{base}/bot", base_file_url=f"{base}/file/bot") as client:
        sent = await client.send_photo(4_711_001, PNG, caption="this one")
        assert sent.caption == "this one"
        assert (sent.photo[-1].width, sent.photo[-1].height) == (320, 200)
        again = await client.send_photo(4_711_001, sent.photo[-1].file_id)
        file = await client.get_file(again.photo[-1].file_id)
        assert bytes(await file.download_as_bytearray()) == PNG
        with pytest.raises(telegram.error.BadRequest, match="caption is too long"):
            await client.send_document(4_711_001, PNG, caption="x" * 1025)
        with pytest.raises(telegram.error.BadRequest, match=r"(?i)file_id"):
            await client.get_file("AgAC-of-another-bot")
    assert [bool(each["file"]) for each in (await world.phone("telegram"))["bubbles"]] == [False, True, True]


async def test_slacks_client_uploads_a_file_into_a_conversation(world: World) -> None:
    assert await world.do("slack", "say", text="hi") == 200
    client = AsyncWebClient(world.values["SLACK_BOT_TOKEN"], base_url=f"{world.url}/slack/")
    sent = await client.files_upload_v2(
        channel="D0SANDBOX01", content=PNG, filename="chair.png", initial_comment="this *one*"
    )
    assert sent["ok"]
    shown = await world.last("slack", lambda each: bool(each["file"]))
    assert (shown["text"], shown["file"]["name"], shown["file"]["picture"]) == ("this one", "chair.png", True)
    with pytest.raises(SlackApiError) as refused:
        await client.files_completeUploadExternal(files=[{"id": "F0NOBODY", "title": "x"}], channel_id="D0SANDBOX01")
    assert refused.value.response["error"] == "file_not_found"


async def test_twilio_reads_the_url_of_a_file_from_the_gateway(world: World) -> None:
    world.served["/media/token"] = File(PNG)
    asked = {"to": "+12025550100", "from_": world.values["TWILIO_PHONE_NUMBER"], "body": "this one"}
    with twilio(world) as client:
        sent = await create(client, **asked, media_url=f"{world.gateway_url}/media/token")
        assert (sent.num_media, sent.sid[:2]) == ("1", "MM")
        shown = await world.last("sms", lambda each: bool(each["file"]))
        assert (shown["text"], shown["file"]["size"], shown["file"]["picture"]) == ("this one", len(PNG), True)
        await create(client, **asked, media_url="http://127.0.0.1:1/media/gone")
        lost = await world.last("sms", lambda each: each["state"] == "failed")
        assert "could not read the file" in lost["note"]
        with pytest.raises(TwilioRestException) as refused:
            await create(client, **asked, media_url="chair.png")
    assert refused.value.code == 21620


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/x",
        "http://localhost/x",
        "http://2130706433/x",
        "http://0x7f.1/x",
        "http://[::1]/x",
        "file:///etc/passwd",
        "http://printer/x",
        "",
    ],
)
async def test_nothing_of_this_machine_is_read_for_a_url_but_the_gateway(url: str) -> None:
    async with Reader("http://127.0.0.1:1") as reader:
        assert await reader.read(url.replace(":1/", ":2/")) is None


@pytest.mark.parametrize(
    "file",
    [
        {},
        "chair.png",
        {"name": "", "content": "eA=="},
        {"name": "a", "content": ""},
        {"name": "a", "content": "?"},
        {"name": "a", "content": "eA==", "type": 7},
    ],
    ids=["empty", "no object", "no name", "no bytes", "no base64", "no type"],
)
async def test_a_file_that_is_none_is_not_sent(world: World, file: object) -> None:
    assert await world.do("sms", "say", text="look", file=file) == 400
    assert (await world.phone("sms"))["bubbles"] == []


async def test_what_is_no_picture_is_saved_and_never_shown_as_a_page(world: World) -> None:
    page = {"name": "x\r\n.html", "content": b64encode(b"<script>alert(1)</script>").decode()}
    picture = {"name": "x.svg", "content": b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode()}
    for file in (page, picture):
        assert await world.do("slack", "say", file=file) == 200
    for bubble in (await world.phone("slack"))["bubbles"]:
        assert bubble["file"]["picture"] is False
        async with world.client.get(f"{world.url}/files/{bubble['file']['id']}") as answer:
            assert answer.content_type == "application/octet-stream"
            assert answer.headers["content-disposition"].startswith("attachment")
            assert "default-src 'none'" in answer.headers["content-security-policy"]
