"""Can anybody make a channel raise, or believe what is not signed? Over every channel of the registry."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from google.protobuf.message import Message

from channels.channel import BadSignature, Channel, Credentials, Imitation, Webhook
from channels.host import REFUSED, Account, Received, Verdict, receive
from channels.registry import CHANNELS
from tests.suites.channels.golden import Capture, account, captures, readable, sender
from tests.suites.channels.hostile import BODIES, Trusting, mutations, with_unknown_fields, without_and_null

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
URL = "https://parley.example/webhook/any/k3y"
OPEN = [name for name in CHANNELS if any(spec.verifies for spec in CHANNELS[name].credential_fields)]
SIGNS_ALL = ["sms", "whatsapp"]  # URL and body; the others send a secret, which says nothing about either
SIGNS_BODY = [*SIGNS_ALL, "instagram", "whatsapp_cloud"]
READABLE = [pytest.param(each, id=f"{name}-{each.name}") for name in CHANNELS for each in readable(name)]
AUTHENTIC = {name: [each for each in captures(name) if each.expect["verdict"] == "read"] for name in CHANNELS}

Forge = Callable[[Webhook], Webhook]


def _headers(webhook: Webhook, change: Callable[[str], str]) -> Webhook:
    """The webhook with every header that proves it changed."""
    kept = ("content-type", "user-agent", "idempotency-key", "origin", "i-twilio-idempotency-token")
    return replace(
        webhook, headers={name: value if name in kept else change(value) for name, value in webhook.headers.items()}
    )


FORGERIES: Mapping[str, Forge] = {
    "no headers at all": lambda webhook: replace(webhook, headers={}),
    "an empty proof": lambda webhook: _headers(webhook, lambda _: ""),
    "a proof of spaces": lambda webhook: _headers(webhook, lambda _: "   "),
    "a wrong proof": lambda webhook: _headers(webhook, lambda value: value[:-4] + "AAA="),
    "a proof cut short": lambda webhook: _headers(webhook, lambda value: value[:-1]),
    "a proof made longer": lambda webhook: _headers(webhook, lambda value: value + "x"),
    "a proof that is not ASCII": lambda webhook: _headers(webhook, lambda value: "\xe9\xff" + value),
    "a proof that is not latin-1": lambda webhook: _headers(webhook, lambda value: value + "\u20ac\ud800"),
    "a proof twice": lambda webhook: _headers(webhook, lambda value: f"{value}, {value}"),
    "a proof of 100 kB": lambda webhook: _headers(webhook, lambda value: value + "A" * 100_000),
    "the word None": lambda webhook: _headers(webhook, lambda _: "None"),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
@pytest.mark.parametrize("name", CHANNELS)
def test_a_forged_webhook_is_refused_with_the_same_short_answer(name: str, forge: Forge) -> None:
    for capture in captures(name):
        received = receive(CHANNELS[name], forge(capture.webhook), account=account(name))
        _assert_refused(received)


@pytest.mark.parametrize("name", CHANNELS)
def test_a_field_that_is_null_says_what_its_absence_says(name: str) -> None:
    believing, to = Trusting(CHANNELS[name]), account(name)

    def meant(capture: Capture, body: bytes) -> Received:
        return receive(believing, replace(capture.webhook, body=body), account=to)

    odd = {
        (capture.name, field)
        for capture in AUTHENTIC[name]
        for field, without, null in without_and_null(capture.webhook.body)
        if meant(capture, without) != meant(capture, null)
    }
    assert odd == set()


@pytest.mark.parametrize("value", ["", " ", "\t\n"], ids=["empty", "space", "white space"])
@pytest.mark.parametrize("name", OPEN)
def test_an_account_without_its_secret_refuses_what_the_empty_secret_signs(name: str, value: str) -> None:
    channel = CHANNELS[name]
    blank = Credentials({**account(name).credentials, **dict.fromkeys(_verifying(channel), value)})
    nobody = replace(account(name), credentials=blank)
    for capture in captures(name):
        _assert_refused(receive(channel, capture.webhook, account=nobody))
    try:
        forged = channel.imitate(_imitation(name), blank)
    except ValueError:
        return  # it will not even sign with that
    _assert_refused(receive(channel, forged, account=nobody))


@pytest.mark.parametrize("name", OPEN)
def test_an_account_with_no_credentials_at_all_refuses_everything(name: str) -> None:
    nobody = replace(account(name), credentials=Credentials({}))
    for capture in captures(name):
        _assert_refused(receive(CHANNELS[name], capture.webhook, account=nobody))


@pytest.mark.parametrize("name", OPEN)
def test_the_channels_own_check_refuses_an_empty_secret_without_the_host(name: str) -> None:
    channel = CHANNELS[name]
    for capture in AUTHENTIC[name]:
        with pytest.raises(BadSignature):
            channel.authenticate(capture.webhook, Credentials({}))


@pytest.mark.parametrize("name", OPEN)
def test_a_webhook_signed_with_another_secret_is_refused(name: str) -> None:
    mine = account(name)
    for secret in _verifying(CHANNELS[name]):
        other = Credentials({**mine.credentials, secret: mine.credentials[secret][::-1]})
        for capture in AUTHENTIC[name]:
            _assert_refused(receive(CHANNELS[name], capture.webhook, account=replace(mine, credentials=other)))


@pytest.mark.parametrize("name", OPEN)
def test_an_imitated_webhook_is_believed_and_says_what_was_said(name: str) -> None:
    said = _imitation(name)
    mine = account(name)
    received = receive(CHANNELS[name], CHANNELS[name].imitate(said, mine.credentials), account=mine)

    assert received.verdict is Verdict.READ
    (message,) = received.messages
    assert message.text == said.text
    assert message.account_id == mine.id
    assert message.received_at.ToDatetime(UTC) == NOW
    again = receive(CHANNELS[name], CHANNELS[name].imitate(said, mine.credentials), account=mine)
    assert again.messages[0].provider_message_id == message.provider_message_id
    other = receive(
        CHANNELS[name], CHANNELS[name].imitate(replace(said, message_id="2"), mine.credentials), account=mine
    )
    assert other.messages[0].provider_message_id != message.provider_message_id
    assert other.messages[0].chat_id == message.chat_id


@pytest.mark.parametrize("name", SIGNS_ALL)
def test_a_signed_webhook_replayed_at_another_url_is_refused(name: str) -> None:
    for capture in AUTHENTIC[name]:
        moved = replace(capture.webhook, url=capture.webhook.url.replace("/k3y", "/0ther"))
        _assert_refused(receive(CHANNELS[name], moved, account=account(name)))


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("name", CHANNELS)
def test_a_hostile_body_is_refused_or_unreadable_and_quickly(name: str, body: bytes) -> None:
    channel = CHANNELS[name]
    for content_type in ("application/x-www-form-urlencoded", "application/json", ""):
        headers = {**captures(name)[0].webhook.headers, "content-type": content_type}
        webhook = Webhook("POST", URL, headers, body, NOW)
        started = time.process_time()
        signed = receive(channel, webhook, account=account(name))
        behind = receive(Trusting(channel), webhook, account=account(name))
        assert time.process_time() - started < 1.0
        assert signed.answer.status in {200, 202, 400, 401, 403}
        assert behind.answer.status in {200, 202, 400, 403, 404}
        _assert_fits(signed)
        _assert_fits(behind)


@pytest.mark.parametrize("capture", READABLE)
def test_fields_that_a_provider_adds_change_nothing(capture: Capture) -> None:
    channel = Trusting(CHANNELS[capture.channel])
    plain = receive(channel, capture.webhook, account=account(capture.channel))
    extended = replace(capture.webhook, body=with_unknown_fields(capture.webhook.body))
    received = receive(channel, extended, account=account(capture.channel))

    assert received.verdict is Verdict.READ
    assert received.messages == plain.messages
    assert received.receipts == plain.receipts


@pytest.mark.parametrize("capture", READABLE)
def test_a_mutated_body_is_read_or_unreadable_and_always_fits_the_contract(capture: Capture) -> None:
    channel = Trusting(CHANNELS[capture.channel])
    for body in mutations(capture.webhook.body, seed=7, number=60):
        received = receive(channel, replace(capture.webhook, body=body), account=account(capture.channel))
        assert received.verdict in {Verdict.READ, Verdict.UNREADABLE} or received.reason == "account"
        _assert_fits(received)


@pytest.mark.parametrize("name", SIGNS_BODY)
def test_a_body_changed_behind_its_signature_is_refused(name: str) -> None:
    for capture in AUTHENTIC[name]:
        changed = replace(capture.webhook, body=capture.webhook.body + b"&Body=more")
        _assert_refused(receive(CHANNELS[name], changed, account=account(name)))


@pytest.mark.parametrize("name", CHANNELS)
def test_nothing_that_may_be_logged_shows_a_secret_or_a_text(name: str) -> None:
    mine = account(name)
    for capture in captures(name):
        received = receive(CHANNELS[name], capture.webhook, account=mine)
        shown = f"{capture.webhook!r} {mine!r} {received!r} {mine.credentials!r}"
        for secret in (spec.name for spec in CHANNELS[name].credential_fields if spec.secret):
            assert mine.credentials.get(secret, "absent") not in shown
        for message in received.messages:
            assert not message.text or message.text not in shown


def _assert_refused(received: Received) -> None:
    assert received.verdict is Verdict.REFUSED
    assert received.answer.status in {401, 403}
    assert received.answer.body == REFUSED
    assert not received.messages
    assert not received.receipts


def _assert_fits(received: Received) -> None:
    """Within every limit that the contract declares: the storage's door cannot refuse it."""
    for message in (*received.messages, *received.receipts):
        _assert_message_fits(message)


def _assert_message_fits(message: Message) -> None:
    message.SerializeToString()
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        for option, limits in field.GetOptions().ListFields():
            if option.name != "limits":
                continue
            assert not limits.max_length or not isinstance(value, str) or len(value) <= limits.max_length, field.name
            assert not limits.max_items or len(value) <= limits.max_items, field.name
            assert not limits.required or value, field.name
        if field.name == "attachments":
            for each in value:
                _assert_message_fits(each)


def _verifying(channel: Channel) -> list[str]:
    return [spec.name for spec in channel.credential_fields if spec.verifies]


def _imitation(name: str) -> Imitation:
    address = "golden-account" if name == "webchat" else account(name).address
    return Imitation(text="Grüße & 1+1=2 👋\n", sender=sender(name), address=address, url=URL, message_id="1", now=NOW)


def test_an_account_is_matched_by_address_or_id_only() -> None:
    mine = account("whatsapp")
    webhook = CHANNELS["whatsapp"].imitate(_imitation("whatsapp"), mine.credentials)
    for address in ("+14155238886", "whatsapp:+14155238886"):
        assert receive(CHANNELS["whatsapp"], webhook, account=replace(mine, address=address)).verdict is Verdict.READ
    for address in ("", "+1415523888", "+141552388860"):
        other: Account = replace(mine, address=address)
        assert receive(CHANNELS["whatsapp"], webhook, account=other).answer.status == 403
