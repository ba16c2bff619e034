"""InboxService's front door: messages in, turns out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration

from kit import deadlines, logs
from kit.errors import ParleyError, as_item
from kit.moments import seconds, stamp
from parley.chat.v1.message_pb2 import ChannelMessage
from parley.storage.v1 import inbox_service_pb2 as pb
from parley.storage.v1 import inbox_service_pb2_grpc as grpc_pb
from parley.storage.v1 import signal_requests_pb2 as signals
from parley.storage.v1 import turn_requests_pb2 as requests
from storage_service.backends.moved_chats import MovedChats
from storage_service.backends.ownership import Ownership
from storage_service.backends.taken_back import TakenBack
from storage_service.domain.asks import Ask
from storage_service.domain.drafts import Drafts
from storage_service.domain.hearing import take_overs
from storage_service.domain.inbox import Inbox
from storage_service.domain.moved_chats import moves
from storage_service.domain.presence import Presence
from storage_service.domain.taken_back import withdrawals
from storage_service.domain.turns import Done

SERVICE = "parley.storage.v1.InboxService"

LEASE_SECONDS = 30
HISTORY = 20
# What an answer needs to get back before the caller's deadline.
WAY_BACK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class ChangedThere:
    """What people change at the provider itself, and what that changes here."""

    owners: Ownership
    chats: MovedChats
    messages: TakenBack


class InboxServicer(grpc_pb.InboxServiceServicer):
    """Answers for the inbox."""

    def __init__(self, inbox: Inbox, changed: ChangedThere, *, presence: Presence, drafts: Drafts) -> None:
        self._inbox = inbox
        self._changed = changed
        self._presence = presence
        self._drafts = drafts
        self._log = logs.get("storage")

    async def Accept(self, request: pb.AcceptRequest, _context: Any) -> pb.AcceptResponse:
        for chat, message in moves(request.submissions):
            await self._changed.chats.follow(chat, message)
        results = await self._inbox.accept(request.submissions)
        for submission, result in zip(request.submissions, results, strict=True):
            self._note(submission, result)
        # Before the provider hears that it was accepted: else nobody would tell us again.
        for conversation, message_id in take_overs(request.submissions, results):
            await self._changed.owners.take_over(*conversation, message_id=message_id)
        for each in withdrawals(request.submissions, results):
            await self._changed.messages.take_back(each)
        return pb.AcceptResponse(results=[_submission(each) for each in results])

    def _note(self, submission: pb.Submission, result: pb.SubmissionResult | ParleyError) -> None:
        """One line per message, under its own correlation id: the call carries many."""
        if isinstance(result, ParleyError):
            return
        for message, stored in zip(submission.messages, result.messages, strict=True):
            self._log.info(
                _became(message, stored),
                correlation_id=message.correlation_id,
                tenant=submission.tenant_id,
                channel=message.channel,
                message_id=stored.message_id,
                conversation_id=stored.conversation_id,
                turn_id=stored.turn_id,
                duplicate=stored.duplicate,
            )

    async def LeaseTurns(self, request: requests.LeaseTurnsRequest, _context: Any) -> requests.LeaseTurnsResponse:
        lease = span(request.lease, LEASE_SECONDS)
        ask = Ask(request.worker_id, request.max_turns, lease, request.history or HISTORY)
        turns = await self._inbox.lease(ask, patience(request.wait))
        self._presence.began(turns)
        return requests.LeaseTurnsResponse(turns=turns)

    async def ExtendTurns(self, request: requests.ExtendTurnsRequest, _context: Any) -> requests.ExtendTurnsResponse:
        lease = span(request.lease, LEASE_SECONDS)
        done = await self._inbox.extend(request.worker_id, request.leases, lease=lease)
        return requests.ExtendTurnsResponse(results=_results(done))

    async def CommitTurns(self, request: requests.CommitTurnsRequest, _context: Any) -> requests.CommitTurnsResponse:
        self._let_go(request.turns)
        done = await self._inbox.commit(request.worker_id, request.turns)
        return requests.CommitTurnsResponse(results=_results(done))

    async def AbandonTurns(self, request: requests.AbandonTurnsRequest, _context: Any) -> requests.AbandonTurnsResponse:
        self._let_go(request.leases)
        delay = timedelta(seconds=seconds(request.delay))
        done = await self._inbox.abandon(request.worker_id, request.leases, delay=delay, merge=request.merge)
        return requests.AbandonTurnsResponse(results=_results(done))

    async def ShareDrafts(self, request: signals.ShareDraftsRequest, _context: Any) -> signals.ShareDraftsResponse:
        granted = await self._drafts.share(request.worker_id, request.drafts)
        return signals.ShareDraftsResponse(results=[signals.DraftResult(granted=each) for each in granted])

    def _let_go(self, turns: Iterable[requests.TurnCommit | requests.TurnLease]) -> None:
        """Nothing more is shown of them from here on."""
        keys = [(each.tenant_id, each.turn_id) for each in turns]
        self._presence.ended(keys)
        self._drafts.ended(keys)


def span(given: Duration, default_seconds: float) -> timedelta:
    return timedelta(seconds=seconds(given) or default_seconds)


def patience(wait: Duration) -> float:
    """How long to wait: as asked, but never so long that the answer comes after the caller's deadline."""
    left = deadlines.remaining()
    asked = seconds(wait)
    return asked if left is None else max(0.0, min(asked, left - WAY_BACK_SECONDS))


def _became(message: ChannelMessage, stored: pb.AcceptedMessage) -> str:
    if stored.passed_over:
        return "message.taken_back" if message.takes_back and stored.conversation_id else "message.passed_over"
    return "message.stored"


def _submission(result: pb.SubmissionResult | ParleyError) -> pb.SubmissionResult:
    return pb.SubmissionResult(error=as_item(result)) if isinstance(result, ParleyError) else result


def _results(done: Sequence[Done]) -> list[requests.TurnResult]:
    return [
        requests.TurnResult(
            error=as_item(each.error) if each.error else None,
            duplicate=each.duplicate,
            expires_at=stamp(each.expires_at) if each.expires_at else None,
        )
        for each in done
    ]
