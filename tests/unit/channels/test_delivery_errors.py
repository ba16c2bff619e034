"""Do errors and values that may be logged keep what they must not say, and are waits kept in bounds?"""

from dataclasses import replace
from datetime import timedelta

import pytest

from channels.channel import Answer, Call, Credentials, DeliveryError, Outgoing, Rejected, Unauthorized, Unknown
from channels.failures import retry_after
from channels.registry import CHANNELS

TOKEN = "123:" + "A" * 35
BOT = Credentials({"bot_token": TOKEN, "webhook_secret": "s"})
OUTGOING = Outgoing("d-1", 0, "my secret text", "42424242", "4711")


def test_no_repr_shows_a_token_a_text_or_a_number() -> None:
    call = next(CHANNELS["telegram"].deliver(OUTGOING, BOT))
    answer = Answer(400, {}, b"my secret text " + TOKEN.encode())
    for value in (call, answer, OUTGOING, BOT):
        assert TOKEN not in f"{value!r} {value}"
        assert "secret text" not in f"{value!r} {value}"
    assert "api.telegram.org" in str(call)


def test_userinfo_of_a_proxy_url_is_not_shown() -> None:
    assert "pass" not in repr(Call("POST", "https://user:pass@proxy.example/x", {}, b"", 1.0))


@pytest.mark.parametrize(
    "body",
    [
        b'{"ok":false,"error_code":400,"description":"Bad Request: my secret text is too long 123:AAA"}',
        b'{"ok":false,"error_code":"x' + b"y" * 500 + b'"}',
        b'{"ok":false,"error_code":99999999999999999999,"description":{}}',
        b'{"ok":true,"result":{"message_id":true}}',
        b"[" * 100_000,
        b'{"\\ud800":' * 100_000,
        b"\xff",
        b"",
    ],
)
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 599])
@pytest.mark.parametrize("name", ["telegram", "whatsapp", "sms", "whatsapp_cloud", "instagram"])
def test_any_answer_becomes_a_delivery_error_that_quotes_nothing(name: str, status: int, body: bytes) -> None:
    credentials = Credentials({**BOT, "account_sid": "AC1", "auth_token": "t", "access_token": TOKEN})
    flow = CHANNELS[name].deliver(OUTGOING, credentials)
    next(flow)
    with pytest.raises(DeliveryError) as raised:
        flow.send(Answer(status, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, body))
    shown = f"{raised.value!r} {raised.value} {raised.value.provider_code}"
    assert "secret" not in shown
    assert TOKEN not in shown
    assert len(raised.value.provider_code) <= 64


@pytest.mark.parametrize("token", ["", "no-token", "123:abc/../../x", "123:abc\n", "123:abc?x"])
def test_a_bot_token_that_is_none_never_becomes_a_url(token: str) -> None:
    with pytest.raises(Unauthorized):
        next(CHANNELS["telegram"].deliver(OUTGOING, Credentials({"bot_token": token})))


@pytest.mark.parametrize("chat_id", ["", "x", "1/2", "1:2:3", "9" * 30, "42\n", "-"])
def test_a_chat_id_that_is_none_is_rejected_before_a_call(chat_id: str) -> None:
    with pytest.raises(Rejected) as raised:
        next(CHANNELS["telegram"].deliver(Outgoing("d", 0, "x", chat_id, "bot"), BOT))
    assert raised.value.kind == "recipient"


@pytest.mark.parametrize("name", ["whatsapp", "sms", "whatsapp_cloud", "instagram"])
def test_an_account_without_credentials_pauses_before_a_call(name: str) -> None:
    with pytest.raises(Unauthorized):
        next(CHANNELS[name].deliver(OUTGOING, Credentials({})))


@pytest.mark.parametrize(
    ("stated", "header", "seconds"),
    [
        (7, None, 7),
        (0, "9", 0),
        (0.25, None, 0.25),
        (None, "3", 3),
        (None, "1.5", 1.5),
        (10**9, None, 3600),
        (10**400, "4", 4),
        (-1, None, None),
        (True, None, None),
        (float("nan"), None, None),
        (None, "soon", None),
        (None, "inf", 3600),
        ([], None, None),
    ],
)
def test_how_long_to_wait_is_what_the_provider_says_within_an_hour(
    stated: object, header: str | None, seconds: float | None
) -> None:
    answer = Answer(429, {"retry-after": header} if header else {}, b"")
    assert retry_after(answer, stated) == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("moment", "said_at", "seconds"),
    [
        ("Wed, 21 Oct 2026 07:28:30 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 30),
        ("Wed, 21 Oct 2026 07:27:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 3600),
        ("Wednesday, 21-Oct-26 07:28:30 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 30),
        ("Wed, 21 Oct 2026 07:28:30 GMT", "", None),
        ("Wed, 21 Oct 2026 07:28:30 GMT", "today", None),
        ("Wed, 21 Oct 2026 07:28:30 GMT", "Wed, 21 Oct 2026 07:28:00", None),
        ("Wed, 99 Xxx 2026 07:28:30 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_a_moment_to_come_again_is_seen_from_the_clock_of_who_names_it(
    moment: str, said_at: str, seconds: int | None
) -> None:
    answer = Answer(503, {"retry-after": moment, "date": said_at}, b"")
    assert retry_after(answer) == (None if seconds is None else timedelta(seconds=seconds))


def test_a_pressed_button_that_cannot_be_answered_keeps_no_reply_back() -> None:
    flow = CHANNELS["telegram"].deliver(replace(OUTGOING, reply_to="callback:4382"), BOT)
    assert next(flow).url.endswith("/answerCallbackQuery")
    assert flow.throw(Unknown()).url.endswith("/sendMessage")
    second = CHANNELS["telegram"].deliver(replace(OUTGOING, part=1, reply_to="callback:4382"), BOT)
    assert next(second).url.endswith("/sendMessage")
