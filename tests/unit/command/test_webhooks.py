"""What is said of a channel that nobody knows how to ask, and of addresses that no provider can reach?"""

import asyncio

import pytest

from channels.channel import Credentials
from channels.registry import CHANNELS
from channels.setup import Candidate
from kit.command.findings import Level
from kit.command.webhooks import Provider, Surroundings, path
from parley.storage.v1.directory_pb2 import ChannelAccount

CANDIDATE = Candidate(address="1", credentials=Credentials({}), webhook_path="/webhook/telegram/k3y")


def test_a_channel_without_a_setup_cannot_be_checked_and_works_all_the_same() -> None:
    provider = Provider(CHANNELS["telegram"], None, CANDIDATE, {})
    (finding,) = provider.said(asyncio.run(provider.known()))
    assert (finding.level, finding.found) == (
        Level.LOOK,
        "telegram cannot be checked: Parley does not know how to ask",
    )
    assert "docs/channels/telegram.md" in finding.fix
    assert asyncio.run(provider.inspect()) == []
    assert asyncio.run(provider.register()) is False
    assert asyncio.run(provider.unregister()) is None
    assert provider.clicks() == ("see docs/channels/telegram.md, with https://<your host>/webhook/telegram/k3y",)


def test_a_channel_of_our_own_has_nobody_to_ask() -> None:
    (finding,) = Provider(CHANNELS["webchat"], None, CANDIDATE, {}).said(None)
    assert finding.level is Level.OK
    assert path(ChannelAccount(channel="webchat", account_key="k3y")) == ""
    assert path(ChannelAccount(channel="of-another-version", account_key="k3y")) == ""
    assert path(ChannelAccount(channel="sms", account_key="k3y")) == "/webhook/sms/k3y"


@pytest.mark.parametrize(
    ("base", "trouble"),
    [("", "is not set"), ("http://chat.example.com", "is not https"), ("https://chat.example.com", "")],
)
def test_an_address_that_no_provider_takes_is_trouble(base: str, trouble: str) -> None:
    said = Surroundings(base, {}).trouble
    assert trouble in said
    assert bool(trouble) is bool(said)
