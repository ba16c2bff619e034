"""How does the agent service speak with storage about messages and turns?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import grpc

from kit import logs
from kit.errors import InvalidField, ParleyError, from_item, from_rpc
from kit.frames import UNHURRIED, Breath, Frames
from kit.moments import moment, put, span, utc_now
from parley.chat.v1.message_pb2 import Role
from parley.storage.v1 import conversation_service_pb2 as conversations
from parley.storage.v1 import inbox_service_pb2 as inbox
from parley.storage.v1 import signal_requests_pb2 as signals
from parley.storage.v1 import turn_requests_pb2 as turns
from parley.storage.v1.conversation_service_pb2_grpc import ConversationServiceStub
from parley.storage.v1.inbox_service_pb2_grpc import InboxServiceStub

# The most that one call of the contract takes.
MOST_TURNS, MOST_LEASES, MOST_SUBMISSIONS = 256, 512, 512
CALL_SECONDS = 10.0
SHARE_SECONDS = 2.0  # a draft that takes longer is old
# Longer than any turn lasts; the watch ends with the turn.
WATCH_SECONDS = 3600.0
DRAFTS_BREATH = Breath(0.02, after=8)  # somebody reads along
# A lease is no longer on its way than this, unless our clock is not storage's, or this process stood still.
CLOCKS_DIFFER = timedelta(seconds=5)
WRONG_CLOCK = "this machine's clock is so far ahead of the database's (behind, where negative): set both by NTP"


@dataclass(frozen=True, slots=True)
class Habits:
    """Who leases, for how long, and what comes with a turn."""

    worker_id: str
    lease: timedelta
    wait: timedelta
    history: int


class Inbox:
    """InboxService over gRPC. Commits and accepts that come together travel together."""

    def __init__(self, channel: grpc.aio.Channel, habits: Habits, *, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now
        self._clocks_differ = False
        self._stub = InboxServiceStub(channel)
        self._conversations = ConversationServiceStub(channel)
        self._habits = habits
        self._commits = Frames[turns.TurnCommit, None](
            self._commit, most=MOST_TURNS, breath=UNHURRIED, name="commit", weigh=turns.TurnCommit.ByteSize
        )
        self._drafts = Frames[signals.TurnDraft, signals.DraftResult](
            self._share, most=MOST_TURNS, breath=DRAFTS_BREATH, name="drafts", weigh=signals.TurnDraft.ByteSize
        )
        self._accepts = Frames[inbox.Submission, inbox.SubmissionResult](
            self._accept, most=MOST_SUBMISSIONS, name="agent.accept", weigh=inbox.Submission.ByteSize
        )

    async def lease(self, most: int) -> Sequence[turns.LeasedTurn]:
        request = turns.LeaseTurnsRequest(
            worker_id=self._habits.worker_id,
            max_turns=min(most, MOST_TURNS),
            wait=span(self._habits.wait),
            lease=span(self._habits.lease),
            history=self._habits.history,
        )
        try:
            response = await self._stub.LeaseTurns(request, timeout=self._habits.wait.total_seconds() + CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from None
        for turn in response.turns:
            self._put_by_our_clock(turn)
        return response.turns

    async def extend(self, leases: Sequence[turns.TurnLease]) -> Sequence[ParleyError | None]:
        request = turns.ExtendTurnsRequest(
            worker_id=self._habits.worker_id, leases=leases[:MOST_LEASES], lease=span(self._habits.lease)
        )
        try:
            response = await self._stub.ExtendTurns(request, timeout=self._habits.lease.total_seconds() / 3)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from None
        return [_refusal(result) for result in response.results]

    async def commit(self, commit: turns.TurnCommit) -> None:
        await self._commits.put(commit)

    async def share(self, draft: signals.TurnDraft) -> bool:
        """Shows what a turn has written so far; False when nothing more of it is to be shown."""
        return (await self._drafts.put(draft)).granted

    async def abandon(self, leases: Sequence[turns.TurnLease], *, merge: bool = False) -> None:
        """Gives leases back. Raises when the only one is refused."""
        request = turns.AbandonTurnsRequest(worker_id=self._habits.worker_id, leases=leases[:MOST_LEASES], merge=merge)
        try:
            response = await self._stub.AbandonTurns(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from None
        refusals = [_refusal(result) for result in response.results]
        if len(refusals) == 1 and refusals[0] is not None:
            raise refusals[0]

    async def newer(self, turn: turns.LeasedTurn) -> bool:
        """Waits until the contact wrote again after the turn's messages. False when the watch ended before."""
        request = conversations.WatchMessagesRequest(
            tenant_id=turn.tenant_id,
            conversation_id=turn.conversation_id,
            after_seq=max((message.seq for message in turn.messages), default=0),
        )
        call = self._conversations.WatchMessages(request, timeout=WATCH_SECONDS)
        try:
            async for frame in call:
                # What begins no turn, such as an emoji under an old message, is nothing to answer.
                if any(message.role == Role.ROLE_CONTACT and message.turn_id for message in frame.messages):
                    return True
        except grpc.aio.AioRpcError:
            pass  # What cannot be watched waits for the next turn, as it does for agents that do not restart.
        finally:
            call.cancel()
        return False

    async def accept(self, submission: inbox.Submission) -> inbox.AcceptedMessage:
        """The place of the submission's only message."""
        result = await self._accepts.put(submission)
        if result.HasField("error"):
            raise from_item(result.error)
        return result.messages[0]

    async def await_turn(self, tenant_id: str, message_id: str, *, wait: timedelta) -> conversations.AwaitTurnResponse:
        """The turn that answers the message, ended or not."""
        request = conversations.AwaitTurnRequest(tenant_id=tenant_id, message_id=message_id, wait=span(wait))
        try:
            return await self._conversations.AwaitTurn(request, timeout=wait.total_seconds() + CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from None

    async def close(self) -> None:
        """Sends what still waits."""
        await self._commits.close()
        await self._drafts.close()
        await self._accepts.close()

    def _put_by_our_clock(self, turn: turns.LeasedTurn) -> None:
        """The deadline of a turn is a moment of storage's clock: where ours is ahead, all would be over at once."""
        if not (turn.HasField("expires_at") and turn.HasField("deadline_at")):
            return
        ahead = self._now() - (moment(turn.expires_at) - self._habits.lease)
        differ = abs(ahead) > CLOCKS_DIFFER
        if differ:
            put(turn.deadline_at, moment(turn.deadline_at) + ahead)
        if differ and not self._clocks_differ:
            logs.get("agent").warning("clock.differs", seconds=round(ahead.total_seconds()), reason=WRONG_CLOCK)
        self._clocks_differ = differ

    async def _commit(self, commits: list[turns.TurnCommit]) -> Sequence[Exception | None]:
        request = turns.CommitTurnsRequest(worker_id=self._habits.worker_id, turns=commits)
        try:
            response = await self._stub.CommitTurns(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            refusal = from_rpc(error)
            if isinstance(refusal, InvalidField) and len(commits) > 1:
                return [(await self._commit([commit]))[0] for commit in commits]
            return [refusal] * len(commits)
        return [_refusal(result) for result in response.results]

    async def _share(self, drafts: list[signals.TurnDraft]) -> Sequence[signals.DraftResult]:
        request = signals.ShareDraftsRequest(worker_id=self._habits.worker_id, drafts=drafts)
        try:
            return (await self._stub.ShareDrafts(request, timeout=SHARE_SECONDS)).results
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from None

    async def _accept(self, submissions: list[inbox.Submission]) -> Sequence[inbox.SubmissionResult | Exception]:
        try:
            response = await self._stub.Accept(inbox.AcceptRequest(submissions=submissions), timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            refusal = from_rpc(error)
            if isinstance(refusal, InvalidField) and len(submissions) > 1:
                return [(await self._accept([submission]))[0] for submission in submissions]
            return [refusal] * len(submissions)
        return list(response.results)


def _refusal(result: turns.TurnResult) -> ParleyError | None:
    return from_item(result.error) if result.HasField("error") else None
