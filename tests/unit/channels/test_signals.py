"""What does each provider hear when somebody is to be shown as reading or writing?"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
import pytest

from channels.channel import Answer, Call, Credentials, DeliveryError, Outgoing, Throttled
from channels.presence import SignalKind, Signals
from channels.registry import CHANNELS

CREDENTIALS = Credentials(
    {
        "bot_token": "123456:telegram-bot-token",
        "access_token": "EAATokenForTestsOnly",
        "account_sid": "AC" + "1" * 32,
        "auth_token": "token",
    }
)
SLACK = Credentials({"bot_token": "xoxb-slack-bot-token"})
GOOD = Answer(200, {}, b'{"ok":true,"success":true}')


def shown(
    name: str, kind: SignalKind, *, credentials: Credentials = CREDENTIALS, answer: Answer = GOOD, **more: Any
) -> list[Call]:
    """The calls that are made for it."""
    channel = CHANNELS[name]
    assert isinstance(channel, Signals)
    outgoing = Outgoing(delivery_id="", part=0, text="", **{"chat_id": "424242", "address": "555000111222333", **more})
    flow, calls = channel.signal(outgoing, credentials, kind=kind), []
    try:
        calls.append(next(flow))
        while True:
            calls.append(flow.send(answer))
    except StopIteration:
        return calls


def body(call: Call) -> Mapping[str, Any]:
    """What was posted."""
    if call.headers["content-type"].startswith("application/json"):
        return dict(orjson.loads(call.body))
    return dict(parse_qsl(call.body.decode()))


def test_which_channels_show_what() -> None:
    able = {name: set(each.signals) for name, each in CHANNELS.items() if isinstance(each, Signals) and each.signals}
    shows: dict[str, set[str]] = {
        "whatsapp": {"typing"},
        "whatsapp_cloud": {"read", "typing"},
        "instagram": {"read", "typing"},
        "telegram": {"typing"},
        "slack": {"typing"},
        "discord": {"typing"},
        "sms": set(),
        "webchat": set(),  # the page is told by the gateway
    }
    assert {name: able.get(name, set()) for name in shows} == shows


def test_telegram_shows_that_the_bot_writes_in_the_topic() -> None:
    (call,) = shown("telegram", "typing", chat_id="-100424242:7")
    assert call.url == "https://api.telegram.org/bot123456:telegram-bot-token/sendChatAction"
    assert body(call) == {"action": "typing", "chat_id": -100424242, "message_thread_id": 7}


def test_whatsapp_at_meta_marks_the_message_as_read_and_may_say_that_somebody_writes() -> None:
    (read,) = shown("whatsapp_cloud", "read", chat_id="14155550123", reply_to="wamid.X")
    assert read.url.startswith("https://graph.facebook.com/v23.0/555000111222333/messages")
    assert body(read) == {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.X"}
    (typing,) = shown("whatsapp_cloud", "typing", chat_id="14155550123", reply_to="wamid.X")
    assert body(typing) == {**body(read), "typing_indicator": {"type": "text"}}
    assert shown("whatsapp_cloud", "typing", reply_to="") == []
    (edit,) = shown("whatsapp_cloud", "read", chat_id="14155550123", reply_to="wamid.A:edited:wamid.X")
    assert body(edit) == body(read)


def test_instagram_has_an_action_for_each() -> None:
    (read,), (typing,) = shown("instagram", "read"), shown("instagram", "typing")
    assert body(read) == {"recipient": {"id": "424242"}, "sender_action": "mark_seen"}
    assert body(typing) == {"recipient": {"id": "424242"}, "sender_action": "typing_on"}


def test_whatsapp_at_twilio_names_the_message_that_is_answered() -> None:
    sid = "SM" + "a" * 32
    (call,) = shown("whatsapp", "typing", chat_id="+14155550123", reply_to=sid)
    assert call.url == "https://messaging.twilio.com/v2/Indicators/Typing.json"
    assert body(call) == {"channel": "whatsapp", "messageId": sid}
    assert shown("whatsapp", "typing", chat_id="+14155550123", reply_to="none") == []


def test_slack_says_so_under_the_assistants_thread_and_nowhere_else() -> None:
    (call,) = shown("slack", "typing", credentials=SLACK, chat_id="D1:1700000000.000100")
    assert call.url == "https://slack.com/api/assistant.threads.setStatus"
    assert body(call) == {"channel_id": "D1", "thread_ts": "1700000000.000100", "status": "is writing…"}
    (asked_in_a_thread,) = shown(
        "slack", "typing", credentials=SLACK, chat_id="D1", reply_metadata={"thread_ts": "1700000000.000200"}
    )
    assert body(asked_in_a_thread)["thread_ts"] == "1700000000.000200"
    assert shown("slack", "typing", credentials=SLACK, chat_id="D1") == []


def test_discord_shows_it_in_the_channel_unless_an_interaction_says_thinking_already() -> None:
    discord = Credentials({"bot_token": "discord-bot-token"})
    (call,) = shown("discord", "typing", credentials=discord, chat_id="123456789012345678", answer=Answer(204, {}, b""))
    assert call.url == "https://discord.com/api/v10/channels/123456789012345678/typing"
    assert call.headers["authorization"] == "Bot discord-bot-token"
    thinking = {"application_id": "123456789012345678", "interaction_token": "tok"}
    assert shown("discord", "typing", credentials=discord, chat_id="123456789012345678", reply_metadata=thinking) == []


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("telegram", Answer(429, {}, b'{"ok":false,"error_code":429,"parameters":{"retry_after":3}}')),
        ("whatsapp_cloud", Answer(400, {}, b'{"error":{"code":130429}}')),
        ("instagram", Answer(400, {}, b'{"error":{"code":613}}')),
    ],
)
def test_a_refusal_is_told_in_the_words_of_deliveries(name: str, refusal: Answer) -> None:
    with pytest.raises(Throttled):
        shown(name, "typing", answer=refusal, reply_to="wamid.X")


def test_what_cannot_be_a_chat_is_asked_of_nobody() -> None:
    for name in ("telegram", "instagram", "discord", "slack"):
        with pytest.raises(DeliveryError):
            shown(name, "typing", credentials=SLACK if name == "slack" else CREDENTIALS, chat_id="../x")
