"""Are the stand-ins like the providers? Asked by the providers' own clients, which read every answer."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import telegram
import telegram.error
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from tests.suites.sandbox.conftest import World


@contextmanager
def twilio(world: World, *, token: str = "") -> Iterator[Client]:
    """Twilio's own client, at our address."""
    sid, http = world.values["TWILIO_ACCOUNT_SID"], TwilioHttpClient()
    client = Client(sid, token or world.values["TWILIO_AUTH_TOKEN"], http_client=http)
    client.api.base_url = f"{world.url}/twilio"
    yield client
    http.session.close()


async def create(client: Client, **asked: str) -> Any:
    """The client waits for its answers, so it does in a thread."""
    return await asyncio.to_thread(client.messages.create, **asked)


def bot(world: World, *, token: str = "") -> telegram.Bot:
    """A bot of python-telegram-bot's, at our address."""
    return telegram.Bot(token or world.values["TELEGRAM_BOT_TOKEN"], base_url=f"{world.url}/telegram/bot")


async def test_twilios_client_sends_and_looks_it_up(world: World) -> None:
    with twilio(world) as client:
        sender = world.values["TWILIO_WHATSAPP_NUMBER"]
        sent = await create(client, to="whatsapp:+12025550100", from_=sender, body="hello")
        assert (sent.status, sent.body, sent.to) == ("queued", "hello", "whatsapp:+12025550100")
        assert sent.date_created.tzinfo is not None
        found = await asyncio.to_thread(client.messages(sent.sid).fetch)
    assert (found.sid, found.direction) == (sent.sid, "outbound-api")


@pytest.mark.parametrize(
    ("wrong", "code", "status"),
    [
        ({"body": "x" * 1601}, 21617, 400),
        ({"body": ""}, 21619, 400),
        ({"to": "nobody"}, 21211, 400),
        ({"from_": "whatsapp:+14155550000"}, 63007, 400),
    ],
)
async def test_twilios_client_reads_what_is_refused(
    world: World, wrong: dict[str, str], code: int, status: int
) -> None:
    asked = {"to": "whatsapp:+12025550100", "from_": world.values["TWILIO_WHATSAPP_NUMBER"], "body": "hello"} | wrong
    with twilio(world) as client, pytest.raises(TwilioRestException) as refused:
        await create(client, **asked)
    assert (refused.value.code, refused.value.status) == (code, status)


async def test_twilios_client_with_another_token_is_not_believed(world: World) -> None:
    with twilio(world, token="0" * 32) as client, pytest.raises(TwilioRestException) as refused:
        await create(client, to="+12025550100", body="hello")
    assert (refused.value.code, refused.value.status) == (20003, 401)


async def test_twilios_client_is_throttled_where_the_phone_says_so(world: World) -> None:
    assert await world.do("sms", "fault", fault="throttled", seconds=9) == 200
    asked = {"to": "+12025550100", "from_": world.values["TWILIO_PHONE_NUMBER"], "body": "hello"}
    with twilio(world) as client, pytest.raises(TwilioRestException) as refused:
        await create(client, **asked)
    assert (refused.value.code, refused.value.status) == (20429, 429)


async def test_telegrams_bot_knows_itself_and_answers_who_wrote(world: World) -> None:
    assert await world.do("telegram", "say", text="hi") == 200
    async with bot(world) as client:
        assert (await client.get_me()).is_bot
        sent = await client.send_message(4_711_001, "hello", link_preview_options=telegram.LinkPreviewOptions(True))
    assert (sent.text, sent.chat.id, sent.chat.type) == ("hello", 4_711_001, "private")


async def test_telegrams_bot_reads_what_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")  # without it the client warns of its next version
    assert await world.do("telegram", "say", text="hi") == 200
    async with bot(world) as client:
        with pytest.raises(telegram.error.BadRequest, match="Chat not found"):
            await client.send_message(1, "hello")
        with pytest.raises(telegram.error.BadRequest, match="Message is too long"):
            await client.send_message(4_711_001, "x" * 4097)
        assert await world.do("telegram", "fault", fault="throttled", seconds=9) == 200
        with pytest.raises(telegram.error.RetryAfter) as throttled:
            await client.send_message(4_711_001, "hello")
        assert "9" in str(throttled.value)


async def test_telegrams_bot_with_another_token_is_not_believed(world: World) -> None:
    with pytest.raises(telegram.error.InvalidToken):
        async with bot(world, token="123:other"):
            pass  # it asks who it is before anything else


async def test_slacks_client_posts_to_who_wrote_and_reads_what_is_refused(world: World) -> None:
    assert await world.do("slack", "say", text="hi") == 200
    client = AsyncWebClient(world.values["SLACK_BOT_TOKEN"], base_url=f"{world.url}/slack/")
    assert (await client.auth_test())["ok"]
    posted = await client.chat_postMessage(channel="D0SANDBOX01", text="a &lt; b")
    assert posted["message"]["text"] == "a &lt; b"
    with pytest.raises(SlackApiError) as refused:
        await client.chat_postMessage(channel="C0NOBODY", text="x")
    assert refused.value.response["error"] == "channel_not_found"
    other = AsyncWebClient("xoxb-other", base_url=f"{world.url}/slack/")
    with pytest.raises(SlackApiError) as refused:
        await other.auth_test()
    assert refused.value.response["error"] == "invalid_auth"
