"""What is asked of a provider about an account, what is made of its answers, and what does a person click?"""

import json
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from channels.channel import Answer, Call, Credentials, DeliveryError, Throttled, Unavailable
from channels.registry import CHANNELS
from channels.setup import Candidate, Known, Refused, Standing
from channels.setup_registry import SETUPS

TOKEN = "123456789:canary-bot-token"
BASE = "https://chat.example.com"
AGAIN = "#rc=5&rp=ct,rt,5xx"
BOT = Candidate(
    address="@parley_bot",
    credentials=Credentials({"bot_token": TOKEN, "webhook_secret": "canary-secret"}),
    public_base_url=BASE,
    webhook_path="/webhook/telegram/k3y",
)
SID, NUMBER = "AC" + "5" * 32, "+14155550100"
PHONE = Candidate(
    address=NUMBER,
    credentials=Credentials({"account_sid": SID, "auth_token": "canary-auth-token"}),
    public_base_url=BASE,
    webhook_path="/webhook/sms/k3y",
)
ACCOUNT = {"friendly_name": "Shop", "status": "active", "type": "Full", "auth_token": "canary-auth-token"}
OURS = {"url": f"{BASE}/webhook/telegram/k3y", "pending_update_count": 0}


def asked(asking: Generator[Call, Answer, Any] | None, *answers: Answer) -> tuple[Any, Sequence[Call]]:
    """What was learnt from these answers, and the calls that went out."""
    assert asking is not None
    calls: list[Call] = []
    answer: Any = None
    left = list(answers)
    while True:
        try:
            calls.append(asking.send(answer))
        except StopIteration as done:
            assert not left
            return done.value, calls
        answer = left.pop(0)


def said(status: int, content: object) -> Answer:
    return Answer(status, {}, json.dumps(content).encode())


def result(content: object) -> Answer:
    return said(200, {"ok": True, "result": content})


def numbers(**changed: object) -> Answer:
    number = {"phone_number": NUMBER, "sms_url": f"{BASE}/webhook/sms/k3y", "sms_method": "POST"}
    return said(200, {"incoming_phone_numbers": [{**number, "capabilities": {"sms": True}, **changed}]})


def test_a_bot_says_its_name_and_what_it_hears_in_groups() -> None:
    bot = {"first_name": "Parley", "username": "parley_bot", "can_read_all_group_messages": False}
    known, calls = asked(SETUPS["telegram"].probe(BOT), result(bot))
    assert (known.name, known.address) == ("Parley", "@parley_bot")
    assert "privacy" in known.notes[0].lower()
    assert [(each.method, each.url) for each in calls] == [("POST", f"https://api.telegram.org/bot{TOKEN}/getMe")]
    known, _ = asked(SETUPS["telegram"].probe(BOT), result({**bot, "can_read_all_group_messages": True}))
    assert known == Known("Parley", "@parley_bot")


def test_a_webhook_is_set_with_its_secret_and_the_updates_that_we_read() -> None:
    _, (call,) = asked(SETUPS["telegram"].register(BOT), result(True))
    assert json.loads(call.body) == {
        "url": f"{BASE}/webhook/telegram/k3y",
        "secret_token": "canary-secret",
        "allowed_updates": ["message", "edited_message", "callback_query", "message_reaction"],
    }


@pytest.mark.parametrize(
    ("told", "good", "found", "fix"),
    [
        ({}, True, "set to https://chat.example.com/webhook/telegram/k3y", ""),
        ({"url": f"{BASE}/webhook/telegram"}, True, "set to", ""),
        ({"url": ""}, False, "none is set", ""),
        ({"url": "https://old.example.com/123:a-token"}, False, "another address, at old.example.com", ""),
        ({"url": f"{BASE}/webhook/telegram/other"}, False, "another address", ""),
        ({"allowed_updates": ["message"]}, False, "keeps back: edited_message, callback_query, message_reaction", ""),
        ({"pending_update_count": 3}, True, "3 updates wait", ""),
        ({"last_error_message": "Connection timed out"}, True, "nothing waits; the last error was", ""),
        ({"pending_update_count": 3, "last_error_message": "Connection timed out"}, False, "3 updates wait", "outside"),
        ({"pending_update_count": 3, "last_error_message": "Wrong response from the webhook: 401"}, False, "401", ""),
        ({"pending_update_count": 3, "last_error_message": "SSL error {x}"}, False, "SSL", "certificate"),
        ({"pending_update_count": 3, "last_error_message": "what?"}, False, "what?", "log"),
    ],
)
def test_what_telegram_tells_of_a_webhook_is_one_line_each(
    told: dict[str, object], good: bool, found: str, fix: str
) -> None:
    standings, _ = asked(SETUPS["telegram"].inspect(BOT), result({**OURS, **told}))
    assert all(each.good for each in standings) is good
    chosen = [each for each in standings if found in each.found and each.good is good]
    assert chosen, standings
    assert fix in chosen[0].fix
    assert "a-token" not in str(standings)


def test_the_path_without_a_key_is_ours_only_while_there_is_no_other_account() -> None:
    plain = f"{BASE}/webhook/telegram"
    assert BOT.is_here(plain)
    crowded = replace(BOT, is_alone=False)
    assert not crowded.is_here(plain)
    assert not crowded.was_ours(plain)
    assert crowded.is_here(f"{plain}/k3y")


def test_without_a_public_address_nobody_can_say_where_a_webhook_leads() -> None:
    nowhere = Candidate(address=BOT.address, credentials=BOT.credentials, webhook_path=BOT.webhook_path)
    standings, _ = asked(SETUPS["telegram"].inspect(nowhere), result(OURS))
    assert [each.good for each in standings] == [False]
    assert "PUBLIC_BASE_URL" in standings[0].fix


@pytest.mark.parametrize(
    ("url", "gone"),
    [
        (f"{BASE}/webhook/telegram/k3y", True),
        (f"{BASE}/webhook/telegram", True),
        ("https://older.example.com/webhook/telegram/k3y", True),
        ("https://elsewhere.example.com/hook", False),
        ("", False),
    ],
)
def test_only_a_webhook_of_ours_is_taken_away(url: str, gone: bool) -> None:
    answers = [result({"url": url}), *([result(True)] if gone else [])]
    was_ours, calls = asked(SETUPS["telegram"].unregister(BOT), *answers)
    assert was_ours is gone
    methods = [each.url.rpartition("/")[2] for each in calls]
    assert methods == ["getWebhookInfo", "deleteWebhook"][: len(answers)]


def test_a_number_of_the_account_is_looked_up_and_a_trial_is_noted() -> None:
    known, calls = asked(SETUPS["sms"].probe(PHONE), said(200, {**ACCOUNT, "type": "Trial"}), numbers())
    assert known == Known("Shop", NUMBER, ("trial account: it reaches verified numbers only",))
    base = f"https://api.twilio.com/2010-04-01/Accounts/{SID}"
    assert [(each.method, each.url) for each in calls] == [
        ("GET", f"{base}.json"),
        ("GET", f"{base}/IncomingPhoneNumbers.json?PhoneNumber=%2B14155550100&PageSize=1"),
    ]
    assert all(each.headers["authorization"].startswith("Basic ") for each in calls)


def test_a_whatsapp_number_is_taken_as_it_is_since_twilio_does_not_tell() -> None:
    sandbox = Candidate(address="whatsapp:+14155238886", credentials=PHONE.credentials)
    known, _ = asked(SETUPS["whatsapp"].probe(sandbox), said(200, ACCOUNT))
    assert "sandbox" in known.notes[0]
    assert asked(SETUPS["whatsapp"].inspect(sandbox)) == ((), [])


@pytest.mark.parametrize(
    ("changed", "standing"),
    [
        (
            {},
            Standing(True, f"set to {BASE}/webhook/sms/k3y; with {AGAIN} behind it Twilio comes again after a failure"),
        ),
        ({"sms_url": f"{BASE}/webhook/sms/k3y{AGAIN}"}, Standing(True, f"set to {BASE}/webhook/sms/k3y{AGAIN}")),
        ({"sms_url": ""}, Standing(False, "none is set at the number")),
        ({"sms_method": "GET"}, Standing(False, f"set to {BASE}/webhook/sms/k3y, by GET: Twilio must POST")),
        ({"sms_application_sid": "AP1"}, Standing(False, "a TwiML app answers for the number, not its webhook")),
    ],
)
def test_what_stands_at_a_number_is_said(changed: dict[str, object], standing: Standing) -> None:
    assert asked(SETUPS["sms"].inspect(PHONE), numbers(**changed))[0] == (standing,)


def test_a_webhook_of_somebody_else_is_not_shown() -> None:
    ((standing,), _) = asked(SETUPS["sms"].inspect(PHONE), numbers(sms_url="https://user:word@demo.twilio.com/x"))
    assert not standing.good
    assert "word" not in standing.found


@pytest.mark.parametrize(
    ("name", "answers", "words"),
    [
        ("telegram", [said(401, {"ok": False, "error_code": 401, "description": "Unauthorized"})], "bot_token"),
        ("telegram", [said(404, {"ok": False, "error_code": 404, "description": "Not Found"})], "bot_token"),
        ("sms", [said(401, {"code": 20003})], "account_sid with this auth_token"),
        ("sms", [said(200, {**ACCOUNT, "status": "suspended"})], "suspended"),
        ("sms", [said(200, ACCOUNT), said(200, {"incoming_phone_numbers": []})], "none of this Twilio account's"),
        ("sms", [said(200, ACCOUNT), numbers(capabilities={"sms": False})], "no text messages"),
    ],
)
def test_wrong_credentials_are_refused_with_what_to_do(name: str, answers: list[Answer], words: str) -> None:
    candidate = BOT if name == "telegram" else PHONE
    with pytest.raises(Refused) as caught:
        asked(SETUPS[name].probe(candidate), *answers)
    assert words in str(caught.value)
    assert caught.value.fix
    assert "canary" not in str(caught.value) + caught.value.fix + repr(candidate)


@pytest.mark.parametrize(
    ("name", "answer", "kind"),
    [
        ("telegram", Answer(404, {}, b"<html>nginx"), Unavailable),
        ("telegram", said(502, {"ok": False, "error_code": 500}), Unavailable),
        ("telegram", said(429, {"ok": False, "error_code": 429, "parameters": {"retry_after": 3}}), Throttled),
        ("sms", Answer(404, {}, b"<html>nginx"), Unavailable),
        ("sms", Answer(200, {}, b"<html>"), Unavailable),
        ("sms", said(429, {"code": 20429}), Throttled),
    ],
)
def test_a_provider_that_is_ill_says_nothing_about_the_credentials(
    name: str, answer: Answer, kind: type[DeliveryError]
) -> None:
    with pytest.raises(kind) as caught:
        asked(SETUPS[name].probe(BOT if name == "telegram" else PHONE), answer)
    assert not isinstance(caught.value, Refused)


@pytest.mark.parametrize(
    ("name", "credentials"),
    [
        ("telegram", {"bot_token": "canary/../../x", "webhook_secret": "s"}),
        ("telegram", {"bot_token": TOKEN, "webhook_secret": "canary secret"}),
        ("sms", {"account_sid": "SK" + "1" * 32, "auth_token": "canary"}),
        ("sms", {"account_sid": SID}),
        ("whatsapp", {}),
        ("slack", {"bot_token": "xapp canary"}),
        ("discord", {"bot_token": "canary\r\nhost: x"}),
    ],
)
def test_what_cannot_be_right_is_refused_before_anybody_is_called(name: str, credentials: dict[str, str]) -> None:
    candidate = Candidate(address=NUMBER, credentials=Credentials(credentials))
    with pytest.raises(Refused) as caught:
        asked(SETUPS[name].probe(candidate))
    assert "canary" not in str(caught.value) + caught.value.fix


@pytest.mark.parametrize(
    ("name", "address", "where"),
    [
        ("sms", NUMBER, "Active numbers > +14155550100"),
        ("whatsapp", "whatsapp:+14155550100", "WhatsApp senders > +14155550100"),
        ("whatsapp", "+14155238886", "Sandbox settings"),
    ],
)
def test_what_to_click_names_the_number_and_the_exact_url(name: str, address: str, where: str) -> None:
    path = f"/webhook/{name}/k3y"
    candidate = Candidate(address=address, credentials=PHONE.credentials, public_base_url=BASE, webhook_path=path)
    steps = SETUPS[name].clicks(candidate)
    assert where in steps[0]
    assert f"{BASE}{path}{AGAIN}," in steps[1]
    nowhere = Candidate(address=address, credentials=PHONE.credentials, webhook_path=path)
    assert f"https://<your host>{path}" in SETUPS[name].clicks(nowhere)[1]


def test_every_setup_is_of_a_channel_and_makes_up_only_what_it_can_tell() -> None:
    assert set(SETUPS) <= set(CHANNELS)
    for name, setup in SETUPS.items():
        fields = {each.name for each in CHANNELS[name].credential_fields}
        assert set(setup.made_up) <= fields
        assert not setup.made_up or setup.register(BOT) is not None
