"""Does the stand-in take what Twilio takes, and refuse the rest in Twilio's words?"""

import base64
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from channels.host import Account as HostAccount
from channels.host import Verdict, receive
from channels.registry import CHANNELS
from channels.twilio_errors import BY_CODE
from parley.chat.v1 import message_pb2 as chat
from sandbox.provider import Account, Ask, Reply, Taken, Words
from sandbox.providers.twilio import CODES, Twilio, made_up
from tests.unit.sandbox.world import drawn

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
DRAW = drawn()
VALUES = made_up(DRAW)
SID, TOKEN = VALUES["TWILIO_ACCOUNT_SID"], VALUES["TWILIO_AUTH_TOKEN"]
GOOD = {"To": "whatsapp:+12025550100", "From": "whatsapp:+14155238886", "Body": "hello"}
CALLBACK = "http://gateway.test/webhook/whatsapp/k/status?mid=0192f0c8-7a3e-7cc1-a5d4-3f0b6c1d2e4f.0"


def twilio() -> Twilio:
    return Twilio(Account(VALUES, lambda: NOW, DRAW))


def ask(form: dict[str, str], *, sid: str = SID, token: str = TOKEN, method: str = "POST") -> Ask:
    headers = {
        "authorization": "Basic " + base64.b64encode(f"{sid}:{token}".encode()).decode(),
        "content-type": "application/x-www-form-urlencoded",
    }
    return Ask(method, f"/2010-04-01/Accounts/{sid}/Messages.json", headers, urlencode(form).encode())


def test_a_good_send_is_taken_with_the_resource_that_twilio_answers() -> None:
    taken = twilio().answer(ask(GOOD | {"StatusCallback": CALLBACK}))
    assert isinstance(taken, Taken)
    assert (taken.channel, taken.to, taken.text, taken.callback) == ("whatsapp", "+12025550100", "hello", CALLBACK)
    assert taken.reply.status == 201
    assert taken.reply.content["status"] == "queued"
    assert taken.reply.content["sid"] == taken.id


def test_a_number_without_a_prefix_is_the_phone_of_text_messages() -> None:
    taken = twilio().answer(ask({"To": "+12025550100", "From": VALUES["TWILIO_PHONE_NUMBER"], "Body": "hello"}))
    assert isinstance(taken, Taken)
    assert taken.channel == "sms"


def test_a_messaging_service_stands_for_the_number_of_the_same_kind() -> None:
    taken = twilio().answer(ask({"To": "+12025550100", "MessagingServiceSid": "MG" + "0" * 32, "Body": "hello"}))
    assert isinstance(taken, Taken)
    assert taken.reply.content["from"] == VALUES["TWILIO_PHONE_NUMBER"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"To": ""}, 21604),
        ({"To": "whatsapp:12"}, 21211),
        ({"To": "telegram:+12025550100"}, 21211),
        ({"From": ""}, 21603),
        ({"From": "", "MessagingServiceSid": "mine"}, 21603),
        ({"From": "whatsapp:+14155550000"}, 63007),
        ({"From": "+14155550000", "To": "+12025550100"}, 21606),
        ({"To": "+12025550100"}, 21910),
        ({"Body": ""}, 21619),
        ({"Body": "x" * 1601}, 21617),
        ({"Body": "🙏" * 801}, 21617),
        ({"StatusCallback": "not a url"}, 21609),
    ],
)
def test_what_twilio_refuses_is_refused_with_its_code(changes: dict[str, str], code: int) -> None:
    reply = twilio().answer(ask(GOOD | changes))
    assert isinstance(reply, Reply)
    assert reply.content["code"] == code
    assert reply.status == reply.content["status"] == CODES[code][0]
    assert set(reply.content) == {"code", "message", "more_info", "status"}


def test_the_longest_body_is_taken() -> None:
    assert isinstance(twilio().answer(ask(GOOD | {"Body": "🙏" * 800})), Taken)


@pytest.mark.parametrize("wrong", [{"token": "0" * 32}, {"sid": "AC" + "0" * 32}])
def test_other_credentials_are_refused_as_twilio_does(wrong: dict[str, str]) -> None:
    reply = twilio().answer(ask(GOOD, **wrong))
    assert isinstance(reply, Reply)
    assert (reply.status, reply.content["code"]) == (401, 20003)


def test_another_path_or_method_or_kind_of_body_is_refused() -> None:
    asked = ask(GOOD)
    strange = Ask("POST", "/2010-04-01/Accounts.json", asked.headers, asked.body)
    put = ask(GOOD, method="PUT")
    json = Ask("POST", asked.path, {**asked.headers, "content-type": "application/json"}, b"{}")
    replies = [twilio().answer(each) for each in (strange, put, json)]
    assert [reply.status for reply in replies if isinstance(reply, Reply)] == [404, 405, 400]


@pytest.mark.parametrize(
    ("state", "received", "code"),
    [
        ("sent", chat.DELIVERY_STATE_SENT, ""),
        ("delivered", chat.DELIVERY_STATE_DELIVERED, ""),
        ("read", chat.DELIVERY_STATE_READ, ""),
        ("refused", chat.DELIVERY_STATE_FAILED, "63016"),
    ],
)
def test_a_receipt_is_signed_and_read_by_the_channel(state: str, received: chat.DeliveryState, code: str) -> None:
    standing = twilio()
    taken = standing.answer(ask(GOOD | {"StatusCallback": CALLBACK}))
    assert isinstance(taken, Taken)
    webhook = standing.receipt(taken, state, url="")
    assert webhook
    channel = CHANNELS["whatsapp"]
    credentials = Account(VALUES, lambda: NOW, DRAW).credentials(channel)
    account = HostAccount("account", VALUES["TWILIO_WHATSAPP_NUMBER"], credentials)
    heard = receive(channel, webhook, account=account)
    assert heard.verdict is Verdict.READ
    [receipt] = heard.receipts
    assert (receipt.state, receipt.provider_code, receipt.provider_message_id) == (received, code, taken.id)
    assert receipt.delivery_id == "0192f0c8-7a3e-7cc1-a5d4-3f0b6c1d2e4f"


def test_who_asks_for_no_callback_gets_none() -> None:
    standing = twilio()
    taken = standing.answer(ask(GOOD))
    assert isinstance(taken, Taken)
    assert standing.receipt(taken, "sent", url="") is None


@pytest.mark.parametrize("channel", ["whatsapp", "sms"])
def test_what_a_person_types_is_believed_by_the_channel(channel: str) -> None:
    standing = twilio()
    words = Words("hello", standing.person(0), f"http://gateway.test/webhook/{channel}", NOW)
    known = CHANNELS[channel]
    credentials = Account(VALUES, lambda: NOW, DRAW).credentials(known)
    account = HostAccount("account", VALUES[known.address_environment], credentials)
    [message] = receive(known, standing.say(channel, words), account=account).messages
    assert (message.text, message.sender_phone) == ("hello", "+12025550100")


def test_every_refusal_means_something_to_the_channel() -> None:
    """Those that only a program of another make could cause are left to its HTTP status."""
    assert set(CODES) - set(BY_CODE) == {20001, 20004, 21604, 21609, 21910}
