"""What does a program get that says something through the door?"""

from datetime import UTC, datetime, timedelta

import pytest

from agent_service.domain.door import Door
from kit.errors import (
    AlreadyExists,
    DeadlineExceeded,
    InvalidField,
    NotFound,
    ParleyError,
    StorageUnavailable,
    Unreachable,
)
from kit.moments import stamp
from parley.agent.v1.agent_service_pb2 import HandleMessageRequest
from parley.chat.v1.message_pb2 import Message, TurnState
from parley.storage.v1.conversation_service_pb2 import AwaitTurnResponse, Turn
from parley.storage.v1.directory_pb2 import ChannelAccount
from parley.storage.v1.inbox_service_pb2 import AcceptedMessage, Submission

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOW
        self.rests: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    async def rest(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.now += timedelta(seconds=seconds)


class Conversations:
    """Accepts once per id, and shows the turn; waiting moves the clock."""

    def __init__(self, clock: Clock, *turns: Turn | None) -> None:
        self.clock, self.turns = clock, list(turns)
        self.submissions: list[Submission] = []
        self.waits: list[float] = []
        self.erased = False
        self.away: list[ParleyError | None] = []

    def _answer(self) -> None:
        if self.away and (error := self.away.pop(0)):
            raise error

    async def accept(self, submission: Submission) -> AcceptedMessage:
        self._answer()
        self.submissions.append(submission)
        first, again = self.submissions[0].messages[0], submission.messages[0]
        duplicate = len(self.submissions) > 1
        if duplicate and self.erased:
            return AcceptedMessage(duplicate=True)
        differs = first.text != again.text
        return AcceptedMessage(message_id="m1", conversation_id="c1", duplicate=duplicate, differs=differs)

    async def await_turn(self, tenant_id: str, message_id: str, *, wait: timedelta) -> AwaitTurnResponse:
        self._answer()
        self.waits.append(wait.total_seconds())
        turn = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
        if turn is not None and turn.state == TurnState.TURN_STATE_RUNNING:
            self.clock.now += wait
        replies = [Message(text="hi"), Message(text="there")] if turn is not None and turn.HasField("ended_at") else []
        return AwaitTurnResponse(turn=turn, replies=replies)


class Accounts:
    async def find(self, tenant_id: str, account_id: str) -> ChannelAccount:
        return ChannelAccount(id=account_id or "api-of-" + tenant_id, channel="api")


def a_turn(state: TurnState, reason: str = "") -> Turn:
    turn = Turn(id="u1", state=state, reason=reason, created_at=stamp(NOW))
    if state != TurnState.TURN_STATE_RUNNING:
        turn.ended_at.CopyFrom(stamp(NOW + timedelta(seconds=2)))
    return turn


def a_request(**given: str) -> HandleMessageRequest:
    return HandleMessageRequest(**{"tenant_id": "t1", "request_id": "r1", "chat_id": "chat", "text": "hello", **given})


async def test_the_answer_comes_with_where_it_is_kept_and_how_long_it_took() -> None:
    clock = Clock()
    conversations = Conversations(clock, a_turn(TurnState.TURN_STATE_REPLIED))

    answer = await Door(conversations, Accounts(), now=clock).handle(a_request(), seconds=30)

    assert (answer.conversation_id, answer.message_id, answer.turn_id) == ("c1", "m1", "u1")
    assert (answer.state, list(answer.replies)) == (TurnState.TURN_STATE_REPLIED, ["hi", "there"])
    assert answer.took.seconds == 2
    assert not answer.duplicate


async def test_what_is_said_is_accepted_like_a_webhook_under_the_request_id() -> None:
    clock = Clock()
    conversations = Conversations(clock, a_turn(TurnState.TURN_STATE_REPLIED))

    await Door(conversations, Accounts(), now=clock).handle(a_request(text="he\0llo"), seconds=30)

    (submission,) = conversations.submissions
    (message,) = submission.messages
    assert (submission.tenant_id, submission.account_id) == ("t1", "api-of-t1")
    assert (message.channel, message.chat_id, message.sender_id) == ("api", "chat", "chat")
    assert (message.provider_message_id, message.text) == ("r1", "hello")


async def test_the_same_request_again_gets_the_first_answer() -> None:
    clock = Clock()
    door = Door(Conversations(clock, a_turn(TurnState.TURN_STATE_REPLIED)), Accounts(), now=clock)

    first, second = await door.handle(a_request(), seconds=30), await door.handle(a_request(), seconds=30)

    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.replies == second.replies


async def test_a_request_id_that_was_used_for_another_text_is_refused_and_not_answered_with_the_first() -> None:
    clock = Clock()
    door = Door(Conversations(clock, a_turn(TurnState.TURN_STATE_REPLIED)), Accounts(), now=clock)
    await door.handle(a_request(text="hel\0lo"), seconds=30)

    assert (await door.handle(a_request(text="hello"), seconds=30)).duplicate
    with pytest.raises(AlreadyExists, match="request_id: another text") as refused:
        await door.handle(a_request(text="and another thing"), seconds=30)
    assert refused.value.metadata == {"resource": "request"}


async def test_what_was_said_with_a_request_id_and_erased_is_not_there() -> None:
    clock = Clock()
    conversations = Conversations(clock, a_turn(TurnState.TURN_STATE_REPLIED))
    door = Door(conversations, Accounts(), now=clock)
    await door.handle(a_request(), seconds=30)
    conversations.erased = True
    with pytest.raises(NotFound, match="erased"):
        await door.handle(a_request(), seconds=30)


async def test_a_deadline_that_passes_first_is_said_in_time_to_be_read() -> None:
    clock = Clock()
    conversations = Conversations(clock, a_turn(TurnState.TURN_STATE_RUNNING))

    with pytest.raises(DeadlineExceeded, match="same request id"):
        await Door(conversations, Accounts(), now=clock).handle(a_request(), seconds=200)

    assert clock.now - NOW < timedelta(seconds=200)
    assert max(conversations.waits) <= 120


async def test_a_storage_that_restarts_is_waited_for_and_accepts_once() -> None:
    clock = Clock()
    conversations = Conversations(clock, a_turn(TurnState.TURN_STATE_REPLIED))
    conversations.away = [Unreachable("gone"), StorageUnavailable(), None, Unreachable("gone"), Unreachable("gone")]

    answer = await Door(conversations, Accounts(), now=clock, rest=clock.rest).handle(a_request(), seconds=30)

    assert list(answer.replies) == ["hi", "there"]
    assert (len(conversations.submissions), len(clock.rests)) == (1, 4)


async def test_a_storage_that_stays_away_is_said_to_be_away_and_what_it_took_before_to_be_accepted() -> None:
    for away, error in ([], Unreachable), ([None], DeadlineExceeded):
        clock = Clock()
        conversations = Conversations(clock, a_turn(TurnState.TURN_STATE_REPLIED))
        conversations.away = [*away, *[Unreachable("gone")] * 1000]
        with pytest.raises(error):
            await Door(conversations, Accounts(), now=clock, rest=clock.rest).handle(a_request(), seconds=30)
        assert timedelta(seconds=29) < clock.now - NOW < timedelta(seconds=30)


async def test_a_storage_that_stops_and_waits_for_nothing_is_not_asked_without_a_pause() -> None:
    clock = Clock()
    conversations = Conversations(
        clock, *[a_turn(TurnState.TURN_STATE_WAITING)] * 20, a_turn(TurnState.TURN_STATE_REPLIED)
    )

    await Door(conversations, Accounts(), now=clock, rest=clock.rest).handle(a_request(), seconds=30)

    assert clock.rests == [0.25] * 20


async def test_a_failed_turn_says_why_and_what_the_person_was_told() -> None:
    clock = Clock()
    conversations = Conversations(clock, a_turn(TurnState.TURN_STATE_FAILED, "model_timeout"))

    answer = await Door(conversations, Accounts(), now=clock).handle(a_request(), seconds=30)

    assert (answer.state, answer.reason) == (TurnState.TURN_STATE_FAILED, "model_timeout")
    assert answer.replies


async def test_where_the_agent_is_silent_there_is_no_turn_and_no_wait() -> None:
    clock = Clock()

    answer = await Door(Conversations(clock, None), Accounts(), now=clock).handle(a_request(), seconds=30)

    assert (answer.state, answer.reason) == (TurnState.TURN_STATE_SUPPRESSED, "owner_not_agent")


async def test_the_mesh_itself_must_name_the_tenant() -> None:
    clock = Clock()

    with pytest.raises(InvalidField):
        await Door(Conversations(clock, None), Accounts(), now=clock).handle(a_request(tenant_id=""), seconds=30)


async def test_an_id_that_cannot_be_kept_is_named_as_the_caller_named_it() -> None:
    clock = Clock()
    conversations = Conversations(clock, a_turn(TurnState.TURN_STATE_REPLIED))

    request = a_request(chat_id="ch\0at", request_id="r\0", text="he\0llo")

    with pytest.raises(InvalidField) as refused:
        await Door(conversations, Accounts(), now=clock).handle(request, seconds=30)

    assert [field for field, _ in refused.value.violations] == ["request_id", "chat_id"]
    assert conversations.submissions == []
