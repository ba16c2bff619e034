"""How does a program hold a conversation? What it says goes the way of a webhook, and it waits for the turn."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

from kit import correlation, tracing
from kit.errors import AlreadyExists, DeadlineExceeded, InvalidField, NotFound, StorageUnavailable, Unreachable
from kit.moments import moment, span, stamp
from kit.unkept import unkept
from parley.agent.v1.agent_service_pb2 import HandleMessageRequest, HandleMessageResponse
from parley.chat.v1.message_pb2 import ChannelMessage, TurnState
from parley.storage.v1.conversation_service_pb2 import AwaitTurnResponse
from parley.storage.v1.directory_pb2 import ChannelAccount
from parley.storage.v1.inbox_service_pb2 import AcceptedMessage, Submission

ENDED = frozenset(
    (
        TurnState.TURN_STATE_REPLIED,
        TurnState.TURN_STATE_HANDED_OFF,
        TurnState.TURN_STATE_SUPPRESSED,
        TurnState.TURN_STATE_FAILED,
    )
)
# Of the caller's deadline, what is kept for saying so when it passes.
REASON_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 120.0
PAUSE_SECONDS = 0.25
OTHER_TEXT = "request_id: another text was said with it in this chat; this one was not stored."
ERASED = "request_id: what was said with it in this chat is erased."
STILL_OPEN = "Not answered yet, but accepted; call again with the same request id to get the answer."


class Conversations(Protocol):
    """Where messages are accepted and their turns are awaited."""

    async def accept(self, submission: Submission) -> AcceptedMessage:
        """Stores the submission's only message, once."""

    async def await_turn(self, tenant_id: str, message_id: str, *, wait: timedelta) -> AwaitTurnResponse:
        """The turn that answers it, as it is when it ends or the wait is over."""


class Accounts(Protocol):
    """Where the account to speak through is found."""

    async def find(self, tenant_id: str, account_id: str) -> ChannelAccount:
        """By id, or the tenant's own."""


class Door:
    """Takes in one thing said and gives back the answer."""

    def __init__(
        self,
        conversations: Conversations,
        accounts: Accounts,
        *,
        now: Callable[[], datetime],
        rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._conversations = conversations
        self._accounts = accounts
        self._now = now
        self._rest = rest

    async def handle(self, request: HandleMessageRequest, *, seconds: float) -> HandleMessageResponse:
        """The answer, or DeadlineExceeded when it takes longer; then it may be had later by the same request id.

        A storage that is away is waited for meanwhile.
        AlreadyExists when the id was used for another text, NotFound when what it was used for is erased.
        """
        ends_at = self._now() + timedelta(seconds=seconds)
        if not request.tenant_id:
            raise InvalidField([("tenant_id", "is required; only an API key names the tenant by itself")])
        if wrong := [(path, why) for path, why in unkept(request) if path != "text"]:  # where it is left out
            raise InvalidField(wrong)  # storage would name its own fields, which no caller knows
        accepted: AcceptedMessage | None = None
        while True:
            awaited, left = None, self._left(ends_at)
            try:
                accepted = accepted or await self._accept(request)
                left = self._left(ends_at)
                wait = timedelta(seconds=min(max(left, 0.0), LONGEST_WAIT_SECONDS))
                awaited = await self._conversations.await_turn(request.tenant_id, accepted.message_id, wait=wait)
            except (StorageUnavailable, Unreachable):
                if accepted is None and left <= 0:
                    raise
            if accepted and awaited and (not awaited.HasField("turn") or awaited.turn.state in ENDED):
                return _response(accepted, awaited)
            if left <= 0:
                raise DeadlineExceeded(STILL_OPEN)
            # A storage that stops answers at once, and then not at all before the next one has its place.
            await self._rest(min(PAUSE_SECONDS, max(self._left(ends_at), 0.0)))

    async def _accept(self, request: HandleMessageRequest) -> AcceptedMessage:
        """Where it is kept. The same again, when what became of the first try is not known, is kept once."""
        account = await self._accounts.find(request.tenant_id, request.account_id)
        accepted = await self._conversations.accept(self._submission(request, account))
        if accepted.differs:
            raise AlreadyExists(OTHER_TEXT, metadata={"resource": "request"})
        if not accepted.message_id:
            raise NotFound(ERASED, metadata={"resource": "message"})
        return accepted

    def _left(self, ends_at: datetime) -> float:
        return (ends_at - self._now()).total_seconds() - REASON_SECONDS

    def _submission(self, request: HandleMessageRequest, account: ChannelAccount) -> Submission:
        now, correlated = stamp(self._now()), correlation.correlation_id.get()
        message = ChannelMessage(
            channel=account.channel,
            account_id=account.id,
            chat_id=request.chat_id,
            sender_id=request.sender_id or request.chat_id,
            text=request.text.replace("\0", ""),
            provider_message_id=request.request_id,
            provider_at=now,
            received_at=now,
            correlation_id=correlated,
            traceparent=tracing.traceparent(),
        )
        return Submission(
            tenant_id=request.tenant_id, account_id=account.id, messages=[message], correlation_id=correlated
        )


def _response(accepted: AcceptedMessage, awaited: AwaitTurnResponse) -> HandleMessageResponse:
    response = HandleMessageResponse(
        conversation_id=accepted.conversation_id, message_id=accepted.message_id, duplicate=accepted.duplicate
    )
    if not awaited.HasField("turn"):
        # No turn is due: a human has the conversation, or nobody.
        response.state, response.reason = TurnState.TURN_STATE_SUPPRESSED, "owner_not_agent"
        return response
    turn = awaited.turn
    response.turn_id, response.state, response.reason = turn.id, turn.state, turn.reason
    response.replies.extend(reply.text for reply in awaited.replies)
    if turn.HasField("ended_at"):
        response.took.CopyFrom(span(moment(turn.ended_at) - moment(turn.created_at)))
    return response
