"""Is Meta's signature what a standard says, and is its handshake answered to nobody else?"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from channels import meta_webhook
from channels.channel import Answer, BadSignature, Credentials, Imitation, Outgoing, Unauthorized, Webhook
from channels.host import receive
from channels.meta_errors import BY_CODE, BY_SUBCODE, failure
from channels.registry import CHANNELS
from tests.suites.channels.golden import account, readable, sender
from tests.suites.channels.hostile import Trusting, mutations

NOW = datetime(2026, 11, 21, tzinfo=UTC)
# https://www.rfc-editor.org/rfc/rfc4231#section-4.3
SIGNED = Webhook(
    "POST",
    "https://parley.example/webhook/whatsapp_cloud",
    {"x-hub-signature-256": "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    b"what do ya want for nothing?",
    NOW,
)
JEFE = Credentials({"app_secret": "Jefe"})
BOTH = ("whatsapp_cloud", "instagram")


@pytest.mark.parametrize("name", BOTH)
def test_a_signature_is_the_hmac_of_the_standard_over_the_raw_body(name: str) -> None:
    CHANNELS[name].authenticate(SIGNED, JEFE)
    for other in (SIGNED.body + b"\n", SIGNED.body[:-1], b""):
        with pytest.raises(BadSignature):
            CHANNELS[name].authenticate(replace(SIGNED, body=other), JEFE)


def test_a_signature_by_sha1_or_without_its_name_counts_for_nothing() -> None:
    signature = SIGNED.headers["x-hub-signature-256"]
    for headers in (
        {"x-hub-signature": signature},
        {"x-hub-signature-256": signature.removeprefix("sha256=")},
        {"x-hub-signature-256": signature.upper()},
        {"x-hub-signature-256": "sha1=" + signature.removeprefix("sha256=")},
    ):
        with pytest.raises(BadSignature):
            meta_webhook.verify(replace(SIGNED, headers=headers), JEFE)


def test_instagram_believes_both_of_its_secrets_and_no_third() -> None:
    instagram = CHANNELS["instagram"]
    instagram.authenticate(SIGNED, Credentials({"app_secret": "of the app", "app_secret_secondary": "Jefe"}))
    with pytest.raises(BadSignature):
        instagram.authenticate(SIGNED, Credentials({"app_secret": "of the app", "app_secret_secondary": "other"}))


@pytest.mark.parametrize("token", ["", "tokem", "toke", "token\u00e9", "token&hub.verify_token=token"])
def test_a_handshake_without_the_token_is_refused(token: str) -> None:
    query = f"?hub.mode=subscribe&hub.challenge=115&hub.verify_token={token}"
    asked = Webhook("GET", SIGNED.url + query, {}, b"", NOW)
    answered = meta_webhook.handshake(asked, Credentials({"verify_token": "token"}))
    assert (answered is not None) == token.startswith("token&")
    assert meta_webhook.handshake(asked, Credentials({})) is None


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        ("1795240800", 1795240800),
        (1795240800123, 1795240800.123),
        ("1795240800123", 1795240800.123),
        ("2026-11-21T06:00:00Z", 1795240800),
        ("2026-11-21T06:00:00+0000", 1795240800),
        ("", 0),
        ("soon", 0),
        ("1e9", 0),
        ("9" * 30, 0),
        ("1969-01-01T00:00:00Z", 0),
        (None, 0),
        (True, 0),
        (-1.5, 0),
        ([], 0),
    ],
)
def test_a_moment_is_read_in_whatever_way_meta_wrote_it(stated: object, seconds: float) -> None:
    assert meta_webhook.moment(stated) == seconds


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("token", ["", "two words", "line\r\nx-evil: 1", "x" * 3000, "tok\u00e9n"])
def test_an_access_token_that_is_none_never_becomes_a_header(name: str, token: str) -> None:
    outgoing = Outgoing("d-1", 0, "hello", "14155551234", "555000111222333")
    with pytest.raises(Unauthorized):
        next(CHANNELS[name].deliver(outgoing, Credentials({"app_secret": "s", "access_token": token})))


def test_the_proof_of_a_token_is_made_with_the_secret_and_shows_neither() -> None:
    outgoing = Outgoing("d-1", 0, "hello", "14155551234", "555000111222333")
    call = next(
        CHANNELS["whatsapp_cloud"].deliver(outgoing, Credentials({"app_secret": "Jefe", "access_token": "tok"}))
    )
    assert call.url.endswith("?appsecret_proof=" + meta_webhook.sign(b"tok", "Jefe").removeprefix("sha256="))
    assert "tok" not in f"{call} {call.url}"


@pytest.mark.parametrize("code", [102, 190])
def test_a_session_that_ended_pauses_the_account(code: int) -> None:
    body = json.dumps({"error": {"message": "Session has expired", "type": "OAuthException", "code": code}})
    assert isinstance(failure(Answer(400, {}, body.encode())), Unauthorized)


def test_nothing_about_one_person_pauses_the_account() -> None:
    about_a_person = [131021, 131026, 131030, 131047, 131049, 131050, 131062, 130472, 551]
    assert "unauthorized" not in {BY_CODE[code] for code in about_a_person}
    assert "unauthorized" not in BY_SUBCODE.values()


@pytest.mark.parametrize("name", BOTH)
def test_whatever_one_item_of_a_batch_is_the_others_are_taken(name: str) -> None:
    mine = account(name)
    good = [_items(json.loads(_imitated(name, each)))[0] for each in ("good-1", "good-2")]
    tried = 0
    for capture in readable(name):
        for item in _items(json.loads(capture.webhook.body)):
            for mutated in _mutated(item):
                body = json.loads(_imitated(name, "good-1"))
                _items(body)[:] = [good[0], mutated, good[1]]
                raw = json.dumps(body).encode()
                received = receive(Trusting(CHANNELS[name]), replace(capture.webhook, body=raw), account=mine)
                assert {"good-1", "good-2"} <= {each.provider_message_id for each in received.messages}, mutated
                tried += 1
    assert tried > 500


@pytest.mark.parametrize(("own", "known_by"), [("2", "1:edited:2"), ("2" * 250, "2" * 250)], ids=["short", "long"])
def test_an_edit_on_whatsapp_goes_with_its_message_where_both_ids_have_room(own: str, known_by: str) -> None:
    body = json.loads(_imitated("whatsapp_cloud", own))
    instead = {"type": "text", "text": {"body": "at ten"}}
    _items(body)[0] |= {"type": "edit", "edit": {"original_message_id": "1", "message": instead}}
    webhook = replace(SIGNED, body=json.dumps(body).encode())
    (message,) = receive(Trusting(CHANNELS["whatsapp_cloud"]), webhook, account=account("whatsapp_cloud")).messages
    assert (message.provider_message_id, message.text) == (known_by, "at ten")


def _imitated(name: str, message_id: str) -> bytes:
    mine = account(name)
    said = Imitation("hello", sender(name), mine.address, SIGNED.url, message_id, NOW)
    return CHANNELS[name].imitate(said, mine.credentials).body


def _items(body: dict[str, Any]) -> list[Any]:
    """Of the first entry: the messages, of whichever kind they are."""
    entry = body["entry"][0]
    holder = entry["changes"][0]["value"] if "changes" in entry else entry
    kinds = ("messages", "message_echoes", "statuses", "messaging", "standby")
    found: list[Any] = next((holder[kind] for kind in kinds if kind in holder), [])
    return found


def _mutated(item: object) -> Iterator[object]:
    yield from (None, 7, "text", [], {}, [[item]])
    raw = json.dumps(item).encode()
    for body in mutations(raw, seed=11, number=40) if raw.startswith(b"{") else ():
        with contextlib.suppress(ValueError):
            yield json.loads(body)
