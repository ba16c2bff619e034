"""Does a phone show that it was read and that somebody writes, as its channel says it?"""

from dataclasses import replace

import pytest

from channels.channel import Answer, Outgoing
from channels.presence import SignalKind, Signals
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
