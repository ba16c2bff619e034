"""Which setting mends a webhook that was refused? Found out without a network, for what needs a certain account."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from channels import host
from channels.channel import Credentials, Imitation, Webhook
from channels.registry import CHANNELS
from gateway.domain.accounts import Account, Accounts
from gateway.domain.inspection.arrivals import Arrival, Handled, arrived
from gateway.domain.inspection.diagnosis import Diagnosis, Finding
from gateway.domain.inspection.inspector import MOST_BYTES, MOST_KEPT, OLDEST_SECONDS, Inspector
from gateway.domain.reception import Outcome
from kit import errors
from parley.storage.v1 import directory_pb2

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SECRETS = {
    "sms": {"account_sid": "AC" + "1" * 32, "auth_token": "a" * 32},
    "slack": {"bot_token": "xoxb-1", "signing_secret": "s" * 32},
    "telegram": {"bot_token": "1:a", "webhook_secret": "w" * 32},
    "whatsapp_cloud": {"app_secret": "m" * 32, "verify_token": "v" * 9, "access_token": "t"},
}
ADDRESSES = {"sms": "+14155550100", "whatsapp_cloud": "106500000000001", "slack": "T1", "telegram": "@bot"}
HERE = "http://gateway.internal:8080"


def arrival(
    channel: str, *, known: dict[str, str], signed_at: str = "", came_at: str = HERE, **address: str
) -> Arrival:
    """One that the provider signed with its own secrets, and that met an account with those in `known`."""
    path = f"/webhook/{channel}/key"
    imitation = Imitation(
        text="hello",
        sender="14155550123",
        address=address.get("to", ADDRESSES[channel]),
        url=signed_at or came_at + path,
        message_id="SM" + "1" * 32 if channel == "sms" else "1",
        now=NOW,
    )
    webhook = CHANNELS[channel].imitate(imitation, Credentials(SECRETS[channel]))
    return met(channel, replace(webhook, url=came_at + path), known=known)


def met(channel: str, webhook: Webhook, *, known: dict[str, str]) -> Arrival:
    account = Account("default", channel, "key", host.Account("a1", ADDRESSES[channel], Credentials(known)))
    received = host.receive(CHANNELS[channel], webhook, account=account.known)
    handled = Handled(received.answer, Outcome(account, received))
    return arrived("id", webhook, channel=CHANNELS[channel], account_key="key", handled=handled)


async def found(each: Arrival, *, public: str = "") -> Finding:
    async def nobody(_channel: str, _key: str) -> Any:
        raise errors.NotFound

    async def none(_channel: str, _tenant: str) -> Sequence[directory_pb2.ChannelAccount]:
        return []

    accounts = Accounts(nobody, clock=lambda: 0.0)
    return await Diagnosis(CHANNELS, accounts, listed=none, public_base_url=public).of(each)


@pytest.mark.parametrize("around", ['"{}"', "'{}'", " {}\n", "`{}`"])
@pytest.mark.parametrize(
    ("channel", "name"), [("sms", "auth_token"), ("slack", "signing_secret"), ("whatsapp_cloud", "app_secret")]
)
async def test_a_secret_with_quotes_or_spaces_around_it_is_named(channel: str, name: str, around: str) -> None:
    known = {**SECRETS[channel], name: around.format(SECRETS[channel][name])}
    finding = await found(arrival(channel, known=known))
    assert finding.found == f"{name} has quotes or spaces around it that do not belong"
    assert f"--set {name}=@FILE" in finding.fix


@pytest.mark.parametrize("channel", sorted(SECRETS))
async def test_an_account_without_a_secret_is_told_which(channel: str) -> None:
    finding = await found(arrival(channel, known={"bot_token": "x"}))
    fields = [each.name for each in CHANNELS[channel].credential_fields if each.verifies]
    assert all(each in finding.found for each in fields)
    assert "parley channels add" in finding.fix


async def test_a_public_address_that_is_not_the_providers_is_named_with_the_one_that_is() -> None:
    public, theirs = "https://old.example.com", "https://chat.example.com"
    one = arrival("sms", known=SECRETS["sms"], signed_at=f"{theirs}/webhook/sms/key", came_at=public)
    through = {"host": "chat.example.com", "x-forwarded-proto": "https"}
    one = replace(one, webhook=replace(one.webhook, headers={**one.webhook.headers, **through}))
    finding = await found(one, public=public)
    assert finding.found == f"computed over {public}/webhook/sms/key, and Twilio signed {theirs}/webhook/sms/key"
    assert finding.fix == f"set PUBLIC_BASE_URL={theirs} (it is {public} now)"


@pytest.mark.parametrize(("channel", "named"), [("sms", True), ("slack", False), ("whatsapp_cloud", False)])
async def test_an_address_that_nothing_hints_at_is_thought_of_where_the_url_is_signed(
    channel: str, named: bool
) -> None:
    unknown = f"https://tunnel.example.net/webhook/{channel}/key"
    other = {**SECRETS[channel], **({} if named else {"signing_secret": "o" * 32, "app_secret": "o" * 32})}
    finding = await found(arrival(channel, known=other, signed_at=unknown))
    assert ("PUBLIC_BASE_URL" in finding.fix) is named
    assert "the secret is another" in finding.found
    assert "parley channels add" in finding.fix


async def test_what_is_for_another_number_says_for_which_and_not_the_whole_of_it() -> None:
    finding = await found(arrival("whatsapp_cloud", known=SECRETS["whatsapp_cloud"], to="106500000000999"))
    assert finding.found == "well signed, and for the account …0999, where the URL's is …0001"


async def test_what_nobody_can_read_is_said_to_be_kept() -> None:
    body = b'{"update_id": "none"}'
    headers = {"x-telegram-bot-api-secret-token": SECRETS["telegram"]["webhook_secret"]}
    one = met("telegram", Webhook("POST", HERE, headers, body, NOW), known=SECRETS["telegram"])
    assert (one.result, one.is_believed) == ("unreadable", True)
    assert "kept as it came" in (await found(one)).found


def test_strangers_cannot_push_out_what_was_believed() -> None:
    inspector = Inspector(clock=lambda: 0.0)
    good = inspector.keep(arrival("telegram", known=SECRETS["telegram"]))
    for _ in range(MOST_KEPT + 50):
        inspector.keep(arrival("telegram", known={**SECRETS["telegram"], "webhook_secret": "other"}))
    kept = inspector.after(0)
    assert kept[0].number == good.number
    assert len(kept) == MOST_KEPT + 1


def test_what_is_kept_is_bounded_in_bytes_and_in_age() -> None:
    now = [0.0]
    inspector = Inspector(clock=lambda: now[0])
    big = arrival("telegram", known=SECRETS["telegram"])
    big = replace(big, webhook=replace(big.webhook, body=b"x" * 200_000))
    for _ in range(100):
        inspector.keep(big)
    assert sum(each.weight for each in inspector.after(0)) <= MOST_BYTES
    now[0] = OLDEST_SECONDS
    assert inspector.after(0) == []
    assert inspector.find("id") is None
