"""Does a phone show that it was read and that somebody writes, as its channel says it?"""

from collections.abc import Callable, Generator
from dataclasses import replace

import pytest

from channels.channel import Answer, Call, Credentials, Outgoing
from channels.presence import Drafts, SignalKind, Signals
from channels.registry import CHANNELS
from parley.chat.v1.message_pb2 import ChannelMessage
from tests.unit.sandbox.test_every_phone import PHONES, _called, credentials, deliver, spoken
from tests.unit.sandbox.world import Sandbox

SPEAKING = [(name, each) for name, each in CHANNELS.items() if name in PHONES]
ABLE = [(name, kind) for name, each in SPEAKING if isinstance(each, Signals) for kind in each.signals]


def signal(sandbox: Sandbox, to: ChannelMessage, kind: SignalKind) -> list[Answer | None]:
    """As the sender does, with the channel's own code."""
    channel = CHANNELS[to.channel]
    assert isinstance(channel, Signals)
    outgoing = Outgoing(
        delivery_id="",
        part=0,
        text="",
        chat_id=to.chat_id,
        address=sandbox.values.get(channel.address_environment, "") or channel.name,
        reply_to=to.provider_message_id,
        reply_metadata={} if to.channel == "discord" else dict(to.metadata),
        api_base_url=f"http://sandbox.test/{channel.provider}",
    )
    if to.channel == "slack":
        outgoing = replace(outgoing, reply_metadata={"thread_ts": "1700000000.000100"})
    flow, answers = channel.signal(outgoing, credentials(sandbox, channel.name), kind=kind), list[Answer | None]()
    try:
        call = next(flow)
        while True:
            answer = _called(sandbox, call, channel.provider)
            answers.append(answer)
            assert answer is not None
            call = flow.send(answer)
    except StopIteration:
        return answers


@pytest.mark.parametrize(("channel", "kind"), ABLE)
async def test_what_is_shown_is_seen_until_the_reply(channel: str, kind: SignalKind) -> None:
    sandbox = Sandbox()
    message = await spoken(sandbox, channel)
    assert signal(sandbox, message, kind)
    phone = sandbox.switchboard.phones[channel]
    if kind == "read":
        assert phone.bubbles[0].state == "read"
        assert phone.snapshot()["writes_until"] == ""
    else:
        assert phone.snapshot()["writes_until"] > sandbox.at.isoformat()
    if not (channel == "slack" and message.metadata.get("thread_ts")):
        deliver(sandbox, message)
        assert phone.snapshot()["writes_until"] == ""


async def test_nobody_else_sees_it() -> None:
    sandbox = Sandbox()
    message = await spoken(sandbox, "telegram")
    sandbox.switchboard.hand_over("telegram")
    assert signal(sandbox, message, "typing")
    assert sandbox.switchboard.phones["telegram"].snapshot()["writes_until"] == ""


async def test_what_is_being_written_is_seen_on_telegram_until_the_message() -> None:
    sandbox = Sandbox()
    message = await spoken(sandbox, "telegram")
    draw(sandbox, message, "It is <b>open</b>.")
    phone = sandbox.switchboard.phones["telegram"]
    assert [(run["text"], tuple(run["styles"])) for run in phone.snapshot()["draft"]][1] == ("open", ("bold",))
    assert len(phone.bubbles) == 1
    deliver(sandbox, message)
    assert (phone.snapshot()["draft"], phone.snapshot()["draft_until"]) == ([], "")


async def test_on_slack_a_draft_is_a_message_that_is_edited_and_can_go() -> None:
    sandbox = Sandbox()
    message = await spoken(sandbox, "slack")
    posted = draw(sandbox, message, "It is")
    assert draw(sandbox, message, "It is *open*.", draft=posted) == posted
    phone = sandbox.switchboard.phones["slack"]
    assert [each.text for each in phone.bubbles] == ["hello", "It is open."]
    take_back(sandbox, message, draft="")
    assert [each.text for each in phone.bubbles] == ["hello"], "found by its turn"
    take_back(sandbox, message, draft=posted)


def draw(sandbox: Sandbox, to: ChannelMessage, text: str, *, draft: str = "") -> str:
    """As the sender does."""

    def begin(channel: Drafts, outgoing: Outgoing, given: Credentials) -> Generator[Call, Answer, str | None]:
        return channel.draft(outgoing, given, turn_id="t")

    return _run(sandbox, to, begin=begin, text=text, draft=draft)


def take_back(sandbox: Sandbox, to: ChannelMessage, *, draft: str) -> None:
    """As the sender does."""

    def begin(channel: Drafts, outgoing: Outgoing, given: Credentials) -> Generator[Call, Answer, str | None]:
        return channel.retract(outgoing, given, turn_id="t")

    _run(sandbox, to, begin=begin, text="", draft=draft)


def _run(
    sandbox: Sandbox,
    to: ChannelMessage,
    *,
    begin: Callable[[Drafts, Outgoing, Credentials], Generator[Call, Answer, str | None]],
    text: str,
    draft: str,
) -> str:
    channel = CHANNELS[to.channel]
    assert isinstance(channel, Drafts)
    outgoing = Outgoing(
        delivery_id="",
        part=0,
        text=text,
        chat_id=to.chat_id,
        address=channel.name,
        draft=draft,
        api_base_url=f"http://sandbox.test/{channel.provider}",
    )
    flow = begin(channel, outgoing, credentials(sandbox, channel.name))
    try:
        call = next(flow)
        while True:
            answer = _called(sandbox, call, channel.provider)
            assert answer is not None
            call = flow.send(answer)
    except StopIteration as done:
        return done.value or ""
