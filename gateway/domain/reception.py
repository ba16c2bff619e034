"""What becomes of a webhook? Its account is found, it is verified and read, and what it carries is accepted.

Whoever calls take() may answer the provider when it returns: not before, and not otherwise.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from channels import host
from channels.channel import Channel, HttpAnswer, Webhook
from gateway.domain.accounts import Account, Accounts
from gateway.domain.limits import RateLimit
from gateway.domain.siblings import Siblings
from kit import errors, tracing
from parley.chat.v1 import message_pb2
from parley.storage.v1 import inbox_service_pb2

MOST_RAW_BYTES = 262_144  # what the contract keeps of a raw payload

Accept = Callable[[inbox_service_pb2.Submission], Awaitable[inbox_service_pb2.SubmissionResult]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A webhook, understood, and where its messages were stored; in their order."""

    account: Account
    received: host.Received
    stored: tuple[inbox_service_pb2.AcceptedMessage, ...] = ()


class Reception:
    """Takes webhooks in. Waits for storage, and for nothing else, no longer than `patience`."""

    def __init__(
        self, accounts: Accounts, accept: Accept, *, siblings: Siblings, limit: RateLimit, patience: timedelta
    ) -> None:
        self._accounts = accounts
        self._siblings = siblings
        self._accept = accept
        self._limit = limit
        self._patience = patience.total_seconds()

    async def take(self, channel: Channel, webhook: Webhook, *, account_key: str, correlation_id: str) -> Outcome:
        """Raises NotFound for an unknown account, RateLimited, and StorageUnavailable or QueueFull."""
        try:
            async with asyncio.timeout(self._patience):
                account = await self._accounts.find(channel.name, account_key)
                outcome = await self._take(channel, webhook, account=account, correlation_id=correlation_id)
                for address in outcome.received.elsewhere:
                    sibling = await self._siblings.at(account, address)
                    if sibling is not None:
                        other = await self._take(channel, webhook, account=sibling, correlation_id=correlation_id)
                        outcome = _better(outcome, other)
                return outcome
        except TimeoutError:
            raise errors.StorageUnavailable() from None

    async def hear(self, channel: Channel, webhook: Webhook, *, account: Account, correlation_id: str) -> Outcome:
        """What came over a connection of our own: nobody signed it, and it is taken in as a webhook is."""
        try:
            async with asyncio.timeout(self._patience):
                received = host.heard(channel, webhook, account=account.known)
                return await self._keep(channel, webhook, account=account, received=received, marks=correlation_id)
        except TimeoutError:
            raise errors.StorageUnavailable() from None

    async def shake_hands(self, channel: Channel, webhook: Webhook, *, account_key: str) -> HttpAnswer:
        """The answer to a provider's check of the URL; the usual refusal when it is none."""
        account = await self._accounts.find(channel.name, account_key)
        return _shaken(channel, webhook, account=account)

    async def _take(self, channel: Channel, webhook: Webhook, *, account: Account, correlation_id: str) -> Outcome:
        """What is this account's in it."""
        received = host.receive(channel, webhook, account=account.known)
        return await self._keep(channel, webhook, account=account, received=received, marks=correlation_id)

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


def _better(outcome: Outcome, other: Outcome) -> Outcome:
    """A webhook of which an account took something is not refused."""
    refused = host.Verdict.REFUSED
    return other if outcome.received.verdict is refused and other.received.verdict is not refused else outcome


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
    if received.verdict is host.Verdict.READ and not (received.messages or received.receipts or received.unread):
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
