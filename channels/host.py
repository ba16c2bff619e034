"""What may be believed of a webhook? Runs a channel's code so that no request, however made, can raise.

Pure: the gateway reads, stores and answers. A failure to authenticate refuses; a failure to decode after a good
signature is unreadable, answered as the provider expects so that it does not repeat it for days.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from functools import cache

from channels.addressing import Overhears
from channels.channel import BadSignature, Channel, Credentials, Decoded, HttpAnswer, Stale, Webhook
from channels.limits import fit_message, fit_receipt
from channels.proof import Unsigned
from parley.chat.v1.message_pb2 import ChannelMessage, Receipt

REFUSED = b'{"error":"refused"}'  # the same whatever was wrong: a forger learns nothing
LONGEST_UNREAD = 200
UNADDRESSED = "unaddressed"  # the account's option for what is said where others talk, and not to the agent
COUNTED_BY = "counted_by"  # the option that says who counts its messages, if that is another than at first
BOT_NAME = "bot_name"  # the option with the name that it is called by, if that is another than its address
STRANGER = "account"  # the reason of what is well signed and another account's alone
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Verdict(Enum):
    """What became of a webhook."""

    READ = "read"
    REFUSED = "refused"  # not theirs, not fresh, or for another account: nothing is stored
    UNREADABLE = "unreadable"  # theirs, and we cannot read it: the raw body is worth keeping


@dataclass(frozen=True, slots=True)
class Account:
    """The channel account that a webhook's URL names."""

    id: str
    address: str
    credentials: Credentials
    options: Mapping[str, str] = field(default_factory=dict)
    siblings: frozenset[str] = frozenset()  # without an address of its own: those of the others beside it


@dataclass(frozen=True, slots=True)
class Received:
    """A webhook, understood as far as it can be. Messages carry account_id and received_at."""

    verdict: Verdict
    answer: HttpAnswer
    messages: tuple[ChannelMessage, ...] = field(default=(), repr=False)  # a person's words
    receipts: tuple[Receipt, ...] = ()
    reason: str = ""  # for the log, in our words: "signature", "stale", "account", "unreadable"
    lacks: str = ""  # the header in which the provider proves itself, when there was none
    unread: str = ""  # kinds of what is in it and nobody reads; the raw body is worth keeping
    access_ended_at: datetime | None = field(default=None, repr=False)  # when the provider took the credentials back
    # The addresses of accounts to which other parts of it belong, each with another that the same account may have.
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_proven(self) -> bool:
        """Whether the account's secret signed it, for whomever it is."""
        return self.verdict is not Verdict.REFUSED or self.reason == STRANGER


def receive(channel: Channel, webhook: Webhook, *, account: Account) -> Received:
    """Verifies, decodes, checks the account and fits everything to the contract. Never raises."""
    refusal, lacks = _refusal(channel, webhook, credentials=account.credentials)
    if refusal:
        return replace(_refused(401, refusal), lacks=lacks)
    return heard(channel, webhook, account=account)


def heard(channel: Channel, webhook: Webhook, *, account: Account) -> Received:
    """The same without verifying: of what came over a connection that we opened ourselves. Never raises."""
    try:
        decoded = channel.decode(webhook)
        parts, prefix = (decoded, *decoded.also), f"{channel.name}:"
        ours = [each for each in parts if _addressed(each, account, prefix=prefix)]
        elsewhere = _addresses(each for each in parts if not _addressed(each, account, prefix=prefix))
        if not ours:
            stranger = replace(_refused(403, STRANGER), elsewhere=elsewhere)
            return replace(stranger, answer=decoded.answer) if channel.capabilities.one_url else stranger
        received = _received(decoded.answer, ours, account_id=account.id, received_at=webhook.received_at)
        if counted_by := account.options.get(COUNTED_BY):
            for message in received.messages:
                message.provider_message_id += f":{counted_by}"
                message.takes_back += f":{counted_by}" if message.takes_back else ""
        _put_aside(received.messages, webhook, channel=channel, account=account)
        unread = " ".join(each.unread for each in parts if each.unread)
        if not (elsewhere or unread):
            return received
        return replace(received, elsewhere=elsewhere, unread=unread[:LONGEST_UNREAD])
    except Exception:  # foreign code on foreign bytes: whatever it trips over, the provider gets its answer
        return Received(verdict=Verdict.UNREADABLE, answer=channel.unreadable, reason="unreadable")


def _put_aside(messages: Iterable[ChannelMessage], webhook: Webhook, *, channel: Channel, account: Account) -> None:
    """What people say to each other, unless the account wants to answer that as well."""
    if account.options.get(UNADDRESSED) == "all":
        for message in messages:
            message.only_if_known = False
    elif _is_overheard(channel, webhook, address=account.options.get(BOT_NAME) or account.address):
        for message in messages:
            message.only_if_known = message.no_turn = True
    elif channel.capabilities.one_talk:
        for message in messages:
            message.no_turn |= message.only_if_known


def _is_overheard(channel: Channel, webhook: Webhook, *, address: str) -> bool:
    return _can_overhear(type(channel)) and isinstance(channel, Overhears) and channel.is_overheard(webhook, address)


@cache
def _can_overhear(kind: type[Channel]) -> bool:
    """Remembered: whether something is a Protocol costs half as much to ask as to check a webhook's signature."""
    return issubclass(kind, Overhears)


def named(channel: Channel, webhook: Webhook) -> Mapping[str, str]:
    """The addresses of the accounts that a body speaks to, each with another that the same account may have, before
    anything of it is believed. Never raises."""
    try:
        decoded = channel.decode(webhook)
        return _addresses((decoded, *decoded.also))
    except Exception:  # foreign code on foreign bytes
        return {}


def _refusal(channel: Channel, webhook: Webhook, *, credentials: Credentials) -> tuple[str, str]:
    """Why it is not believed, and the header that it lacks, if that is why; "" when it is."""
    for spec in channel.credential_fields:
        if spec.verifies and spec.name not in credentials:
            return "secret_missing", ""
    try:
        channel.authenticate(webhook, credentials)
    except Stale:
        return "stale", ""
    except Unsigned as unsigned:
        return "signature", str(unsigned)
    except BadSignature:
        return "signature", ""
    except Exception:  # official verifiers raise all sorts on hostile headers; fails closed
        return "signature_error", ""
    return "", ""


def _refused(status: int, reason: str) -> Received:
    answer = HttpAnswer(status=status, content_type="application/json", body=REFUSED)
    return Received(verdict=Verdict.REFUSED, answer=answer, reason=reason)


def _addressed(decoded: Decoded, account: Account, *, prefix: str) -> bool:
    """True when the body names this account, or none. An address may be written with the channel's name before it."""
    named = decoded.addressed_to
    if named is None or named == account.id:
        return True
    bare = {address.removeprefix(prefix) for address in (named, decoded.or_to) if address}
    if is_nameless(account, prefix):  # what its secret proves is its own, unless another is named
        return account.siblings.isdisjoint(bare)
    return account.address.removeprefix(prefix) in bare


def is_nameless(account: Account, prefix: str) -> bool:
    """Whether it has no address: such is the environment's of a channel that needs none. The prefix is the channel's
    name and a colon."""
    return f"{account.address}:" == prefix


def _addresses(parts: Iterable[Decoded]) -> Mapping[str, str]:
    return {each.addressed_to: each.or_to for each in parts if each.addressed_to}


def _received(answer: HttpAnswer, ours: Sequence[Decoded], *, account_id: str, received_at: datetime) -> Received:
    since = received_at - _EPOCH
    messages = tuple(message for each in ours for message in each.messages)
    receipts = tuple(receipt for each in ours for receipt in each.receipts)
    for message in messages:
        fit_message(message)
        message.account_id = account_id
        received = message.received_at
        received.seconds, received.nanos = since.days * 86_400 + since.seconds, since.microseconds * 1000
    for receipt in receipts:
        fit_receipt(receipt)
    ended_at = max((each.access_ended_at for each in ours if each.access_ended_at), default=None)
    return Received(Verdict.READ, answer, messages, receipts, access_ended_at=ended_at)
