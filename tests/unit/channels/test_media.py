"""Does each channel find its files, and ask nobody else for them with its credentials?"""

import orjson
import pytest

from channels.channel import Answer, Call, Credentials, Rejected, Throttled, Unauthorized, Unavailable
from channels.media import Download, Gone, Keeps, Wanted, is_of
from channels.registry import CHANNELS
from parley.chat.v1.message_pb2 import Attachment

KNOWN = {
    "account_sid": "AC" + "1" * 32,
    "auth_token": "twilio-token",
    "bot_token": "123:telegram",
    "access_token": "EAAmeta",
    "app_secret": "meta-secret",
}
URL = "https://files.example/1"


def find(name: str, attachment: Attachment, *answers: Answer, **more: str) -> tuple[list[Call], Download]:
    channel, credentials = CHANNELS[name], {**KNOWN, **more}
    assert isinstance(channel, Keeps)
    finding = channel.fetch(Wanted(attachment, "106540352242922"), Credentials(credentials))
    calls: list[Call] = []
    given = iter(answers)
    try:
        calls.append(next(finding))
        while True:
            calls.append(finding.send(next(given)))
    except StopIteration as done:
        found: Download = done.value
        return calls, found


def answer(content: object, status: int = 200) -> Answer:
    return Answer(status, {}, orjson.dumps(content))


def test_the_channels_of_providers_keep_files_and_our_own_do_not() -> None:
    assert {name for name, channel in CHANNELS.items() if isinstance(channel, Keeps)} >= {
        *("whatsapp", "sms", "telegram", "slack", "discord", "instagram", "whatsapp_cloud")
    }
    assert not isinstance(CHANNELS["webchat"], Keeps)
    assert not isinstance(CHANNELS["api"], Keeps)


@pytest.mark.parametrize("name", ["whatsapp", "sms"])
def test_twilio_s_url_is_read_with_the_account_s_password_at_twilio_only(name: str) -> None:
    calls, found = find(name, Attachment(url=URL))
    assert (calls, found.url, found.hosts) == ([], URL, (".twilio.com",))
    assert found.headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize("name", ["discord", "instagram"])
def test_a_signed_url_is_read_as_it_is(name: str) -> None:
    calls, found = find(name, Attachment(url=URL))
    assert (calls, found.url, dict(found.headers)) == ([], URL, {})


def test_telegram_s_id_becomes_a_path() -> None:
    calls, found = find(
        "telegram", Attachment(provider_file_id="f1"), answer({"ok": True, "result": {"file_path": "photos/1.jpg"}})
    )
    assert orjson.loads(calls[0].body) == {"file_id": "f1"}
    assert found.url == "https://api.telegram.org/file/bot123:telegram/photos/1.jpg"
    assert "telegram" not in repr(found).replace("api.telegram.org", "")


@pytest.mark.parametrize("path", ["", "../secret", "a b", "photos/1.jpg?x", "//evil.test/1", "a\\b", "\u00fc"])
def test_a_path_of_telegram_s_that_is_none_is_not_followed(path: str) -> None:
    if path.startswith("//"):  # below the token's folder all the same
        _, found = find(
            "telegram", Attachment(provider_file_id="f"), answer({"ok": True, "result": {"file_path": path}})
        )
        assert found.url.startswith("https://api.telegram.org/file/bot123:telegram/")
        return
    with pytest.raises(Gone, match="no_reference"):
        find("telegram", Attachment(provider_file_id="f"), answer({"ok": True, "result": {"file_path": path}}))


def test_telegram_s_limit_is_told_from_other_refusals() -> None:
    refusal = {"ok": False, "error_code": 400, "description": "Bad Request: file is too big"}
    with pytest.raises(Gone, match="too_large"):
        find("telegram", Attachment(provider_file_id="f"), answer(refusal, 400))
    with pytest.raises(Rejected):
        find("telegram", Attachment(provider_file_id="f"), answer({**refusal, "description": "invalid file_id"}, 400))
    with pytest.raises(Throttled):
        find("telegram", Attachment(provider_file_id="f"), answer({"ok": False, "error_code": 429}, 429))


def test_slack_s_url_is_read_with_the_bot_s_token_and_asked_for_where_the_event_has_none() -> None:
    token = {"bot_token": "xoxb-1"}
    calls, found = find("slack", Attachment(url=URL, provider_file_id="F1"), **token)
    assert (calls, found.url, found.headers) == ([], URL, {"authorization": "Bearer xoxb-1"})
    told = answer({"ok": True, "file": {"url_private": URL}})
    calls, found = find("slack", Attachment(provider_file_id="F1"), told, **token)
    assert (calls[0].url, found.url, found.hosts) == (
        "https://slack.com/api/files.info?file=F1",
        URL,
        ("files.slack.com",),
    )
    with pytest.raises(Gone, match="no_reference"):
        find("slack", Attachment(provider_file_id="F1&x=/"), **token)
    with pytest.raises(Unauthorized):
        find("slack", Attachment(provider_file_id="F1"), answer({"ok": False, "error": "invalid_auth"}), **token)


def test_whatsapp_s_id_becomes_a_url_of_five_minutes() -> None:
    told = answer({"url": URL, "sha256": "a" * 64, "mime_type": "image/jpeg"})
    calls, found = find("whatsapp_cloud", Attachment(provider_file_id="777"), told)
    assert calls[0].url.startswith("https://graph.facebook.com/v23.0/777?appsecret_proof=")
    assert (found.url, found.sha256, found.headers) == (URL, "a" * 64, {"authorization": "Bearer EAAmeta"})
    with pytest.raises(Gone, match="no_reference"):
        find("whatsapp_cloud", Attachment(provider_file_id="../me"))
    with pytest.raises(Unavailable):
        find("whatsapp_cloud", Attachment(provider_file_id="777"), answer({"error": {"code": 2}}, 500))


@pytest.mark.parametrize(
    ("host", "is_it"),
    [
        ("api.twilio.com", True),
        ("API.Twilio.COM.", True),
        ("twilio.com", False),
        ("eviltwilio.com", False),
        ("twilio.com.evil.test", False),
        ("files.slack.com", True),
        ("x.files.slack.com", False),
        ("", False),
    ],
)
def test_hosts_are_compared_whole(host: str, *, is_it: bool) -> None:
    assert is_of(host, (".twilio.com", "files.slack.com")) is is_it
