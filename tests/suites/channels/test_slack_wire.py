"""Is the simulated Slack faithful enough for Slack's own client, and is our channel for it? Over loopback HTTP."""

from collections.abc import AsyncIterator

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from channels.channel import Answer, Credentials, DeliveryError, Outgoing, Rejected, Throttled, Unauthorized, Unknown
from channels.rendering import render
from channels.slack import Slack as Channel
from kit.proxies import Proxies
from sender_service.backends.provider import Provider
from tests.simulated.slack import BOT_TOKEN, SIGNING_SECRET, Slack

APP = Credentials({"bot_token": BOT_TOKEN, "signing_secret": SIGNING_SECRET})
TEXT = "We open at <b>9</b> & <!channel>"


@pytest.fixture
async def slack() -> AsyncIterator[Slack]:
    """It, listening."""
    simulated = Slack()
    await simulated.start()
    yield simulated
    await simulated.stop()


async def test_slacks_own_client_posts_in_a_channel_and_in_a_thread(slack: Slack) -> None:
    client = AsyncWebClient(BOT_TOKEN, base_url=f"{slack.base_url}/")
    assert (await client.auth_test())["team_id"] == "T0SIMULATE"
    first = await client.chat_postMessage(channel="C1", text="a &lt; b", unfurl_links=False)
    second = await client.chat_postMessage(channel="C1", text="more", thread_ts=first["ts"])
    assert first["ok"]
    assert second["message"]["text"] == "more"
    assert slack.sends.texts("C1") == ["a < b"]
    assert slack.sends.texts(f"C1:{first['ts']}") == ["more"]


@pytest.mark.parametrize(
    ("mode", "status", "word"),
    [
        ("gone", 200, "channel_not_found"),
        ("revoked", 200, "token_revoked"),
        ("long", 200, "msg_too_long"),
        ("down", 503, "service_unavailable"),
        ("broken", 500, "internal_error"),
        ("throttled:7", 429, "ratelimited"),
    ],
)
async def test_slacks_own_client_hears_why_it_was_refused(slack: Slack, mode: str, status: int, word: str) -> None:
    slack.mode = mode
    client = AsyncWebClient(BOT_TOKEN, base_url=f"{slack.base_url}/")
    with pytest.raises(SlackApiError) as refused:
        await client.chat_postMessage(channel="C1", text="x")
    assert (refused.value.response.status_code, refused.value.response["error"]) == (status, word)
    if status == 429:
        assert refused.value.response.headers["retry-after"] == "7"


async def test_slacks_own_client_is_refused_with_another_token_and_where_there_is_no_channel(slack: Slack) -> None:
    for token, channel, word in (("xoxb-other", "C1", "invalid_auth"), (BOT_TOKEN, "none", "channel_not_found")):
        with pytest.raises(SlackApiError) as refused:
            await AsyncWebClient(token, base_url=f"{slack.base_url}/").chat_postMessage(channel=channel, text="x")
        assert refused.value.response["error"] == word


async def test_our_channel_posts_what_a_person_reads_as_it_was_written(slack: Slack) -> None:
    ts = await _deliver(slack, chat_id="C1:1795240800.000200")
    assert slack.sends.texts("C1:1795240800.000200") == [TEXT]
    assert slack.posted[ts]["metadata"]["event_payload"] == {"delivery_id": "d-1", "part": 0}


@pytest.mark.parametrize(
    ("mode", "failure", "posted"),
    [
        ("gone", Rejected, 0),
        ("revoked", Unauthorized, 0),
        ("throttled:7", Throttled, 0),
        ("broken", Unknown, 1),
        ("lost", Unknown, 1),
    ],
)
async def test_our_channel_tells_what_was_not_posted_from_what_may_have_been(
    slack: Slack, mode: str, failure: type[DeliveryError], posted: int
) -> None:
    slack.mode = mode
    with pytest.raises(failure):
        await _deliver(slack)
    assert len(slack.sends.all) == posted


async def _deliver(slack: Slack, chat_id: str = "D1") -> str:
    """Sends as the sender does; gives what Slack calls the message."""
    (part,) = render(TEXT, Channel.markup, limit=Channel.max_text)
    flow = Channel().deliver(Outgoing("d-1", 0, part.text, chat_id, "slack", api_base_url=slack.base_url), APP)
    async with Provider(1, Proxies()) as provider:
        answer: Answer = await provider.call(next(flow))
    try:
        flow.send(answer)
    except StopIteration as done:
        return str(done.value.provider_message_id)
    raise AssertionError("an unexpected call")
