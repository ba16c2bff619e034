"""Does what is typed reach Parley, what is sent reach the phone, and does each fault do what it says?"""

import base64
from urllib.parse import parse_qsl, urlencode

import orjson
import pytest

from sandbox import faults
from sandbox.about import about
from sandbox.phone import Bubble
from sandbox.provider import Ask, Reply
from sandbox.switchboard import RECEIPT_SECONDS
from sandbox.world import Outcome
from tests.unit.sandbox.world import Sandbox

CALLBACK = "http://gateway.test/webhook/whatsapp/k/status?mid=d-1.0"


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


def send(sandbox: Sandbox, text: str = "the answer", *, callback: str = CALLBACK) -> Outcome:
    """As Parley's sender would, to the person on WhatsApp."""
    sid, token = sandbox.values["TWILIO_ACCOUNT_SID"], sandbox.values["TWILIO_AUTH_TOKEN"]
    to = sandbox.switchboard.phones["whatsapp"].person.id
    form = {"To": f"whatsapp:{to}", "From": sandbox.values["TWILIO_WHATSAPP_NUMBER"], "Body": text}
    form |= {"StatusCallback": callback} if callback else {}
    headers = {
        "authorization": "Basic " + base64.b64encode(f"{sid}:{token}".encode()).decode(),
        "content-type": "application/x-www-form-urlencoded",
    }
    ask = Ask("POST", f"/2010-04-01/Accounts/{sid}/Messages.json", headers, urlencode(form).encode())
    return sandbox.call("twilio", ask)


def status(outcome: Outcome) -> int:
    return outcome.status if isinstance(outcome, Reply) else 0


def bubbles(sandbox: Sandbox, channel: str = "whatsapp") -> list[Bubble]:
    return list(sandbox.switchboard.phones[channel].bubbles)


def said(sandbox: Sandbox) -> list[str]:
    """The texts that were posted at the gateway."""
    return [dict(parse_qsl(each.body.decode())).get("Body", "") for each in sandbox.posts]


def statuses(sandbox: Sandbox) -> list[str]:
    return [dict(parse_qsl(each.body.decode())).get("MessageStatus", "") for each in sandbox.posts]


async def test_what_is_typed_is_posted_at_the_channels_webhook(sandbox: Sandbox) -> None:
    for channel in sandbox.switchboard.phones:
        sandbox.switchboard.say(channel, "hello")
    await sandbox.settle()
    assert {each.url for each in sandbox.posts} == {
        f"http://gateway.test/webhook/{channel}" for channel in sandbox.switchboard.phones
    }
    assert [bubbles(sandbox, channel)[0].state for channel in sandbox.switchboard.phones] == ["heard"] * len(
        sandbox.switchboard.phones
    )


async def test_what_the_gateway_refuses_is_seen_and_can_be_posted_again(sandbox: Sandbox) -> None:
    sandbox.status = 503
    bubble_id = sandbox.switchboard.say("whatsapp", "hello")
    await sandbox.settle()
    [bubble] = bubbles(sandbox)
    assert (bubble.state, bubble.note) == ("refused", "503")
    sandbox.status = 200
    assert sandbox.switchboard.again("whatsapp", bubble_id)
    await sandbox.settle()
    assert bubble.state == "heard"
    assert sandbox.posts[0].body == sandbox.posts[1].body
    assert not sandbox.switchboard.again("whatsapp", bubble_id)


async def test_a_duplicate_is_the_same_webhook_two_times(sandbox: Sandbox) -> None:
    sandbox.switchboard.turn("whatsapp", "duplicate", seconds=0)
    sandbox.switchboard.say("whatsapp", "hello")
    await sandbox.settle()
    assert len({each.body for each in sandbox.posts}) == 1
    assert len(sandbox.posts) == 2


async def test_a_message_that_is_held_back_is_overtaken_by_the_next(sandbox: Sandbox) -> None:
    sandbox.switchboard.turn("whatsapp", "reorder", seconds=0)
    for text in ("one", "two", "three"):
        sandbox.switchboard.say("whatsapp", text)
        await sandbox.settle()
    assert said(sandbox) == ["two", "one"]
    assert bubbles(sandbox)[2].state == "held"
    sandbox.switchboard.turn("whatsapp", faults.NONE, seconds=0)
    await sandbox.settle()
    assert said(sandbox) == ["two", "one", "three"]


async def test_a_late_webhook_waits_as_long_as_it_was_told(sandbox: Sandbox) -> None:
    sandbox.switchboard.turn("whatsapp", "delay", seconds=7)
    sandbox.switchboard.say("whatsapp", "hello")
    await sandbox.settle()
    assert sandbox.pauses == [7]
    assert said(sandbox) == ["hello"]


async def test_a_send_is_shown_and_its_receipts_follow_one_by_one(sandbox: Sandbox) -> None:
    assert status(send(sandbox)) == 201
    [bubble] = bubbles(sandbox)
    assert (bubble.text, bubble.state) == ("the answer", "taken")
    await sandbox.settle()
    assert statuses(sandbox) == ["sent", "delivered", "read"]
    assert bubble.state == "read"
    assert sandbox.pauses == [RECEIPT_SECONDS] * 3


async def test_receipts_by_hand_go_when_the_person_says_so(sandbox: Sandbox) -> None:
    sandbox.switchboard.receipts("whatsapp", automatic=False)
    send(sandbox)
    await sandbox.settle()
    [bubble] = bubbles(sandbox)
    assert sandbox.posts == []
    for wanted in ("sent", "delivered", "read"):
        assert sandbox.switchboard.report("whatsapp", bubble.id)
        await sandbox.settle()
        assert bubble.state == wanted
    assert not sandbox.switchboard.report("whatsapp", bubble.id)


async def test_receipts_that_nobody_asked_for_are_not_posted(sandbox: Sandbox) -> None:
    send(sandbox, callback="")
    await sandbox.settle()
    assert sandbox.posts == []
    assert bubbles(sandbox)[0].state == "read"


async def test_a_throttled_send_is_refused_until_it_has_waited(sandbox: Sandbox) -> None:
    sandbox.switchboard.turn("whatsapp", "throttled", seconds=3)
    refused = send(sandbox)
    assert isinstance(refused, Reply)
    assert (refused.status, refused.headers) == (429, {"retry-after": "3"})
    sandbox.later(1)
    early = send(sandbox)
    assert isinstance(early, Reply)
    assert (early.status, early.headers) == (429, {"retry-after": "3"})
    assert "came before Retry-After" in [each.what for each in sandbox.switchboard.phones["whatsapp"].events]
    assert bubbles(sandbox) == []
    sandbox.later(2)
    assert status(send(sandbox)) == 201
    assert [each.text for each in bubbles(sandbox)] == ["the answer"]


async def test_a_broken_provider_takes_nothing(sandbox: Sandbox) -> None:
    sandbox.switchboard.turn("whatsapp", "broken", seconds=0)
    assert status(send(sandbox)) == 500
    assert bubbles(sandbox) == []


async def test_a_lost_answer_is_a_send_that_was_taken(sandbox: Sandbox) -> None:
    sandbox.switchboard.turn("whatsapp", "lost", seconds=0)
    assert send(sandbox) is None
    await sandbox.settle()
    [bubble] = bubbles(sandbox)
    assert (bubble.state, sandbox.posts) == ("taken", [])
    assert sandbox.switchboard.report("whatsapp", bubble.id)
    await sandbox.settle()
    assert statuses(sandbox) == ["sent"]


async def test_a_closed_window_is_told_in_the_receipt(sandbox: Sandbox) -> None:
    sandbox.switchboard.turn("whatsapp", "window", seconds=0)
    assert status(send(sandbox)) == 201
    await sandbox.settle()
    assert statuses(sandbox) == ["undelivered"]
    assert b"ErrorCode=63016" in sandbox.posts[0].body
    assert bubbles(sandbox)[0].state == "failed"


async def test_a_phone_that_changed_hands_shows_nothing_of_the_person_before(sandbox: Sandbox) -> None:
    before = sandbox.switchboard.phones["whatsapp"].person
    sandbox.switchboard.say("whatsapp", "hello")
    sandbox.switchboard.hand_over("whatsapp")
    assert sandbox.switchboard.phones["whatsapp"].person != before
    assert bubbles(sandbox) == []


async def test_no_secret_is_on_the_page(sandbox: Sandbox) -> None:
    for channel in sandbox.switchboard.phones:
        sandbox.switchboard.say(channel, "hello")
    send(sandbox)
    for token in (sandbox.values["TELEGRAM_BOT_TOKEN"], "123:a-real-token-by-mistake"):
        sandbox.call("telegram", Ask("POST", f"/bot{token}/sendMessage", {}, b""))
        sandbox.call("telegram", Ask("POST", f"/bot{token}", {}, b""))
    await sandbox.settle()
    shown = orjson.dumps([sandbox.switchboard.state(), about(sandbox.switchboard)]).decode()
    secrets = [value for name, value in sandbox.values.items() if not name.endswith("_NUMBER")]
    assert [each for each in (*secrets, "by-mistake") if each in shown] == []


def test_every_phone_offers_faults_that_there_are(sandbox: Sandbox) -> None:
    phones = {each["channel"]: [fault["name"] for fault in each["faults"]] for each in about(sandbox.switchboard)}
    assert phones["telegram"] == list(faults.EVERYWHERE)
    assert phones["sms"] == [*faults.EVERYWHERE, "opted_out"]
    assert phones["whatsapp"] == [*faults.EVERYWHERE, "window"]
    assert {fault for offered in phones.values() for fault in offered} == set(faults.FAULTS)
