"""Does Slack's channel believe only Slack, keep conversations apart, and write nothing that Slack would obey?"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from channels.channel import (
    Answer,
    BadSignature,
    Call,
    Credentials,
    DeliveryError,
    Flow,
    Imitation,
    Outgoing,
    Rejected,
    Stale,
    Unauthorized,
    Unreadable,
    Webhook,
)
from channels.host import Account, Verdict, receive
from channels.slack import Slack
from channels.slack_signature import sign
from channels.slack_text import escaped, plain
from tests.suites.channels.golden import captures
from tests.suites.channels.hostile import mutations

SLACK = Slack()
SECRET = "a-signing-secret-of-the-tests"
TOKEN = "xoxb-a-token-of-the-tests"
APP = Credentials({"bot_token": TOKEN, "signing_secret": SECRET})
NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
AT = int(NOW.timestamp())
URL = "https://parley.example/webhook/slack"
OUTGOING = Outgoing("d-1", 0, "my secret text", "D1", "slack")

# https://docs.slack.dev/authentication/verifying-requests-from-slack/ works this one through.
DOCUMENTED_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
DOCUMENTED_AT = 1531420618
DOCUMENTED_BODY = urlencode(
    {
        "token": "xyzz0WbapA4vBCDEFasx0q6G",
        "team_id": "T1DC2JH3J",
        "team_domain": "testteamnow",
        "channel_id": "G8PSS9T3V",
        "channel_name": "foobar",
        "user_id": "U2CERLKJA",
        "user_name": "roadrunner",
        "command": "/webhook-collect",
        "text": "",
        "response_url": "https://hooks.slack.com/commands/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXaIFfN",
        "trigger_id": "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
    }
)
DOCUMENTED_SIGNATURE = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"


def signed(body: bytes, *, at: int = AT, received_at: datetime = NOW, secret: str = SECRET) -> Webhook:
    """A webhook that Slack would make of the body."""
    headers = {"content-type": "application/json", **sign(body, secret=secret, at=at)}
    return Webhook("POST", URL, headers, body, received_at)


def test_the_documented_example_is_signed_as_documented() -> None:
    headers = sign(DOCUMENTED_BODY.encode(), secret=DOCUMENTED_SECRET, at=DOCUMENTED_AT)
    assert headers["x-slack-signature"] == DOCUMENTED_SIGNATURE


@pytest.mark.parametrize("off", [-300, -1, 0, 1, 300])
def test_a_webhook_is_fresh_for_five_minutes_on_either_side(off: int) -> None:
    SLACK.authenticate(signed(b"{}", at=AT + off), APP)


@pytest.mark.parametrize("off", [-301, 301, -(10**6), 10**9])
def test_a_right_signature_of_another_time_is_stale(off: int) -> None:
    with pytest.raises(Stale):
        SLACK.authenticate(signed(b"{}", at=AT + off), APP)


def test_a_body_changed_behind_its_signature_is_refused() -> None:
    webhook = signed(b'{"type":"event_callback"}')
    for body in (webhook.body + b" ", b"", b"\xff\xfe", webhook.body[:-1]):
        with pytest.raises(BadSignature):
            SLACK.authenticate(replace(webhook, body=body), APP)


def test_a_signature_under_another_time_is_refused() -> None:
    webhook = signed(b"{}")
    later = {**webhook.headers, "x-slack-request-timestamp": str(AT + 1)}
    with pytest.raises(BadSignature):
        SLACK.authenticate(replace(webhook, headers=later), APP)


@pytest.mark.parametrize("stamp", ["", "inf", "nan", "1e9", "-1", "+1", " 1", "1_0", "٣", "9" * 13, "1.5"])
def test_a_timestamp_that_is_no_number_is_refused_without_a_word(stamp: str) -> None:
    headers = {**signed(b"{}").headers, "x-slack-request-timestamp": stamp}
    with pytest.raises(BadSignature):
        SLACK.authenticate(replace(signed(b"{}"), headers=headers), APP)


def test_the_question_whether_the_url_is_ours_is_answered_only_when_slack_asks() -> None:
    body = json.dumps({"type": "url_verification", "challenge": "c-1"}).encode()
    account = Account("a-1", "slack", APP)
    asked = receive(SLACK, signed(body), account=account)
    assert (asked.answer.status, asked.answer.body) == (200, b'{"challenge":"c-1"}')
    forged = receive(SLACK, signed(body, secret="another"), account=account)
    assert forged.answer.status == 401
    assert b"c-1" not in forged.answer.body


@pytest.mark.parametrize("challenge", [None, "", 1, "x" * 2000])
def test_a_challenge_that_is_none_is_not_repeated(challenge: object) -> None:
    with pytest.raises(Unreadable):
        SLACK.decode(signed(json.dumps({"type": "url_verification", "challenge": challenge}).encode()))


def test_a_mention_that_comes_as_two_events_is_one_message() -> None:
    twice = {each.name: each.webhook for each in captures("slack")}
    (first,) = SLACK.decode(twice["mention"]).messages
    (second,) = SLACK.decode(twice["mention_as_message"]).messages
    assert (first.chat_id, first.provider_message_id, first.text) == (
        second.chat_id,
        second.provider_message_id,
        second.text,
    )


def test_a_threads_question_and_its_answer_meet_in_one_conversation() -> None:
    mention = {"type": "app_mention", "user": "U1", "channel": "C1", "text": "hi", "ts": "1795240800.000100"}
    (asked,) = SLACK.decode(signed(_event(mention))).messages
    call = next(SLACK.deliver(replace(OUTGOING, chat_id=asked.chat_id), APP))
    posted = json.loads(call.body)
    reply = {**mention, "type": "message", "thread_ts": posted["thread_ts"], "ts": "1795240900.000100"}
    (more,) = SLACK.decode(signed(_event(reply))).messages
    assert (posted["channel"], posted["thread_ts"]) == ("C1", "1795240800.000100")
    assert more.chat_id == asked.chat_id


def test_an_account_of_the_environment_takes_any_workspace_and_one_with_an_address_takes_its_own() -> None:
    said = Imitation("hello", "ann", "T1", URL, "1", NOW)
    webhook = SLACK.imitate(said, APP)
    for address, verdict in (("slack", Verdict.READ), ("T1", Verdict.READ), ("T2", Verdict.REFUSED)):
        assert receive(SLACK, webhook, account=Account("a-1", address, APP)).verdict is verdict
    nameless = SLACK.imitate(replace(said, address=""), APP)
    assert receive(SLACK, nameless, account=Account("a-1", "slack", APP)).verdict is Verdict.READ


@pytest.mark.parametrize(
    "text",
    ["<!channel>", "<@U1>", "<https://evil.example|bank>", "&lt;!here&gt;", "a & b < c > d", "&amp;amp;", "<<!>>"],
)
def test_whatever_is_escaped_is_shown_letter_by_letter(text: str) -> None:
    assert "<" not in escaped(text)
    assert ">" not in escaped(text)
    assert plain(escaped(text)) == text


def test_reading_text_takes_time_in_proportion_to_its_length() -> None:
    for hostile in ("<" * 200_000, "<@" * 100_000, "<a:" * 60_000, "<a" + "a" * 200_000, "<!|" * 60_000):
        began = datetime.now(UTC)
        plain(hostile)
        assert datetime.now(UTC) - began < timedelta(seconds=1)


def test_decoding_raises_nothing_but_unreadable_whatever_is_wrong_inside() -> None:
    read = 0
    for webhook in _mutated():
        try:
            read += len(SLACK.decode(webhook).messages)
        except Unreadable:
            continue
    assert read > 100


@pytest.mark.parametrize("token", ["", "no-token", "xapp", "xoxb-a b", "xoxb-\n", "xoxb-é"])
def test_a_bot_token_that_is_none_never_becomes_a_header(token: str) -> None:
    with pytest.raises(Unauthorized):
        next(SLACK.deliver(OUTGOING, Credentials({"bot_token": token})))


@pytest.mark.parametrize("chat_id", ["", "c1", "#general", "C1:1", "C1:1795240800.000100:1", "C1\n", "C" * 80])
def test_a_chat_id_that_is_none_is_rejected_before_a_call(chat_id: str) -> None:
    with pytest.raises(Rejected) as raised:
        next(SLACK.deliver(replace(OUTGOING, chat_id=chat_id), APP))
    assert raised.value.kind == "recipient"


def test_a_thread_that_is_none_is_not_answered_in() -> None:
    call = next(SLACK.deliver(replace(OUTGOING, reply_metadata={"thread_ts": "x"}), APP))
    assert "thread_ts" not in json.loads(call.body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"ok":false,"error":"my secret text xoxb-a-token-of-the-tests"}',
        b'{"ok":false,"error":"' + b"y" * 500 + b'"}',
        b'{"ok":false,"error":7}',
        b'{"ok":true,"ts":1}',
        b'{"ok":1,"ts":"1795240800.000100"}',
        b"[" * 100_000,
        b'{"\\ud800":' * 100_000,
        b"\xff",
        b"",
    ],
)
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 408, 429, 500, 502, 503, 599])
def test_any_answer_becomes_a_delivery_error_that_quotes_nothing(status: int, body: bytes) -> None:
    flow, call = _begun()
    with pytest.raises(DeliveryError) as raised:
        flow.send(Answer(status, {"retry-after": "soon"}, body))
    shown = f"{call!r} {raised.value!r} {raised.value} {raised.value.provider_code}"
    assert "secret" not in shown
    assert TOKEN not in shown
    assert len(raised.value.provider_code) <= 64


def test_a_message_that_a_redirect_calls_posted_is_not() -> None:
    flow, _ = _begun()
    with pytest.raises(DeliveryError):
        flow.send(Answer(302, {}, b'{"ok":true,"ts":"1795240800.000100"}'))


def _begun() -> tuple[Flow, Call]:
    flow = SLACK.deliver(OUTGOING, APP)
    return flow, next(flow)


def _event(event: dict[str, Any]) -> bytes:
    return json.dumps({"type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event": event}).encode()


def _mutated() -> Iterator[Webhook]:
    for capture in captures("slack"):
        webhook = capture.webhook
        if webhook.headers["content-type"] == "application/json":
            for body in mutations(webhook.body, seed=11, number=200):
                yield replace(webhook, body=body)
        elif capture.name in {"button", "chosen"}:
            payload = dict(parse_qsl(webhook.body.decode()))["payload"].encode()
            for changed in mutations(payload, seed=13, number=400):
                yield replace(webhook, body=urlencode({"payload": changed}).encode())
