"""In a LINE group, what is said to the account, what do people say to each other, and what is a command?"""

from typing import Any

import orjson
import pytest

from channels.channel import Credentials, Webhook
from channels.host import Account, receive
from channels.line import Line, sign
from kit.moments import utc_now
from parley.chat.v1.message_pb2 import ChannelMessage

SECRET, BOT = "s" * 32, "U" + "b" * 32
GROUP = {"type": "group", "groupId": "C" + "1" * 32, "userId": "U" + "2" * 32}


def said(text: str, *mentioned: dict[str, Any], number: int = 1) -> dict[str, Any]:
    mention = {"mention": {"mentionees": list(mentioned)}} if mentioned else {}
    return {
        "type": "message",
        "mode": "active",
        "timestamp": 1_795_240_800_123,
        "source": GROUP,
        "message": {"id": str(number), "type": "text", "text": text, **mention},
    }


def us(at: int, length: int) -> dict[str, Any]:
    return {"index": at, "length": length, "type": "user", "userId": BOT, "isSelf": True}


def read(*events: dict[str, Any], **options: str) -> tuple[ChannelMessage, ...]:
    body = orjson.dumps({"destination": BOT, "events": events})
    webhook = Webhook("POST", "https://parley.example/", {"x-line-signature": sign(body, SECRET)}, body, utc_now())
    return receive(
        Line(), webhook, account=Account("a-1", BOT, Credentials({"channel_secret": SECRET}), options)
    ).messages


def test_what_people_say_to_each_other_is_kept_and_not_answered_beside_what_is_said_to_us() -> None:
    ann = {"index": 0, "length": 4, "type": "user", "userId": "U" + "3" * 32, "isSelf": False}
    events = [said("Bob, the keys!"), said("@Shop when?", us(0, 5), number=2), said("@Ann when?", ann, number=3)]
    aside, asked, other = read(*events)
    assert (aside.no_turn, aside.only_if_known) == (True, True)
    assert (asked.no_turn, asked.only_if_known) == (False, False)
    assert (other.no_turn, other.only_if_known, other.text) == (True, True, "@Ann when?")


def test_an_account_may_want_to_answer_everybody() -> None:
    [each] = read(said("Bob, the keys!"), unaddressed="all")
    assert (each.no_turn, each.only_if_known) == (False, False)


@pytest.mark.parametrize(
    ("text", "mention", "expected"),
    [
        ("@Shop /reset", us(0, 5), "/reset"),
        ("  @Shop: /reset", us(2, 5), "/reset"),
        ("@Shop\U0001f6cd\U0001f6cd /model fast", us(0, 9), "/model fast"),
        ("@Shop\u3000\u4f55\u6642?", us(0, 5), "\u4f55\u6642?"),
        ("@Shop", us(0, 5), "@Shop"),
        ("are you there, @Shop?", us(15, 5), "are you there, @Shop?"),
        ("@Shop when?", us(0, 500), "@Shop when?"),
        ("@Shop when?", {**us(0, 5), "index": "0", "length": None}, "@Shop when?"),
    ],
)
def test_the_mention_that_only_calls_us_is_taken_off(text: str, mention: dict[str, Any], expected: str) -> None:
    [each] = read(said(text, mention))
    assert (each.text, each.no_turn) == (expected, False)
