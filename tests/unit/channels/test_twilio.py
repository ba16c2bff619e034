"""Do we sign, verify and call as Twilio's own library does, and stand where it falls?"""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from channels import forms, templates, twilio_receipts
from channels.channel import Answer, BadSignature, Credentials, Imitation, Outgoing, Webhook
from channels.payload import Form
from channels.registry import CHANNELS
from channels.twilio_api import TwilioChannel
from channels.twilio_errors import BY_CODE, failure, is_window
from channels.twilio_signature import HEADER, verify

TOKEN = "12345678901234567890123456789012"
CREDENTIALS = Credentials({"account_sid": "AC1", "auth_token": TOKEN})
NOW = datetime(2026, 11, 21, tzinfo=UTC)
FORM = "application/x-www-form-urlencoded"
URLS = (
    "https://parley.example/webhook/sms/k3y",
    "https://parley.example:8443/webhook/sms/k3y?a=%20b&c",
    "http://127.0.0.1:8080/webhook/sms/k3y?",
    "https://user:pass@parley.example:8443/x",
    "https://[::1]:8443/x",
)


def signed(url: str, body: bytes, signed_url: str | None = None, content_type: str = FORM) -> Webhook:
    """A webhook whose signature was made by Twilio's library."""
    fields = dict(parse_qsl(body.decode(), keep_blank_values=True)) if content_type == FORM else {}
    signature = RequestValidator(TOKEN).compute_signature(signed_url or url, fields)
    return Webhook("POST", url, {HEADER: signature, "content-type": content_type}, body, NOW)


@pytest.mark.parametrize("name", ["sms", "whatsapp"])
def test_twilios_validator_accepts_what_we_imitate(name: str) -> None:
    imitation = Imitation("Grüße & 1+1=2 👋", "+14155551234", "+14155238886", URLS[0], "m-1", NOW)
    webhook = CHANNELS[name].imitate(imitation, CREDENTIALS)
    fields = dict(parse_qsl(webhook.body.decode(), keep_blank_values=True, strict_parsing=True))

    assert RequestValidator(TOKEN).validate(webhook.url, fields, webhook.headers[HEADER])
    assert fields["Body"] == imitation.text


@pytest.mark.parametrize(
    ("caller", "signature"),
    [("+12349013030", "0/KCTR6DLpKmkAf8muzZqo1nDgQ="), ("+14158675309", "RSOYDt4T1cUTdK1PDd93/VVr8B8=")],
)
def test_the_examples_that_twilio_documents_are_believed_and_no_neighbour_of_them(caller: str, signature: str) -> None:
    """https://www.twilio.com/docs/usage/security#validating-requests, and the tests of Twilio's own libraries."""
    fields = {"CallSid": "CA1234567890ABCDE", "Caller": caller, "Digits": "1234", "From": caller, "To": "+18005551212"}
    body, documented = urlencode(fields).encode(), Credentials({"auth_token": "12345"})
    webhook = Webhook(
        "POST",
        "https://mycompany.com/myapp.php?foo=1&bar=2",
        {HEADER: signature, "content-type": FORM},
        body,
        NOW,
    )
    verify(webhook, documented)
    for other in (replace(webhook, body=body + b"&Digits=5"), replace(webhook, url=webhook.url[:-1])):
        with pytest.raises(BadSignature):
            verify(other, documented)


@pytest.mark.parametrize("url", URLS)
def test_the_url_is_taken_exactly_as_it_was_requested(url: str) -> None:
    verify(signed(url, b"Body=&From=%2B1&From=%2B1"), CREDENTIALS)


@pytest.mark.parametrize(
    ("requested", "signed_as"),
    [
        ("https://parley.example:8443/x?y", "https://parley.example/x?y"),
        ("https://parley.example/x?y", "https://parley.example:443/x?y"),
        ("http://parley.example/x", "http://parley.example:80/x"),
        ("https://user:pass@parley.example:8443/x", "https://user:pass@parley.example/x"),
        ("https://[::1]:8443/x", "https://[::1]/x"),
    ],
)
def test_both_port_forms_are_accepted(requested: str, signed_as: str) -> None:
    verify(signed(requested, b"Body=x", signed_as), CREDENTIALS)


@pytest.mark.parametrize(
    "signed_as",
    ["https://parley.example/x?Y", "https://parley.example/x", "https://evil.example/x?y", "http://parley.example/x?y"],
)
def test_another_url_is_refused(signed_as: str) -> None:
    with pytest.raises(BadSignature):
        verify(signed("https://parley.example/x?y", b"Body=x", signed_as), CREDENTIALS)


def test_a_body_that_is_no_form_is_believed_by_its_hash_in_the_url_only() -> None:
    body = b'{"a": 1}'
    url = f"https://parley.example/x?bodySHA256={sha256(body).hexdigest()}"
    verify(signed(url, body, content_type="application/json"), CREDENTIALS)
    with pytest.raises(BadSignature):
        verify(signed("https://parley.example/x", body, content_type="application/json"), CREDENTIALS)
    other = Webhook("POST", url, signed(url, body, content_type="application/json").headers, b'{"a": 2}', NOW)
    with pytest.raises(BadSignature):
        verify(other, CREDENTIALS)


def test_the_secondary_token_is_accepted_while_tokens_are_rotated() -> None:
    rotated = Credentials({"account_sid": "AC1", "auth_token": "new" * 11, "auth_token_secondary": TOKEN})
    verify(signed(URLS[0], b"Body=x"), rotated)
    with pytest.raises(BadSignature):
        verify(signed(URLS[0], b"Body=x"), Credentials({"auth_token": "new" * 11}))


class Recorder:
    """Twilio's library talks to this instead of the network."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}

    def request(self, method: str, url: str, **given: Any) -> Response:
        """Keeps the request, and says that the message was taken."""
        self.seen = {"method": method, "url": url, **given}
        return Response(201, '{"sid": "SM1"}')


def _our_call(channel: TwilioChannel, options: Mapping[str, str]) -> tuple[str, dict[str, str], str]:
    outgoing = Outgoing(
        "d-1", 0, "Grüße 👋", "+14155551234", "+14155238886", status_url="https://p.example/s", options=options
    )
    call = next(channel.deliver(outgoing, CREDENTIALS))
    user = b64decode(call.headers["authorization"].removeprefix("Basic ")).decode()
    return call.url, dict(parse_qsl(call.body.decode())), user


@pytest.mark.parametrize(("name", "prefix"), [("sms", ""), ("whatsapp", "whatsapp:")])
def test_our_call_has_the_form_fields_that_twilios_library_sends(name: str, prefix: str) -> None:
    recorder = Recorder()
    Client("AC1", TOKEN, http_client=recorder).messages.create(
        to=f"{prefix}+14155551234",
        from_=f"{prefix}+14155238886",
        body="Grüße 👋",
        validity_period=600,
        status_callback="https://p.example/s?mid=d-1.0",
    )
    channel = CHANNELS[name]
    assert isinstance(channel, TwilioChannel)
    url, fields, user = _our_call(channel, {})

    assert url == recorder.seen["url"]
    assert fields == {field: str(value) for field, value in recorder.seen["data"].items()}
    assert user == ":".join(recorder.seen["auth"])


@pytest.mark.parametrize("code", BY_CODE)
def test_every_code_of_the_table_makes_an_error_that_names_it_and_nothing_else(code: int) -> None:
    body = b'{"code": %d, "message": "To +14155551234 is not valid", "status": 400}' % code
    error = failure(Answer(400, {}, body))
    assert error.provider_code == str(code)
    assert "+1415" not in str(error)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("one\r\n\r\ntwo\tthree     four", "one two three four"),
        (" \n", "-"),
        ("\x00", "-"),
        ("a" * 1024, "a" * 1024),
        ("a" * 1025, "a" * 1023 + "…"),
        ("😀" * 513, "😀" * 511 + "…"),
        ("Sure. " + "word " * 400, "Sure. " + "word " * 202 + "word…"),
    ],
)
def test_the_value_of_a_templates_variable_is_one_line_that_twilio_takes(text: str, value: str) -> None:
    """https://www.twilio.com/docs/api/errors/21656 and /63021"""
    cut = templates.value(text)
    assert cut == value
    assert len(cut.encode("utf-16-le")) <= 2 * 1024


@pytest.mark.parametrize(("code", "closed"), [("63016", True), ("63003", False), ("", False), ("٦٣", False)])
def test_only_the_code_of_the_window_says_that_it_is_closed(code: str, closed: bool) -> None:
    assert is_window(code) is closed


@pytest.mark.parametrize(
    ("status", "code", "out"),
    [("failed", "21610", True), ("undelivered", "21610", True), ("sent", "21610", False), ("failed", "30003", False)],
)
def test_a_status_callback_says_that_the_person_has_opted_out(status: str, code: str, out: bool) -> None:
    form = Form({"MessageSid": ["SM1"], "ErrorCode": [code]})
    told = twilio_receipts.receipt(form, "https://p.example/s?mid=d-1.2", status=status)
    assert told is not None
    assert (told.opted_out, told.delivery_id, told.part) == (out, "d-1", 2)


def test_whatsapp_has_a_window_and_text_messages_have_none() -> None:
    assert (CHANNELS["whatsapp"].window, CHANNELS["sms"].window) == (timedelta(hours=24), None)


@pytest.mark.parametrize("said", ["re: 1 + 1 = 2 & more", "100 % ~*()!'", "é €\n😀 \x00", ""])
def test_a_form_is_written_as_everybody_writes_it(said: str) -> None:
    fields = {"To": "whatsapp:+15550000001", "Body": said}
    assert forms.written(fields) == urlencode(fields).encode()
