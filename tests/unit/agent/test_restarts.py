"""When does a turn begin again because the contact wrote on, and when is it thought to its end?"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_service.backends.inbox import Habits, Inbox
from agent_service.domain.restarts import MOST_RESTARTS
from agent_service.domain.turn import Story
from agent_service.domain.worker import Terms, Worker
from agent_service.settings import Settings
from kit import logs
from kit.calling import Mesh
from kit.errors import ParleyError, StorageUnavailable
from kit.moments import utc_now
from kit.serving import Server
from parley.chat.v1.message_pb2 import Message, Role
from parley.storage.v1 import conversation_service_pb2 as conversations
from parley.storage.v1.conversation_service_pb2_grpc import add_ConversationServiceServicer_to_server
from parley.storage.v1.manners_pb2 import Manners, NewMessage
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, TurnCommit, TurnLease
from tests.stalls import SHORT_PATIENCE_SECONDS
from tests.unit.agent.desk import Thinker
from tests.unit.agent.telling import RULES, a_turn, said

RESTART = Manners(new_message=NewMessage.NEW_MESSAGE_RESTART)
LONG = timedelta(seconds=30)


@dataclass
class Desk:
    """Storage as a worker sees it: a turn that was given back to be merged comes again with one message more."""

    waiting: deque[LeasedTurn] = field(default_factory=deque)
    wrote: asyncio.Event = field(default_factory=asyncio.Event)
    watched: int = 0
    watchable: bool = True
    away: bool = False
    merged: int = 0
    committed: list[TurnCommit] = field(default_factory=list)
    _leased: dict[str, LeasedTurn] = field(default_factory=dict)

    async def lease(self, most: int) -> Sequence[LeasedTurn]:
        while not self.waiting:
            await asyncio.sleep(0.005)
        turn = self.waiting.popleft()
        self._leased[turn.turn_id] = turn
        return [turn]

    async def extend(self, leases: Sequence[TurnLease]) -> Sequence[ParleyError | None]:
        return [None for _ in leases]

    async def commit(self, commit: TurnCommit) -> None:
        self.committed.append(commit)

    async def abandon(self, leases: Sequence[TurnLease], *, merge: bool = False) -> None:
        if self.away:
            raise StorageUnavailable
        assert merge
        self.merged += 1
        self.wrote.clear()
        for lease in leases:
            turn = self._leased[lease.turn_id]
            turn.messages.append(said(f"and {self.merged}"))
            turn.more_waiting = False
            turn.epoch += 1
            self.waiting.append(turn)

    async def newer(self, turn: LeasedTurn) -> bool:
        self.watched += 1
        if self.watchable:
            await self.wrote.wait()
        return self.watchable


@dataclass
class Scene:
    """A worker at the desk with a model that thinks until it is let go."""

    desk: Desk
    thinker: Thinker

    async def until_thinking(self, text: str) -> None:
        async with asyncio.timeout(SHORT_PATIENCE_SECONDS):
            while text not in self.thinker.thinking_about:
                await asyncio.sleep(0.002)

    async def commit(self) -> TurnCommit:
        async with asyncio.timeout(SHORT_PATIENCE_SECONDS):
            while not self.desk.committed:
                await asyncio.sleep(0.002)
        return self.desk.committed[0]


@asynccontextmanager
async def working(turn: LeasedTurn) -> AsyncIterator[Scene]:
    scene = Scene(Desk(deque([turn])), Thinker(waits=True))
    turn.deadline_at.FromDatetime(utc_now() + timedelta(seconds=60))
    stopping = asyncio.Event()
    story = Story(scene.thinker, RULES, now=utc_now)
    worker = Worker(scene.desk, story, terms=Terms(2, LONG, 0.1, random=lambda: 0.0, now=utc_now))
    done = asyncio.create_task(worker.run(stopping))
    try:
        yield scene
    finally:
        stopping.set()
        await asyncio.wait((done,), timeout=SHORT_PATIENCE_SECONDS)


async def test_a_message_that_comes_while_the_model_thinks_stops_it_and_is_answered_too() -> None:
    async with working(a_turn("one", manners=RESTART)) as scene:
        await scene.until_thinking("one")
        scene.desk.wrote.set()
        await scene.until_thinking("and 1")
        scene.thinker.go.set()
        commit = await scene.commit()

    assert scene.thinker.cancelled == ["one"]
    assert (commit.epoch, list(commit.replies)) == (2, ["re: and 1"])
    assert len(scene.desk.committed) == 1


async def test_what_waits_already_at_the_lease_is_merged_before_the_model_is_asked() -> None:
    turn = a_turn("one", manners=RESTART)
    turn.more_waiting = True
    async with working(turn) as scene:
        await scene.until_thinking("and 1")
        scene.thinker.go.set()
        await scene.commit()

    assert scene.thinker.cancelled == []
    assert scene.desk.merged == 1


async def test_after_a_few_restarts_the_turn_is_thought_to_its_end() -> None:
    async with working(a_turn("one", manners=RESTART)) as scene:
        for text in ("one", "and 1", "and 2"):
            await scene.until_thinking(text)
            scene.desk.wrote.set()
        await scene.until_thinking("and 3")
        scene.desk.wrote.set()
        await asyncio.sleep(0.05)
        scene.thinker.go.set()
        commit = await scene.commit()

    assert scene.desk.merged == MOST_RESTARTS
    assert list(commit.replies) == ["re: and 3"]


async def test_an_agent_that_queues_is_not_watched_at_all() -> None:
    async with working(a_turn("one")) as scene:
        scene.thinker.go.set()
        await scene.commit()

    assert (scene.desk.watched, scene.desk.merged) == (0, 0)


async def test_when_nothing_can_be_watched_the_turn_goes_on() -> None:
    turn = a_turn("one", manners=RESTART)
    async with working(turn) as scene:
        scene.desk.watchable = False
        await scene.until_thinking("one")
        await asyncio.sleep(0.02)
        scene.thinker.go.set()
        commit = await scene.commit()

    assert list(commit.replies) == ["re: one"]


async def test_when_the_turn_cannot_be_given_back_it_is_answered_as_it_is() -> None:
    async with working(a_turn("one", manners=RESTART)) as scene:
        scene.desk.away = True
        await scene.until_thinking("one")
        scene.desk.wrote.set()
        scene.thinker.go.set()
        commit = await scene.commit()

    assert list(commit.replies) == ["re: one"]


Frame = tuple[tuple[Role, str], ...]
AGENT, CONTACT = Role.ROLE_AGENT, Role.ROLE_CONTACT


class Hall:
    """Shows what was said, frame by frame: by whom, and in which turn."""

    def __init__(self, *frames: Frame) -> None:
        self.frames = frames
        self.asked: list[conversations.WatchMessagesRequest] = []

    async def WatchMessages(  # noqa: N802 - named by the contract
        self, request: conversations.WatchMessagesRequest, _context: Any
    ) -> AsyncIterator[conversations.WatchMessagesResponse]:
        self.asked.append(request)
        for frame in self.frames:
            messages = [Message(text="x", role=role, turn_id=turn_id) for role, turn_id in frame]
            yield conversations.WatchMessagesResponse(messages=messages)

    def __getattr__(self, name: str) -> Callable[[object, object], Awaitable[object]]:
        async def unserved(_request: object, _context: object) -> object:
            raise NotImplementedError(name)

        return unserved


@pytest.mark.parametrize(
    ("frames", "newer"),
    [
        (((), ((AGENT, "u1"),), ((CONTACT, "u2"),)), True),
        (((), ((AGENT, "u1"),)), False),
        ((((CONTACT, ""),),), False),  # an emoji under an old message
        ((((CONTACT, ""),), ((CONTACT, ""), (CONTACT, "u2"))), True),
    ],
)
async def test_only_what_the_contact_writes_to_be_answered_counts_as_newer(
    frames: tuple[Frame, ...], newer: bool, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, mesh_drain_delay_seconds=0, log_level="error")
    logs.configure(settings, "agent")
    hall = Hall(*frames)
    server = Server("storage", "127.0.0.1:0", settings=settings)
    server.add(add_ConversationServiceServicer_to_server, hall, service="parley.storage.v1.ConversationService")
    mesh = Mesh(Settings(data_dir=tmp_path, storage_address=f"127.0.0.1:{await server.start()}"))
    await mesh.open()
    inbox = Inbox(mesh.channel("storage"), Habits("w1", LONG, LONG, history=20))

    assert await inbox.newer(a_turn("a", "b", history=[said("x")])) is newer

    assert [(asked.conversation_id, asked.after_seq) for asked in hall.asked] == [("c1", 3)]
    await inbox.close()
    await mesh.close()
    await server.drain(0)
