"""Do Parley's channels and the stand-ins understand each other, on every phone, without a network between them?"""

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import orjson
import pytest

from channels.channel import (
    Answer,
    Call,
    Credentials,
    Outgoing,
    Rejected,
    Throttled,
    Unauthorized,
    Unavailable,
    Unknown,
)
from channels.host import Account, Received, Verdict, receive
from channels.registry import CHANNELS
from channels.rendering import Part, render
from parley.chat.v1 import message_pb2 as chat
from sandbox.provider import Ask
from tests.unit.sandbox.world import Sandbox

PHONES = tuple(Sandbox().switchboard.phones)
PROVIDERS = {channel.provider for channel in CHANNELS.values() if channel.provider}
DELIVERY = "0192f0c8-7a3e-7cc1-a5d4-3f0b6c1d2e4f"


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


def credentials(sandbox: Sandbox, channel: str) -> Credentials:
    fields = CHANNELS[channel].credential_fields
    return Credentials({each.name: sandbox.values.get(each.environment, "") for each in fields})


def heard(sandbox: Sandbox, channel: str) -> list[Received]:
    """What the gateway makes of everything that was posted."""
    address = sandbox.values.get(CHANNELS[channel].address_environment, "") or channel
    account = Account("account", address, credentials(sandbox, channel))
    stamped = [replace(each, received_at=sandbox.at) for each in sandbox.posts]
    return [receive(CHANNELS[channel], each, account=account) for each in stamped]


async def spoken(sandbox: Sandbox, channel: str, text: str = "hello") -> chat.ChannelMessage:
    """The person's message as the gateway accepts it."""
    sandbox.switchboard.say(channel, text)
    await sandbox.settle()
    [received] = heard(sandbox, channel)
    assert received.verdict is Verdict.READ
    [message] = received.messages
    sandbox.posts.clear()
    return message


def deliver(
    sandbox: Sandbox,
    to: chat.ChannelMessage,
    text: str = "the answer",
    *,
    wrong: Mapping[str, str] | None = None,
    rendered: bool = True,
) -> str:
    """As the sender does, with the channel's own code. Gives the provider's id, or raises what the channel raises."""
    channel = CHANNELS[to.channel]
    part = render(text, channel.markup, limit=channel.max_text)[0] if rendered else Part(text)
    base = f"http://sandbox.test/{channel.provider}"
    outgoing = Outgoing(
        delivery_id=DELIVERY,
        part=0,
        text=part.text,
        plain=part.plain,
        chat_id=to.chat_id,
        address=sandbox.values.get(channel.address_environment, "") or channel.name,
        reply_to=to.provider_message_id,
        reply_metadata=dict(to.metadata),
        status_url=f"http://gateway.test/webhook/{channel.name}/k/status",
        api_base_url=base,
    )
    flow = channel.deliver(outgoing, Credentials({**credentials(sandbox, channel.name), **(wrong or {})}))
    call = next(flow)
    try:
        while True:
            answer = _called(sandbox, call, channel.provider)
            call = flow.send(answer) if answer else flow.throw(Unknown("lost", provider_code="connection_lost"))
    except StopIteration as ended:
        return str(ended.value.provider_message_id)


def _called(sandbox: Sandbox, call: Call, provider: str) -> Answer | None:
    url = urlsplit(call.url)
    headers = {name.lower(): value for name, value in call.headers.items()}
    ask = Ask(call.method, url.path.removeprefix(f"/{provider}"), headers, call.body, url.query)
    reply = sandbox.call(provider, ask)
    return Answer(reply.status, reply.headers, orjson.dumps(reply.content)) if reply else None


def test_every_stand_in_is_a_providers_and_the_first_eight_channels_have_one() -> None:
    standing = set(Sandbox().switchboard.providers)
    assert {"twilio", "telegram", "whatsapp", "instagram", "slack", "discord"} <= standing <= PROVIDERS


@pytest.mark.parametrize("channel", PHONES)
async def test_what_is_typed_is_believed_and_its_answer_is_shown(sandbox: Sandbox, channel: str) -> None:
    message = await spoken(sandbox, channel, "<hello> & good bye")
    assert message.text == "<hello> & good bye"
    assert deliver(sandbox, message, "<b> & so on")
    [_, shown] = sandbox.switchboard.phones[channel].bubbles
    assert (shown.text, shown.mine) == ("<b> & so on", False)


@pytest.mark.parametrize("channel", PHONES)
async def test_what_a_model_formats_is_shown_as_the_chat_shows_it(sandbox: Sandbox, channel: str) -> None:
    """Our writer and the stand-in's reader were written apart: where they agree, they agree with the page."""
    deliver(sandbox, await spoken(sandbox, channel), "Take **two** of `a < b` & *rest*, not 2*3*4 or snake_case_names")
    shown = sandbox.switchboard.phones[channel].snapshot()["bubbles"][1]
    dressed = {run["text"]: tuple(run["styles"]) for run in shown["runs"]}
    if CHANNELS[channel].markup == "plain":
        assert set(dressed.values()) == {()}
    else:
        assert (dressed["two"], dressed["a < b"], dressed["rest"]) == (("bold",), ("code",), ("italic",))
    assert not any(sign in shown["text"] for sign in ("**", "`", "&lt;", "&amp;", "<b>", "\\"))


@pytest.mark.parametrize("channel", PHONES)
async def test_receipts_are_believed_and_name_the_send(sandbox: Sandbox, channel: str) -> None:
    sent = deliver(sandbox, await spoken(sandbox, channel))
    await sandbox.settle()
    everything = heard(sandbox, channel)
    assert [each.verdict for each in everything] == [Verdict.READ] * len(
        sandbox.switchboard.phones[channel].handset.receipts
    )
    echoes = [each.provider_message_id for received in everything for each in received.messages]
    receipts = [receipt for received in everything for receipt in received.receipts]
    assert {*echoes, *(each.provider_message_id for each in receipts)} <= {sent}
    named = [each.delivery_id for each in receipts if each.state == chat.DELIVERY_STATE_SENT]
    assert set(named) <= {DELIVERY}
    if CHANNELS[channel].capabilities.receipts:
        assert receipts[-1].state == (chat.DELIVERY_STATE_DELIVERED if channel == "sms" else chat.DELIVERY_STATE_READ)


@pytest.mark.parametrize("channel", PHONES)
async def test_a_throttled_send_is_told_when_to_come_again_and_then_taken(sandbox: Sandbox, channel: str) -> None:
    message = await spoken(sandbox, channel)
    sandbox.switchboard.turn(channel, "throttled", seconds=3)
    with pytest.raises(Throttled) as throttled:
        deliver(sandbox, message)
    assert throttled.value.retry_after == timedelta(seconds=3)
    sandbox.later(3)
    assert deliver(sandbox, message)
    assert [each.text for each in sandbox.switchboard.phones[channel].bubbles] == ["hello", "the answer"]


@pytest.mark.parametrize("channel", PHONES)
async def test_a_broken_provider_is_tried_again_later(sandbox: Sandbox, channel: str) -> None:
    message = await spoken(sandbox, channel)
    sandbox.switchboard.turn(channel, "broken", seconds=0)
    with pytest.raises(Unavailable):
        deliver(sandbox, message)
    sandbox.switchboard.turn(channel, "none", seconds=0)
    assert deliver(sandbox, message)
    assert [each.text for each in sandbox.switchboard.phones[channel].bubbles] == ["hello", "the answer"]


@pytest.mark.parametrize("channel", PHONES)
async def test_a_lost_answer_leaves_the_message_on_the_phone_once(sandbox: Sandbox, channel: str) -> None:
    message = await spoken(sandbox, channel)
    sandbox.switchboard.turn(channel, "lost", seconds=0)
    with contextlib.suppress(Unknown):  # Discord's channel asks again, and is told that it was taken
        deliver(sandbox, message)
    assert [each.text for each in sandbox.switchboard.phones[channel].bubbles] == ["hello", "the answer"]


@pytest.mark.parametrize("channel", ["instagram"])
async def test_a_window_that_is_refused_at_once_is_a_rejection(sandbox: Sandbox, channel: str) -> None:
    message = await spoken(sandbox, channel)
    sandbox.switchboard.turn(channel, "closed", seconds=0)
    with pytest.raises(Rejected) as rejected:
        deliver(sandbox, message)
    assert rejected.value.kind == "window"


@pytest.mark.parametrize(("channel", "code"), [("whatsapp", "63016"), ("whatsapp_cloud", "131047")])
async def test_a_window_that_is_told_in_a_receipt_is_a_failure(sandbox: Sandbox, channel: str, code: str) -> None:
    message = await spoken(sandbox, channel)
    sandbox.switchboard.turn(channel, "window", seconds=0)
    deliver(sandbox, message)
    await sandbox.settle()
    [[receipt]] = [each.receipts for each in heard(sandbox, channel)]
    assert (receipt.state, receipt.provider_code) == (chat.DELIVERY_STATE_FAILED, code)


@pytest.mark.parametrize(("channel", "told"), [("sms", "2 segments, UCS-2"), ("whatsapp", "")])
async def test_a_text_message_says_what_it_costs(sandbox: Sandbox, channel: str, told: str) -> None:
    deliver(sandbox, await spoken(sandbox, channel), "Thank you \U0001f44b " * 6)
    assert sandbox.switchboard.phones[channel].snapshot()["bubbles"][-1]["detail"] == told


@pytest.mark.parametrize("channel", PHONES)
async def test_the_longest_text_is_taken_and_what_is_longer_is_not(sandbox: Sandbox, channel: str) -> None:
    message, most = await spoken(sandbox, channel), CHANNELS[channel].max_text.size
    too_long = "x" * (most + 1)
    if channel == "slack":  # it takes ten times what it advises, and cuts what is longer than that
        assert deliver(sandbox, message, too_long, rendered=False)
    else:
        with pytest.raises(Rejected) as rejected:
            deliver(sandbox, message, too_long, rendered=False)
        assert rejected.value.kind == "payload"
    assert deliver(sandbox, message, "x" * most, rendered=False)


@pytest.mark.parametrize(
    ("channel", "wrong"),
    [
        ("whatsapp", {"auth_token": "0" * 32}),
        ("sms", {"account_sid": "AC" + "0" * 32}),
        ("telegram", {"bot_token": "123:other"}),
        ("slack", {"bot_token": "xoxb-other"}),
        ("whatsapp_cloud", {"access_token": "EAAother"}),
        ("whatsapp_cloud", {"app_secret": "other"}),
        ("instagram", {"access_token": "IGAAother"}),
    ],
)
async def test_other_credentials_are_refused(sandbox: Sandbox, channel: str, wrong: dict[str, str]) -> None:
    message = await spoken(sandbox, channel)
    with pytest.raises((Unauthorized, Rejected)):
        deliver(sandbox, message, wrong=wrong)
    assert len(sandbox.switchboard.phones[channel].bubbles) == 1


@pytest.mark.parametrize("channel", ["telegram", "slack", "instagram", "discord"])
async def test_nobody_is_written_to_who_did_not_write_before(sandbox: Sandbox, channel: str) -> None:
    message = await spoken(sandbox, channel)
    stranger = chat.ChannelMessage(
        channel=channel, chat_id=f"{message.chat_id[:-1]}{(int(message.chat_id[-1]) + 1) % 10}"
    )
    with pytest.raises(Rejected) as rejected:
        deliver(sandbox, stranger)
    assert rejected.value.kind == "recipient"


async def test_discord_puts_the_answer_in_the_place_of_thinking_and_a_second_one_after_it(sandbox: Sandbox) -> None:
    message = await spoken(sandbox, "discord")
    first, second = deliver(sandbox, message), deliver(sandbox, message, "and another")
    assert first != second
    calls = [each.what for each in sandbox.switchboard.phones["discord"].events if each.way == "out"]
    assert calls == ["GET @original", "PATCH @original", "GET @original", "POST follow-up"]


async def test_discord_takes_a_nonce_once(sandbox: Sandbox) -> None:
    message = await spoken(sandbox, "discord")
    message.metadata.clear()  # the interaction is forgotten, so it goes into the channel
    assert deliver(sandbox, message) == deliver(sandbox, message)
    assert len(sandbox.switchboard.phones["discord"].bubbles) == 2
