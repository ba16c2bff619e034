"""Is only Discord believed, does nothing leave with a token that is none, and when can it be imitated?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from channels.channel import (
    Answer,
    BadSignature,
    Credentials,
    DeliveryError,
    Flow,
    Imitation,
    Outgoing,
    Rejected,
    Stale,
    Unauthorized,
    Webhook,
)
from channels.discord import SIGNATURE, TIMESTAMP, Discord
from channels.host import Verdict
from channels.registry import CHANNELS
from kit.command.screen import Mistake
from kit.command.send import Saying, run
from tests.simulated.discord import BOT_TOKEN, PRIVATE_KEY, PUBLIC_KEY
from tests.suites.channels.golden import account, captures

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
CREDENTIALS = Credentials({"bot_token": BOT_TOKEN, "public_key": PUBLIC_KEY, "test_private_key": PRIVATE_KEY})
URL = "https://parley.example/webhook/discord"
TOKEN = "secret-interaction-token"
REPLY = Outgoing(
    delivery_id="d-1",
    part=0,
    text="my secret text",
    chat_id="42",
    address="discord",
    reply_metadata={"reply": "followup", "application_id": "1", "interaction_token": TOKEN},
)


def _webhook(text: str = "hello", now: datetime = NOW) -> Webhook:
    return Discord().imitate(Imitation(text, "4711", "discord", URL, "m-1", now), CREDENTIALS)


def test_a_signature_covers_the_time_and_every_byte() -> None:
    genuine = _webhook()
    Discord().authenticate(genuine, CREDENTIALS)
    later = {**genuine.headers, TIMESTAMP: str(int(NOW.timestamp()) + 1)}
    for forged in (replace(genuine, body=genuine.body + b" "), replace(genuine, headers=later)):
        with pytest.raises(BadSignature):
            Discord().authenticate(forged, CREDENTIALS)


@pytest.mark.parametrize("seconds", [-301, 301, 10**6])
def test_a_signature_of_another_time_is_stale(seconds: int) -> None:
    with pytest.raises(Stale):
        Discord().authenticate(replace(_webhook(now=NOW + timedelta(seconds=seconds)), received_at=NOW), CREDENTIALS)


@pytest.mark.parametrize(
    "key", ["", " ", "00" * 31, "00" * 33, "zz" * 32, "\u0660" * 64, "ff" * 32, PUBLIC_KEY[::-1], PUBLIC_KEY[:-1]]
)
def test_a_public_key_that_is_none_or_anothers_believes_nobody(key: str) -> None:
    with pytest.raises(BadSignature):
        Discord().authenticate(_webhook(), Credentials({"public_key": key}))


@pytest.mark.parametrize("stated", ["", "0", "-1", "1e9", "inf", "1795240800.0", "9" * 13, "\u00b2", " 1795240800"])
def test_a_time_that_is_none_is_refused_without_a_fault(stated: str) -> None:
    genuine = _webhook()
    with pytest.raises(BadSignature):
        Discord().authenticate(replace(genuine, headers={**genuine.headers, TIMESTAMP: stated}), CREDENTIALS)


@pytest.mark.parametrize("stated", ["", "00" * 64, "00" * 63, "zz" * 64, "\u00e9" * 128, "a" * 10**6])
def test_a_signature_that_is_none_is_refused_without_a_fault(stated: str) -> None:
    genuine = _webhook()
    with pytest.raises(BadSignature):
        Discord().authenticate(replace(genuine, headers={**genuine.headers, SIGNATURE: stated}), CREDENTIALS)


def test_an_imitation_is_signed_as_the_documentation_says() -> None:
    webhook = _webhook()
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(PUBLIC_KEY))
    public.verify(bytes.fromhex(webhook.headers[SIGNATURE]), webhook.headers[TIMESTAMP].encode() + webhook.body)


@pytest.mark.parametrize(
    ("key", "said"),
    [("", "only Discord can sign"), ("x", "only Discord can sign"), ("03" * 32, "not the private half")],
)
def test_nobody_can_play_discord_with_the_key_of_a_real_application(key: str, said: str) -> None:
    credentials = Credentials({"public_key": PUBLIC_KEY, "test_private_key": key})
    with pytest.raises(ValueError, match=said):
        Discord().imitate(Imitation("hello", "1", "discord", URL, "m-1", NOW), credentials)


async def test_parley_send_says_why_it_cannot_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_BOT_TOKEN", BOT_TOKEN)
    monkeypatch.setenv("DISCORD_PUBLIC_KEY", PUBLIC_KEY)
    monkeypatch.delenv("DISCORD_TEST_PRIVATE_KEY", raising=False)
    with pytest.raises(Mistake, match="only Discord can sign") as caught:
        await run(Saying("discord", "hello"), url="http://127.0.0.1:9", repeat=1)
    assert "docs/channels/discord.md" in caught.value.fix


def test_every_golden_interaction_that_is_read_is_answered_with_json_or_with_nothing() -> None:
    for capture in captures("discord"):
        if capture.expect["verdict"] == Verdict.READ.value:
            decoded = CHANNELS["discord"].decode(capture.webhook)
            assert decoded.answer.content_type == "application/json"
            assert (decoded.answer.status == 200) == bool(decoded.answer.body)


def test_the_token_of_an_interaction_is_in_no_repr() -> None:
    capture = next(each for each in captures("discord") if each.name == "chat")
    decoded = CHANNELS["discord"].decode(capture.webhook)
    token = decoded.messages[0].metadata["interaction_token"]
    call = next(CHANNELS["discord"].deliver(REPLY, CREDENTIALS))
    shown = f"{capture.webhook!r} {decoded!r} {REPLY!r} {call!r} {call} {account('discord')!r}"
    assert TOKEN in call.url
    for secret in (token, TOKEN, REPLY.text, BOT_TOKEN):
        assert secret not in shown


@pytest.mark.parametrize(
    "body",
    [
        b'{"message":"my secret text secret-interaction-token","code":50035}',
        b'{"message":{},"code":"x"}',
        b'{"code":99999999999999999999}',
        b'{"id":true}',
        b'{"id":"../1"}',
        b"[" * 100_000,
        b"\xff",
        b"",
    ],
)
@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 408, 429, 500, 502, 503, 599])
@pytest.mark.parametrize("metadata", [{}, REPLY.reply_metadata, {**REPLY.reply_metadata, "reply": "edit"}])
def test_any_answer_ends_in_a_delivery_error_that_quotes_nothing(
    metadata: dict[str, str], status: int, body: bytes
) -> None:
    flow = CHANNELS["discord"].deliver(replace(REPLY, reply_metadata=metadata), CREDENTIALS)
    with pytest.raises(DeliveryError) as raised:
        _run(flow, Answer(status, {}, body))
    shown = f"{raised.value!r} {raised.value} {raised.value.provider_code}"
    assert "secret" not in shown
    assert BOT_TOKEN not in shown
    assert len(raised.value.provider_code) <= 64


@pytest.mark.parametrize("token", ["", "Bot x", "a b", "a\r\nx: y", "a/b", "\u00e9"])
def test_a_bot_token_that_is_none_never_becomes_a_header(token: str) -> None:
    with pytest.raises(Unauthorized):
        next(CHANNELS["discord"].deliver(REPLY, Credentials({"bot_token": token})))


@pytest.mark.parametrize("chat_id", ["", "x", "1/2", "@me", "9" * 30, "42\n", "-1", "0"])
def test_a_channel_id_that_is_none_is_rejected_before_a_call(chat_id: str) -> None:
    with pytest.raises(Rejected):
        next(CHANNELS["discord"].deliver(replace(REPLY, chat_id=chat_id), CREDENTIALS))


@pytest.mark.parametrize("application", ["", "x", "../1", "1/2"])
def test_an_application_id_that_is_none_never_becomes_a_url(application: str) -> None:
    outgoing = replace(REPLY, reply_metadata={**REPLY.reply_metadata, "application_id": application})
    assert next(CHANNELS["discord"].deliver(outgoing, CREDENTIALS)).url.endswith("/channels/42/messages")


def test_the_bot_token_is_shown_to_channels_only() -> None:
    by_interaction = next(CHANNELS["discord"].deliver(REPLY, CREDENTIALS))
    by_channel = next(CHANNELS["discord"].deliver(replace(REPLY, reply_metadata={}), CREDENTIALS))
    assert "authorization" not in by_interaction.headers
    assert by_channel.headers["authorization"] == f"Bot {BOT_TOKEN}"


def _run(flow: Flow, answer: Answer) -> None:
    """The same answer to each call."""
    next(flow)
    for _ in range(6):
        flow.send(answer)
