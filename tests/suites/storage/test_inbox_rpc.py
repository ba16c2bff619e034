"""Inbox and outbox through the front door: the real service on a real port, as its __main__ runs it."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from kit.errors import InvalidField, from_rpc
from kit.ids import new_id
from kit.lifetime import Lifetime
from kit.moments import span, utc_now
from parley.chat.v1.message_pb2 import (
    DELIVERY_STATE_QUEUED,
    DELIVERY_STATE_UNKNOWN,
    OWNER_HUMAN,
    TURN_STATE_REPLIED,
    ChannelMessage,
)
from parley.storage.v1 import conversation_service_pb2 as conversations
from parley.storage.v1 import delivery_requests_pb2 as attempts
from parley.storage.v1 import directory_service_pb2 as directory
from parley.storage.v1 import inbox_service_pb2 as inbox
from parley.storage.v1 import outbox_service_pb2 as outbox
from parley.storage.v1 import turn_requests_pb2 as turns
from parley.storage.v1.conversation_service_pb2_grpc import ConversationServiceStub
from parley.storage.v1.directory_service_pb2_grpc import DirectoryServiceStub
from parley.storage.v1.inbox_service_pb2_grpc import InboxServiceStub
from parley.storage.v1.outbox_service_pb2_grpc import OutboxServiceStub
from storage_service.__main__ import serve
from storage_service.settings import Settings
from tests.postgres import Server
from tests.simulated.wire import free_port
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.hot import DATABASES

TOKEN = "mesh-token-of-the-tests"


class Mesh:
    """The services, called as a service of the mesh."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        stubs = (InboxServiceStub, OutboxServiceStub, DirectoryServiceStub, ConversationServiceStub)
        self._stubs = tuple(stub(channel) for stub in stubs)

    def start(self, name: str, request: object, seconds: float = PATIENCE_SECONDS) -> Any:
        rpc = next(getattr(stub, name) for stub in self._stubs if hasattr(stub, name))
        return rpc(request, timeout=seconds, metadata=(("authorization", f"Bearer {TOKEN}"),))

    async def accept(
        self, provider_id: str, chat_id: str = "chat", text: str = "hi", **more: Any
    ) -> inbox.AcceptedMessage:
        listed = await self.start("ListChannelAccounts", directory.ListChannelAccountsRequest(tenant_id="default"))
        account = next(each for each in listed.accounts if each.channel == "webchat")
        message = ChannelMessage(
            channel="webchat", chat_id=chat_id, sender_id=chat_id, text=text, provider_message_id=provider_id, **more
        )
        submission = inbox.Submission(tenant_id="default", account_id=account.id, messages=[message])
        response: inbox.AcceptResponse = await self.start("Accept", inbox.AcceptRequest(submissions=[submission]))
        return response.results[0].messages[0]

    async def lease(self, worker: str, wait_seconds: float = 30, most: int = 10) -> turns.LeaseTurnsResponse:
        response: turns.LeaseTurnsResponse = await self.start("LeaseTurns", a_lease(worker, wait_seconds, most=most))
        return response

    async def answer(self, turn: turns.LeasedTurn, worker: str, *replies: str) -> turns.TurnResult:
        commit = turns.TurnCommit(
            tenant_id=turn.tenant_id,
            turn_id=turn.turn_id,
            epoch=turn.epoch,
            owner_epoch=turn.setting.owner_epoch,
            state=TURN_STATE_REPLIED,
            replies=replies,
        )
        request = turns.CommitTurnsRequest(worker_id=worker, turns=[commit])
        response: turns.CommitTurnsResponse = await self.start("CommitTurns", request)
        return response.results[0]

    async def lease_deliveries(self, worker: str, most: int = 10) -> attempts.LeaseDeliveriesResponse:
        wait = span(timedelta(seconds=30))
        request = attempts.LeaseDeliveriesRequest(worker_id=worker, max_deliveries=most, wait=wait)
        response: attempts.LeaseDeliveriesResponse = await self.start("LeaseDeliveries", request)
        return response

    async def record(self, worker: str, delivery: attempts.LeasedDelivery, outcome: str) -> attempts.AttemptResult:
        record = attempts.AttemptRecord(
            tenant_id=delivery.tenant_id,
            delivery_id=delivery.delivery_id,
            epoch=delivery.epoch,
            parts=1,
            outcome=f"ATTEMPT_OUTCOME_{outcome}",
        )
        request = attempts.RecordAttemptsRequest(worker_id=worker, attempts=[record])
        response: attempts.RecordAttemptsResponse = await self.start("RecordAttempts", request)
        return response.results[0]


def a_lease(worker: str, wait_seconds: float, lease_seconds: float = 30, *, most: int = 10) -> turns.LeaseTurnsRequest:
    wait, lease = span(timedelta(seconds=wait_seconds)), span(timedelta(seconds=lease_seconds))
    return turns.LeaseTurnsRequest(worker_id=worker, max_turns=most, wait=wait, lease=lease)


@pytest.fixture(params=DATABASES)
async def mesh(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Server) -> AsyncIterator[Mesh]:
    url = postgres_server.fresh() if request.param == "postgres" else ""
    address = f"127.0.0.1:{free_port()}"
    settings = Settings(
        data_dir=tmp_path / "data",
        database_url=url,
        storage_address=address,
        mesh_token=TOKEN,
        mesh_drain_delay_seconds=0,
        storage_sweep_seconds=0.1,
    )
    lifetime = Lifetime()
    service = asyncio.create_task(serve(settings, lifetime))
    assert await lifetime.wait_ready(["storage"])
    async with grpc.aio.insecure_channel(address) as channel:
        yield Mesh(channel)
    lifetime.stop()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await service


async def test_the_longest_texts_of_many_chats_reach_a_client_that_takes_what_grpc_takes_off_the_shelf(
    mesh: Mesh,
) -> None:
    for number in range(18):
        await mesh.accept(f"{number}", f"chat-{number}", "😀" * 65536)
    told: list[str] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(told) < 18:
            for turn in (await mesh.lease("w1", most=256)).turns:
                assert not (await mesh.answer(turn, "w1", "😀" * 65536)).HasField("error")
                told.append(turn.conversation_id)
    sent: list[str] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(sent) < 18:
            for delivery in (await mesh.lease_deliveries("s1", most=256)).deliveries:
                await mesh.record("s1", delivery, "BEGUN")
                await mesh.record("s1", delivery, "SENT")
                sent.append(delivery.conversation_id)
    assert sorted(sent) == sorted(told) == sorted(set(told))


async def test_a_message_goes_in_and_its_answer_out(mesh: Mesh) -> None:
    waiting = asyncio.ensure_future(mesh.lease("w1"))
    await asyncio.sleep(0.1)
    accepted = await mesh.accept("1")
    (turn,) = (await waiting).turns
    assert turn.turn_id == accepted.turn_id
    assert turn.setting.system_prompt
    assert not (await mesh.answer(turn, "w1", "hello")).HasField("error")
    leased = await mesh.lease_deliveries("s1")
    (delivery,) = leased.deliveries
    assert [account.account.id for account in leased.accounts] == [delivery.account_id]
    assert not (await mesh.record("s1", delivery, "BEGUN")).HasField("error")
    assert not (await mesh.record("s1", delivery, "SENT")).HasField("error")
    assert (await mesh.accept("1")).duplicate


@pytest.fixture
def fast_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of storage's machine is ten minutes ahead."""
    monkeypatch.setattr("storage_service.__main__.utc_now", lambda: utc_now() + timedelta(minutes=10))


async def test_what_an_operator_says_is_due_by_the_clock_of_those_who_send_it(fast_clock: None, mesh: Mesh) -> None:
    accepted = await mesh.accept("1")
    request = outbox.QueueMessageRequest(
        tenant_id="default", request_id=new_id(), conversation_id=accepted.conversation_id, text="I am Eve."
    )
    await mesh.start("QueueMessage", request)
    assert [each.text for each in (await mesh.lease_deliveries("s1")).deliveries] == ["I am Eve."]


async def test_calls_that_are_cancelled_at_any_moment_lose_no_turn(mesh: Mesh) -> None:
    """Cancelled before and while storage fills it, the turn goes back at once; when the answer is on the wire already,
    which no server can see, the lease's own end is the net."""
    dice, cancelled = random.Random(7), 0
    for number in range(25):
        call = mesh.start("LeaseTurns", a_lease("gone", 5, lease_seconds=1))
        accepting = asyncio.ensure_future(mesh.accept(f"{number}", chat_id=f"{number}"))
        await asyncio.sleep(dice.random() * 0.012)
        accepted, worker = (await accepting if call.done() else None), "gone"
        if call.cancel():
            cancelled, worker = cancelled + 1, "here"
            call = mesh.start("LeaseTurns", a_lease("here", 30))
        async with asyncio.timeout(PATIENCE_SECONDS):
            (turn,) = (await call).turns
        assert turn.turn_id == (accepted or await accepting).turn_id
        await mesh.answer(turn, worker, "hello")
    assert cancelled >= 5


async def test_an_operators_message_stands_at_the_end_of_the_lane_once(mesh: Mesh) -> None:
    accepted = await mesh.accept("1")
    request = outbox.QueueMessageRequest(
        tenant_id="default", request_id=new_id(), conversation_id=accepted.conversation_id, text="A human here."
    )
    first = await mesh.start("QueueMessage", request)
    again = await mesh.start("QueueMessage", request)
    assert (again.message_id, again.delivery_id, again.duplicate) == (first.message_id, first.delivery_id, True)
    (delivery,) = (await mesh.lease_deliveries("s1")).deliveries
    assert (delivery.delivery_id, delivery.text) == (first.delivery_id, "A human here.")


async def test_a_person_can_see_and_retry_what_may_not_have_been_sent(mesh: Mesh) -> None:
    await mesh.accept("1")
    (turn,) = (await mesh.lease("w1")).turns
    await mesh.answer(turn, "w1", "hello")
    (delivery,) = (await mesh.lease_deliveries("s1")).deliveries
    await mesh.record("s1", delivery, "BEGUN")
    await mesh.record("s1", delivery, "UNKNOWN")
    listing = outbox.ListDeliveriesRequest(tenant_id="default", state=DELIVERY_STATE_UNKNOWN)
    (unknown,) = (await mesh.start("ListDeliveries", listing)).deliveries
    assert (unknown.id, unknown.attempts) == (delivery.delivery_id, 1)
    request = outbox.RetryDeliveryRequest(tenant_id="default", request_id=new_id(), delivery_id=unknown.id)
    assert (await mesh.start("RetryDelivery", request)).delivery.state == DELIVERY_STATE_QUEUED
    assert (await mesh.start("RetryDelivery", request)).duplicate
    (again,) = (await mesh.lease_deliveries("s1")).deliveries
    assert again.delivery_id == delivery.delivery_id
    assert again.epoch > delivery.epoch
    assert (await mesh.start("ListDeliveries", listing)).deliveries == []


async def test_a_context_is_shown_as_the_next_turn_would_be_leased_and_nothing_is_leased(mesh: Mesh) -> None:
    said = await mesh.accept("1")
    (turn,) = (await mesh.lease("w1")).turns
    await mesh.answer(turn, "w1", "hello")
    await mesh.accept("2")
    ask = conversations.GetContextRequest(tenant_id="default", conversation_id=said.conversation_id)

    shown = (await mesh.start("GetContext", ask)).turn
    (leased,) = (await mesh.lease("w1")).turns
    again = (await mesh.start("GetContext", ask)).turn
    await mesh.answer(leased, "w1", "and hello")
    rest = (await mesh.start("GetContext", ask)).turn

    assert [each.text for each in shown.history] == ["hi", "hello"]
    for field in ("turn_id", "messages", "history", "correlation_id", "channel"):
        assert getattr(shown, field) == getattr(again, field) == getattr(leased, field), field
    assert shown.setting.system_prompt == leased.setting.system_prompt
    assert (shown.epoch, len(rest.messages), len(rest.history)) == (0, 0, 4)
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await mesh.start("GetContext", conversations.GetContextRequest(tenant_id="default", conversation_id="no"))
    assert missing.value.code() is grpc.StatusCode.NOT_FOUND


async def test_an_echo_of_the_team_takes_over_before_the_provider_hears_that_it_was_accepted(mesh: Mesh) -> None:
    said = await mesh.accept("1")
    await mesh.accept("2", from_team=True)
    ask = conversations.GetConversationRequest(tenant_id="default", conversation_id=said.conversation_id)
    shown = (await mesh.start("GetConversation", ask)).conversation
    assert (shown.owner, shown.last_seq) == (OWNER_HUMAN, 2)


@pytest.mark.parametrize(
    ("field", "usage"),
    [
        ("input_tokens", turns.Usage(input_tokens=2**63 - 1)),
        ("output_tokens", turns.Usage(output_tokens=10**12 + 1)),
        ("cost_micros", turns.Usage(cost_micros=2**63 - 1)),
        ("model_time", turns.Usage(model_time=Duration(seconds=315_576_000_000))),
        ("model_time", turns.Usage(model_time=Duration(seconds=-5))),
    ],
)
async def test_what_no_turn_can_have_taken_is_refused_by_the_name_of_its_field(
    mesh: Mesh, field: str, usage: turns.Usage
) -> None:
    """Such as the largest number that there is, where a worker means that it does not know."""
    commit = turns.TurnCommit(tenant_id="default", turn_id="t", epoch=1, state=TURN_STATE_REPLIED, usage=usage)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await mesh.start("CommitTurns", turns.CommitTurnsRequest(worker_id="w", turns=[commit]))
    refusal = from_rpc(refused.value)
    assert isinstance(refusal, InvalidField)
    assert [name for name, _ in refusal.violations] == [f"turns[0].usage.{field}"]
