"""Does `parley send` post what the provider would, signed so that the provider's own validator accepts it?"""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from twilio.request_validator import RequestValidator

from channels.channel import Credentials, Webhook
from channels.host import Account, receive
from channels.registry import CHANNELS
from kit.command.screen import Mistake
from kit.command.send import Saying, run

TOKEN = "a-token-of-this-test"


class Seen(BaseHTTPRequestHandler):
    """Keeps what was posted, and answers as it is told."""

    posts: list[tuple[str, dict[str, str], str]]
    status = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.posts.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def gateway() -> Iterator[tuple[str, type[Seen]]]:
    handler = type("Handler", (Seen,), {"posts": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC" + "1" * 32)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", TOKEN)
    monkeypatch.setenv("TWILIO_WHATSAPP_NUMBER", "whatsapp:+14155238886")
    monkeypatch.delenv("PUBLIC_BASE_URL", raising=False)


async def test_a_sent_webhook_is_accepted_by_twilios_own_validator(gateway: tuple[str, type[Seen]]) -> None:
    url, seen = gateway
    assert await run(Saying("whatsapp", "hello there"), url=url, repeat=1) == 0
    [(path, headers, body)] = seen.posts
    fields = dict(parse_qsl(body, keep_blank_values=True))
    assert path == "/webhook/whatsapp"
    assert fields["Body"] == "hello there"
    assert fields["To"] == "whatsapp:+14155238886"
    assert RequestValidator(TOKEN).validate(url + path, fields, headers["x-twilio-signature"])


async def test_the_public_address_is_what_gets_signed(
    gateway: tuple[str, type[Seen]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, seen = gateway
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://chat.example.com")
    await run(Saying("whatsapp", "hello", account_key="k1"), url=url, repeat=1)
    [(path, headers, body)] = seen.posts
    signed = "https://chat.example.com/webhook/whatsapp/k1"
    assert path == "/webhook/whatsapp/k1"
    assert RequestValidator(TOKEN).validate(signed, dict(parse_qsl(body)), headers["x-twilio-signature"])


@pytest.mark.parametrize("channel", ["whatsapp_cloud", "instagram"])
async def test_a_webhook_of_metas_is_one_that_the_channel_believes_and_reads(
    gateway: tuple[str, type[Seen]], monkeypatch: pytest.MonkeyPatch, channel: str
) -> None:
    spec = CHANNELS[channel]
    for name in (each.environment for each in spec.credential_fields):
        monkeypatch.setenv(name, TOKEN)
    monkeypatch.setenv(spec.address_environment, "555000111222333")
    url, seen = gateway
    assert await run(Saying(channel, "hello there"), url=url, repeat=1) == 0
    [(path, headers, body)] = seen.posts
    assert path == f"/webhook/{channel}"
    webhook = Webhook("POST", url + path, headers, body.encode(), datetime.now(UTC))
    mine = Account("a-1", "555000111222333", Credentials({"app_secret": TOKEN}))
    (message,) = receive(CHANNELS[channel], webhook, account=mine).messages
    assert (message.text, message.chat_id) == ("hello there", "15550001234")


async def test_a_repeated_webhook_is_the_same_one(gateway: tuple[str, type[Seen]]) -> None:
    url, seen = gateway
    await run(Saying("whatsapp", "hello"), url=url, repeat=3)
    assert len(seen.posts) == 3
    assert len({body for _, _, body in seen.posts}) == 1


async def test_a_refusal_ends_with_one_and_says_what_to_do(
    gateway: tuple[str, type[Seen]], capsys: pytest.CaptureFixture[str]
) -> None:
    url, seen = gateway
    seen.status = 401
    assert await run(Saying("whatsapp", "hello"), url=url, repeat=1) == 1
    shown = capsys.readouterr().out
    assert "401" in shown
    assert "fix: " in shown


async def test_no_gateway_is_a_mistake_with_a_fix() -> None:
    with pytest.raises(Mistake, match="no gateway answers") as caught:
        await run(Saying("whatsapp", "hello"), url="http://127.0.0.1:9", repeat=1)
    assert "parley up" in caught.value.fix
