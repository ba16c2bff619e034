"""Does the host stand whatever a channel does, and does nothing it makes exceed the contract?"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from channels.api import Api
from channels.channel import BadSignature, Credentials, Decoded, HttpAnswer, Stale, Unreadable, Webhook
from channels.host import Account, Verdict, receive
from channels.limits import fit_message, fit_receipt
from channels.registry import CHANNELS, UnknownChannel, channel
from parley.chat.v1 import message_pb2 as chat

WEBHOOK = Webhook("POST", "https://parley.example/", {}, b"", datetime(2026, 11, 21, tzinfo=UTC))
ACCOUNT = Account(id="a-1", address="+1", credentials=Credentials({}))


class Door(Api):
    """A channel that does as it is told."""

    unreadable = HttpAnswer(200, "text/xml", b"<Response/>")

    def __init__(self, proof: Exception | None, content: Decoded | Exception) -> None:
        self.proof, self.content = proof, content

    def authenticate(self, _webhook: Webhook, _credentials: Credentials) -> None:
        """Raises what it was given."""
        if self.proof:
            raise self.proof

    def decode(self, _webhook: Webhook) -> Decoded:
        """Gives or raises what it was given."""
        if isinstance(self.content, Exception):
            raise self.content
        return self.content


def message(**fields: Any) -> chat.ChannelMessage:
    """The least that a message must have, and these."""
    least: dict[str, Any] = {"channel": "x", "chat_id": "c", "sender_id": "s", "provider_message_id": "m"}
    return chat.ChannelMessage(**{**least, **fields})


@dataclass(frozen=True, slots=True)
class Strange(Exception):
    """An error of a library nobody knows."""


@pytest.mark.parametrize(
    ("proof", "reason"),
    [
        (BadSignature(), "signature"),
        (Stale(), "stale"),
        (TypeError("non-ASCII"), "signature_error"),
        (RecursionError(), "signature_error"),
        (Unreadable(), "signature_error"),
        (Strange(), "signature_error"),
    ],
)
def test_whatever_authenticate_raises_refuses(proof: Exception, reason: str) -> None:
    received = receive(Door(proof, Decoded(HttpAnswer(200, "", b""))), WEBHOOK, account=ACCOUNT)
    assert (received.verdict, received.answer.status, received.reason) == (Verdict.REFUSED, 401, reason)


@pytest.mark.parametrize("trouble", [Unreadable(), KeyError("x"), RecursionError(), MemoryError(), Strange()])
def test_whatever_decode_raises_is_unreadable_and_answered_as_the_provider_expects(trouble: Exception) -> None:
    received = receive(Door(None, trouble), WEBHOOK, account=ACCOUNT)
    assert (received.verdict, received.answer) == (Verdict.UNREADABLE, Door.unreadable)


@pytest.mark.parametrize(
    ("named", "status"), [(None, 200), ("+1", 200), ("a-1", 200), ("api:+1", 200), ("+12", 403), ("", 403)]
)
def test_a_webhook_for_another_account_is_refused(named: str | None, status: int) -> None:
    decoded = Decoded(HttpAnswer(200, "", b""), messages=(message(),), addressed_to=named)
    received = receive(Door(None, decoded), WEBHOOK, account=ACCOUNT)
    assert received.answer.status == status
    assert len(received.messages) == (status == 200)


@pytest.mark.parametrize("named", ["T1", "a-2", "api", None])
def test_an_account_without_an_address_takes_whatever_its_secret_proves(named: str | None) -> None:
    decoded = Decoded(HttpAnswer(200, "", b""), messages=(message(),), addressed_to=named)
    received = receive(Door(None, decoded), WEBHOOK, account=replace(ACCOUNT, address="api"))
    assert len(received.messages) == 1


def test_of_a_webhook_for_several_accounts_only_the_accounts_own_part_is_taken() -> None:
    def part(address: str, *also: Decoded) -> Decoded:
        said = message(provider_message_id=address)
        receipt = chat.Receipt(provider_message_id=address)
        return Decoded(HttpAnswer(200, "", b""), (said,), (receipt,), addressed_to=address, also=also)

    received = receive(Door(None, part("+2", part("+1"), part("+3"))), WEBHOOK, account=ACCOUNT)
    assert [each.provider_message_id for each in received.messages] == ["+1"]
    assert [each.provider_message_id for each in received.receipts] == ["+1"]
    assert receive(Door(None, part("+2", part("+3"))), WEBHOOK, account=ACCOUNT).answer.status == 403


def test_a_message_in_a_batch_without_an_id_makes_the_webhook_unreadable() -> None:
    decoded = Decoded(HttpAnswer(200, "", b""), messages=(message(), message(provider_message_id="")))
    assert receive(Door(None, decoded), WEBHOOK, account=ACCOUNT).verdict is Verdict.UNREADABLE


def test_what_is_too_long_is_cut_and_marked() -> None:
    long = message(
        text="x" * 70_000,
        sender_name="n" * 300,
        attachments=[chat.Attachment(caption="c" * 9000)] * 40,
        metadata={f"k{number:02}": "v" * 5000 for number in range(50)},
    )
    fit_message(long)

    assert len(long.text) == 65_536
    assert len(long.sender_name) == 256
    assert len(long.attachments) == 32
    assert len(long.metadata) == 32
    assert {"text", "sender_name", "attachments", "caption"} <= set(long.metadata["cut"].split(","))
    assert all(len(value) <= 1024 for value in long.metadata.values())


def test_a_message_that_fits_is_not_marked() -> None:
    short = message(text="x" * 65_536, metadata={"a": "b"})
    fit_message(short)
    assert dict(short.metadata) == {"a": "b"}


@pytest.mark.parametrize("name", ["chat_id", "sender_id", "provider_message_id"])
def test_an_id_is_never_cut(name: str) -> None:
    with pytest.raises(Unreadable):
        fit_message(message(**{name: "x" * 257}))


def test_a_reference_that_does_not_fit_is_left_out_and_the_message_stays() -> None:
    long = message(text="look", reply_to_provider_message_id="x" * 257, attachments=[chat.Attachment(url="x" * 2049)])
    fit_message(long)
    assert (long.text, long.reply_to_provider_message_id, long.attachments[0].url) == ("look", "", "")
    assert long.metadata["cut"] == "reply_to_provider_message_id,url"


def test_a_receipts_code_is_cut_and_its_id_is_not() -> None:
    receipt = chat.Receipt(provider_message_id="m", provider_code="9" * 100)
    fit_receipt(receipt)
    assert len(receipt.provider_code) == 64
    with pytest.raises(Unreadable):
        fit_receipt(chat.Receipt(provider_message_id="m" * 257))


def test_the_registry_knows_each_channel_by_its_name() -> None:
    meta, twilio = {"instagram", "whatsapp_cloud"}, {"sms", "whatsapp"}
    assert {"api", "discord", "slack", "telegram", "webchat", *meta, *twilio} <= set(CHANNELS)
    assert all(channel(name).name == name for name in CHANNELS)
    with pytest.raises(UnknownChannel):
        channel("../whatsapp")
