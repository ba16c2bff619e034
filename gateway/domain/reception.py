"""What becomes of a webhook? Its account is found, it is verified and read, and what it carries is accepted.

Whoever calls take() may answer the provider when it returns: not before, and not otherwise.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

from channels import host
from channels.channel import Channel, HttpAnswer, Webhook
from gateway.domain.accounts import Account, Accounts
from gateway.domain.limits import RateLimit
from gateway.domain.patience import Patience
from gateway.domain.siblings import Siblings
from kit import errors, tracing
from kit.moments import stamp
from parley.chat.v1 import message_pb2
from parley.storage.v1 import inbox_service_pb2

MOST_RAW_BYTES = 262_144  # what the contract keeps of a raw payload
MOST_UNPROVEN = 25  # accounts that are tried with a body that none has proven yet: a stranger may have written it

Accept = Callable[[inbox_service_pb2.Submission], Awaitable[inbox_service_pb2.SubmissionResult]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A webhook, understood, and where its messages were stored; in their order."""

    account: Account
    received: host.Received
    stored: tuple[inbox_service_pb2.AcceptedMessage, ...] = ()
    also: tuple["Outcome", ...] = ()  # what other accounts of the tenant made of their parts


class Reception:
    """Takes webhooks in. Waits for storage, and for nothing else, no longer than `patience` or the provider does."""

    def __init__(
        self, accounts: Accounts, accept: Accept, *, siblings: Siblings, limit: RateLimit, patience: timedelta
    ) -> None:
        self._accounts = accounts
        self._siblings = siblings
        self._storage = accept
        self._limit = limit
        self._patience = Patience(patience)

    async def take(self, channel: Channel, webhook: Webhook, *, account_key: str, correlation_id: str) -> Outcome:
        """Raises NotFound for an unknown account, RateLimited, SecretUnreadable, StorageUnavailable or QueueFull."""
        try:
            async with asyncio.timeout(self._patience.seconds(channel)):
                return await self._take(channel, webhook, account_key=account_key, marks=correlation_id)
        except TimeoutError:
            raise errors.StorageUnavailable() from None

    async def hear(self, channel: Channel, webhook: Webhook, *, account: Account, correlation_id: str) -> Outcome:
        """What came over a connection of our own: nobody signed it, and it is taken in as a webhook is."""
        try:
            async with asyncio.timeout(self._patience.seconds(channel)):
                received = host.heard(channel, webhook, account=account.known)
                return await self._keep(channel, webhook, account=account, received=received, marks=correlation_id)
        except TimeoutError:
            raise errors.StorageUnavailable() from None

    async def shake_hands(self, channel: Channel, webhook: Webhook, *, account_key: str) -> HttpAnswer:
        """The answer to a provider's check of the URL; the usual refusal when it is none."""
        account = await self._accounts.find(channel.name, account_key)
        return _shaken(channel, webhook, account=account)

    async def _take(self, channel: Channel, webhook: Webhook, *, account_key: str, marks: str) -> Outcome:
        """By the URL's account, and where the body speaks to others by those, each with its own secret."""
        shares = _Shares()
        try:
            account = await self._patience.with_stranger(self._accounts.find, channel.name, account_key)
        except (errors.SecretUnreadable, errors.NotFound) as error:
            tenant_id = error.metadata.get("tenant_id", "")
            if not (channel.capabilities.one_url and tenant_id):
                raise
            shares.unopened, named = error, host.named(channel, webhook)
        else:
            received = host.receive(channel, webhook, account=await self._among_others(channel, account))
            keeping = self._keep(channel, webhook, account=account, received=received, marks=marks)
            if not received.elsewhere:
                return await keeping
            await shares.add(keeping)
            tenant_id, named = account.tenant_id, received.elsewhere
        for addresses in named.items():
            if shares.proven is None and shares.tried >= MOST_UNPROVEN:
                break
            await shares.add(self._share(channel, webhook, where=(tenant_id, addresses), marks=marks))
        if isinstance(shares.unopened, errors.NotFound):
            await self._prove(channel, webhook, shares=shares, tenant_id=tenant_id)
        return await self._settled(channel, webhook, shares=shares, marks=marks)

    async def _among_others(self, channel: Channel, account: Account) -> host.Account:
        """Who has no address takes what is said to nobody else at the app's one URL, so it must know who they are."""
        if not channel.capabilities.one_url or not host.is_nameless(account.known, f"{channel.name}:"):
            return account.known
        return replace(account.known, siblings=await self._siblings.addresses(channel.name, account.tenant_id))

    async def _share(
        self, channel: Channel, webhook: Webhook, *, where: tuple[str, tuple[str, str]], marks: str
    ) -> Outcome | None:
        """What is of that tenant's account with that address, or else the other; None when there is none."""
        tenant_id, (address, other) = where
        account = await self._siblings.at(channel.name, tenant_id, address=address)
        if account is None and other:
            account = await self._siblings.at(channel.name, tenant_id, address=other)
        if account is None:
            return None
        received = host.receive(channel, webhook, account=account.known)
        return await self._keep(channel, webhook, account=account, received=received, marks=marks)

    async def _prove(self, channel: Channel, webhook: Webhook, *, shares: "_Shares", tenant_id: str) -> None:
        """At the URL of an account that takes nothing any more: what is said to none that does is thanked for, where
        one of them can tell that it is the app's. Who has no address is not asked, since all would be its own."""
        others = sorted(await self._siblings.addresses(channel.name, tenant_id) - {channel.name})
        for address in others[:MOST_UNPROVEN] if shares.proven is None else ():
            with suppress(errors.SecretUnreadable):
                account = await self._siblings.at(channel.name, tenant_id, address=address)
                received = host.receive(channel, webhook, account=account.known) if account else None
                if account and received and received.reason == host.STRANGER:
                    shares.taken.append(Outcome(account, received))
                    break

    async def _settled(self, channel: Channel, webhook: Webhook, *, shares: "_Shares", marks: str) -> Outcome:
        """What fails for now brings it all again, and what was stored is a duplicate then. A secret that cannot be
        opened stays so until somebody acts, and refusals for its sake would take the URL from all: where another
        account has proven the body it is kept for that one, as it came, and thanked for (docs/decisions/0032)."""
        proven, failed = shares.proven, shares.failed
        if proven is None and shares.unopened is not None:
            failed = [*failed, shares.unopened]
        passing = [each for each in failed if not isinstance(each, errors.SecretUnreadable)]
        if failed and (passing or proven is None or not channel.capabilities.one_url):
            raise [*passing, *failed][0]
        if failed and proven is not None:
            shares.taken.append(await self._kept(webhook, of=proven, error=failed[0], marks=marks))
        return shares.outcome

    async def _kept(self, webhook: Webhook, *, of: Outcome, error: errors.ParleyError, marks: str) -> Outcome:
        account = of.account
        submission = inbox_service_pb2.Submission(
            tenant_id=account.tenant_id, account_id=account.known.id, correlation_id=marks
        )
        await self._accept(_unread(submission, webhook, reason=error.name))
        return Outcome(account, host.Received(host.Verdict.UNREADABLE, of.received.answer, reason=error.name))

    async def _keep(
        self, channel: Channel, webhook: Webhook, *, account: Account, received: host.Received, marks: str
    ) -> Outcome:
        if received.verdict is host.Verdict.REFUSED or _is_our_own_mistake(channel, received):
            return Outcome(account, received)
        self._check_limit(channel, received)
        submission = _submission(channel, webhook, received=received, account=account, correlation_id=marks)
        if submission is None:
            return Outcome(account, received)
        return Outcome(account, received, await self._store(submission, webhook))

    async def _accept(self, submission: inbox_service_pb2.Submission) -> inbox_service_pb2.SubmissionResult:
        return await self._patience.with_provider(self._storage, submission)

    def _check_limit(self, channel: Channel, received: host.Received) -> None:
        """Providers have limits of their own; people who write to us directly have ours."""
        for message in () if channel.provider else received.messages:
            wait = self._limit.take(f"{message.account_id}/{message.chat_id}")
            if wait is not None:
                raise errors.RateLimited(retry_after=wait)

    async def _store(
        self, submission: inbox_service_pb2.Submission, webhook: Webhook
    ) -> tuple[inbox_service_pb2.AcceptedMessage, ...]:
        try:
            result = await self._accept(submission)
        except errors.InvalidField:
            # It is the provider's, and the contract has no room for it: kept as it came, for a person to see.
            await self._accept(_unread(submission, webhook, reason="invalid_field"))
            return ()
        return tuple(result.messages)


@dataclass(slots=True)
class _Shares:
    """What became of the parts of one body, each by another account."""

    taken: list[Outcome] = field(default_factory=list)
    failed: list[errors.ParleyError] = field(default_factory=list)
    # Why the URL's own account could not even look: its secret is lost, or it is disabled.
    unopened: errors.SecretUnreadable | errors.NotFound | None = None

    async def add(self, taking: Awaitable[Outcome | None]) -> None:
        """What fails for one account is no reason to refuse the others."""
        try:
            outcome = await taking
        except errors.ParleyError as error:
            self.failed.append(error)
            return
        if outcome is not None:
            self.taken.append(outcome)

    @property
    def tried(self) -> int:
        """How many accounts looked, or could not."""
        return len(self.taken) + len(self.failed)

    @property
    def proven(self) -> Outcome | None:
        """One by an account whose secret signed the body, though nothing in it need be its own."""
        return next((each for each in self.taken if each.received.is_proven), None)

    @property
    def outcome(self) -> Outcome:
        """A webhook of which an account took something is not refused."""
        good = [each for each in self.taken if each.received.verdict is not host.Verdict.REFUSED]
        first, *others = good or [self.proven or self.taken[0]]
        return replace(first, also=tuple(others))


def _is_our_own_mistake(channel: Channel, received: host.Received) -> bool:
    """Who writes to us directly is told what is wrong; only what a provider sent is worth keeping unread."""
    return received.verdict is host.Verdict.UNREADABLE and not channel.provider


def _shaken(channel: Channel, webhook: Webhook, *, account: Account) -> HttpAnswer:
    try:
        answer = channel.handshake(webhook, account.known.credentials)
    except Exception:  # a channel's code on a stranger's query: whatever it trips over is a refusal
        answer = None
    return answer or HttpAnswer(status=403, content_type="application/json", body=host.REFUSED)


def _submission(
    channel: Channel, webhook: Webhook, *, received: host.Received, account: Account, correlation_id: str
) -> inbox_service_pb2.Submission | None:
    """What is to be stored; None when the webhook carries nothing that anyone needs."""
    says_nothing = not (received.messages or received.receipts or received.unread or received.access_ended_at)
    if received.verdict is host.Verdict.READ and says_nothing:
        return None
    _mark(received.messages, correlation_id)
    submission = inbox_service_pb2.Submission(
        tenant_id=account.tenant_id,
        account_id=account.known.id,
        correlation_id=correlation_id,
        messages=received.messages,
        receipts=received.receipts,
        raw_payload=webhook.body[:MOST_RAW_BYTES] if received.unread or len(webhook.body) <= MOST_RAW_BYTES else b"",
        unreadable=f"nobody reads {received.unread}" if received.unread else "",
    )
    submission.comes_again = channel.capabilities.repeats
    if received.access_ended_at:
        submission.access_ended_at.CopyFrom(stamp(received.access_ended_at))
    if received.verdict is host.Verdict.UNREADABLE:
        return _unread(submission, webhook, reason=received.reason)
    return submission


def _unread(submission: inbox_service_pb2.Submission, webhook: Webhook, *, reason: str) -> inbox_service_pb2.Submission:
    return inbox_service_pb2.Submission(
        tenant_id=submission.tenant_id,
        account_id=submission.account_id,
        correlation_id=submission.correlation_id,
        raw_payload=webhook.body[:MOST_RAW_BYTES],
        unreadable=reason,
    )


def _mark(messages: tuple[message_pb2.ChannelMessage, ...], correlation_id: str) -> None:
    traceparent = tracing.traceparent()
    for message in messages:
        message.correlation_id = correlation_id
        if traceparent:
            message.traceparent = traceparent
