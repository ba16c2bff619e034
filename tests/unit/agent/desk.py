"""An InboxService in memory that keeps storage's promises about leases, behind a real server, and a worker at it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from agent_service.backends.inbox import Habits, Inbox
from agent_service.domain.turn import Rules, Story
from agent_service.domain.worker import Terms, Worker
from agent_service.settings import Settings
from kit import logs
from kit.calling import Mesh
from kit.errors import LeaseLost, ParleyError, StorageUnavailable, as_item
from kit.moments import stamp, utc_now
from kit.serving import Server
from parley.chat.v1.message_pb2 import Message, Owner, Role, TurnKind
from parley.llm.v1.completion_pb2 import Completion
from parley.llm.v1.llm_service_pb2 import GenerateRequest, GenerateResponse
from parley.storage.v1 import inbox_service_pb2 as inbox
from parley.storage.v1 import turn_requests_pb2 as turns
from parley.storage.v1.inbox_service_pb2_grpc import InboxServiceServicer, add_InboxServiceServicer_to_server
from tests.stalls import SHORT_PATIENCE_SECONDS


@dataclass
class Desk(InboxServiceServicer):
    """Turns wait, are leased with a rising epoch, and end once."""

    waiting: list[str] = field(default_factory=list)
    epochs: dict[str, int] = field(default_factory=dict)
    committed: dict[str, turns.TurnCommit] = field(default_factory=dict)
    abandoned: list[str] = field(default_factory=list)
    extended: list[list[str]] = field(default_factory=list)
    asked_for: list[int] = field(default_factory=list)
    leasing: int = 0
    most_leasing: int = 0
    away: bool = False
    summaries: set[str] = field(default_factory=set)
    refusals: dict[str, ParleyError] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    behind: timedelta = timedelta(0)  # of its clock

    def add(self, *turn_ids: str) -> None:
        self.waiting.extend(turn_ids)
        self.changed.set()

    def expire(self, turn_id: str) -> None:
        """As if the lease had ended and somebody else had the turn now."""
        self.epochs[turn_id] += 1

    async def Accept(  # noqa: N802 - named by the contract
        self, request: inbox.AcceptRequest, _context: Any
    ) -> inbox.AcceptResponse:
        places = [inbox.AcceptedMessage(message_id=each.correlation_id) for each in request.submissions]
        return inbox.AcceptResponse(results=[inbox.SubmissionResult(messages=[place]) for place in places])

    async def LeaseTurns(  # noqa: N802 - named by the contract
        self, request: turns.LeaseTurnsRequest, _context: Any
    ) -> turns.LeaseTurnsResponse:
        self._here()
        self.asked_for.append(request.max_turns)
        self.leasing += 1
        self.most_leasing = max(self.most_leasing, self.leasing)
        try:
            while not self.waiting:
                self.changed.clear()
                await self.changed.wait()
                self._here()
        finally:
            self.leasing -= 1
        given, self.waiting = self.waiting[: request.max_turns], self.waiting[request.max_turns :]
        return turns.LeaseTurnsResponse(turns=[self._leased(turn_id, request) for turn_id in given])

    async def ExtendTurns(  # noqa: N802 - named by the contract
        self, request: turns.ExtendTurnsRequest, _context: Any
    ) -> turns.ExtendTurnsResponse:
        self._here()
        self.extended.append([lease.turn_id for lease in request.leases])
        return turns.ExtendTurnsResponse(results=[self._result(lease.turn_id, lease.epoch) for lease in request.leases])

    async def CommitTurns(  # noqa: N802 - named by the contract
        self, request: turns.CommitTurnsRequest, _context: Any
    ) -> turns.CommitTurnsResponse:
        self._here()
        results = [self._result(turn.turn_id, turn.epoch) for turn in request.turns]
        for turn, result in zip(request.turns, results, strict=True):
            if not result.HasField("error"):
                self.committed[turn.turn_id] = turn
        return turns.CommitTurnsResponse(results=results)

    async def ShareDrafts(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError

    async def AbandonTurns(  # noqa: N802 - named by the contract
        self, request: turns.AbandonTurnsRequest, _context: Any
    ) -> turns.AbandonTurnsResponse:
        self.abandoned.extend(lease.turn_id for lease in request.leases)
        return turns.AbandonTurnsResponse(results=[turns.TurnResult() for _ in request.leases])

    def _here(self) -> None:
        if self.away:
            raise StorageUnavailable(retry_after=timedelta(seconds=1))

    def _leased(self, turn_id: str, request: turns.LeaseTurnsRequest) -> turns.LeasedTurn:
        now = utc_now() - self.behind
        self.epochs[turn_id] = self.epochs.get(turn_id, 0) + 1
        message = Message(id=f"m-{turn_id}", seq=1, role=Role.ROLE_CONTACT, text=turn_id, created_at=stamp(now))
        return turns.LeasedTurn(
            tenant_id="t1",
            turn_id=turn_id,
            conversation_id=f"c-{turn_id}",
            epoch=self.epochs[turn_id],
            messages=[message],
            setting=turns.TurnSetting(owner=Owner.OWNER_AGENT, owner_epoch=7, fallback_text="sorry"),
            expires_at=stamp(now + request.lease.ToTimedelta()),
            deadline_at=stamp(now + timedelta(seconds=60)),
            correlation_id=f"corr-{turn_id}",
            kind=TurnKind.TURN_KIND_SUMMARY if turn_id in self.summaries else TurnKind.TURN_KIND_ANSWER,
            channel="api",
        )

    def _result(self, turn_id: str, epoch: int) -> turns.TurnResult:
        error = self.refusals.get(turn_id)
        if error is None and self.epochs.get(turn_id) != epoch:
            error = LeaseLost()
        return turns.TurnResult(error=None if error is None else as_item(error))


@dataclass
class Thinker:
    """A model that answers at once, or when `go` is set; texts in `breaks` break it; it may remember conversations."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    waits: bool = False
    breaks: set[str] = field(default_factory=set)
    thinking: int = 0
    thinking_about: list[str] = field(default_factory=list)
    most_thinking: int = 0
    cancelled: list[str] = field(default_factory=list)
    remembers: bool = False
    completion: Completion | None = None  # how each answer came about, as it says

    def window(self, model: str) -> int:
        return 4096

    def characters_per_token(self, model: str) -> float:
        return 4.0

    def names(self) -> frozenset[str]:
        return frozenset()

    async def generate(self, request: GenerateRequest, *, seconds: float) -> GenerateResponse:
        text = request.prompt.messages[-1].text
        self.thinking += 1
        self.thinking_about.append(text)
        self.most_thinking = max(self.most_thinking, self.thinking)
        try:
            if self.waits:
                await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.append(text)
            raise
        finally:
            self.thinking -= 1
        if text in self.breaks:
            raise KeyError(text)
        completion = Completion(model_conversation=f"conv of {text}") if self.remembers else self.completion
        return GenerateResponse(text=f"re: {text}", completion=completion)


@dataclass
class Scene:
    """A worker at the desk, and the way to stop it."""

    desk: Desk
    thinker: Thinker
    backend: Inbox
    stopping: asyncio.Event
    done: asyncio.Task[None]

    async def until(self, holds: Callable[[], bool], seconds: float = SHORT_PATIENCE_SECONDS) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                if self.done.done():
                    self.done.result()
                await asyncio.sleep(0.005)

    async def stop(self) -> None:
        self.stopping.set()
        async with asyncio.timeout(SHORT_PATIENCE_SECONDS):
            await asyncio.shield(self.done)


@asynccontextmanager
async def working(
    folder: Path,
    *,
    slots: int = 4,
    lease_seconds: float = 30.0,
    drain_seconds: float = 1.0,
    waits: bool = False,
    breath_seconds: float = 0.0,
) -> AsyncIterator[Scene]:
    """A worker that runs against a desk on a real server."""
    settings = Settings(data_dir=folder, mesh_drain_delay_seconds=0, log_level="error")
    logs.configure(settings, "agent")
    desk, thinker, stopping = Desk(), Thinker(waits=waits), asyncio.Event()
    server = Server("storage", "127.0.0.1:0", settings=settings)
    server.add(add_InboxServiceServicer_to_server, desk, service="parley.storage.v1.InboxService")
    mesh = Mesh(Settings(data_dir=folder, storage_address=f"127.0.0.1:{await server.start()}"))
    await mesh.open()
    lease = timedelta(seconds=lease_seconds)
    backend = Inbox(mesh.channel("storage"), Habits("w1", lease, timedelta(seconds=20), history=20))
    terms = Terms(slots, lease, drain_seconds, random=lambda: 0.0, now=utc_now, breath_seconds=breath_seconds)
    story = Story(thinker, Rules(25.0, 512, "sorry"), now=utc_now)
    done = asyncio.create_task(Worker(backend, story, terms=terms).run(stopping))
    try:
        yield Scene(desk, thinker, backend, stopping, done)
    finally:
        stopping.set()
        await asyncio.wait((done,), timeout=SHORT_PATIENCE_SECONDS)
        await backend.close()
        await mesh.close()
        await server.drain(0)
