"""What does a turn cost the whole process that answers it? A worker, a storage of its own, and people who write to it.

Each worker gets a copy of the same file, so that they take turns in one run and never take each other's.
"""

import asyncio
import itertools
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from grpc import aio

from bench import cost, talks
from bench.systems import Processes
from parley.chat.v1.message_pb2 import TURN_STATE_REPLIED
from parley.storage.v1 import turn_requests_pb2 as turns
from parley.storage.v1.conversation_service_pb2 import AwaitTurnRequest
from parley.storage.v1.conversation_service_pb2_grpc import ConversationServiceStub
from parley.storage.v1.inbox_service_pb2 import AcceptRequest, Submission
from parley.storage.v1.inbox_service_pb2_grpc import InboxServiceStub
from tests.simulated.wire import free_port

TOKEN = "bench-mesh-token-bench-mesh-token"
METADATA = (("authorization", f"Bearer {TOKEN}"),)
START_SECONDS, ANSWER_SECONDS = 30.0, 30.0
BENCH = "bench"


@dataclass(frozen=True, slots=True)
class Kind:
    """A worker: its name in the table, its module, and what else it is told."""

    name: str
    module: str
    environment: dict[str, str] = field(default_factory=dict)


class Stand:
    """One worker with its storage."""

    def __init__(self, kind: Kind, *, folder: Path, llm_port: int) -> None:
        self.kind = kind
        self._folder, self._children = folder, Processes()
        storage = f"127.0.0.1:{free_port()}"
        self._environment = {
            "DATABASE_URL": f"sqlite:///{folder / 'parley.db'}",
            "DATA_DIR": str(folder),
            "STORAGE_ADDRESS": storage,
            "AGENT_ADDRESS": f"127.0.0.1:{free_port()}",
            "LLM_ADDRESS": f"127.0.0.1:{llm_port}",
            "LOG_LEVEL": "warning",
            "MESH_TOKEN": TOKEN,
            **kind.environment,
        }
        self._channel = aio.insecure_channel(storage)
        self._inbox = InboxServiceStub(self._channel)
        self._conversations = ConversationServiceStub(self._channel)
        self._numbers = itertools.count()
        self._used: dict[int, int] = {}

    async def open(self, file: Path) -> None:
        """Starts the storage on a copy of the file."""
        self._folder.mkdir()
        await asyncio.to_thread(shutil.copy, file, self._folder / "parley.db")
        self._spawn("storage_service")
        await asyncio.wait_for(self._channel.channel_ready(), START_SECONDS)

    def start(self) -> None:
        """Lets the worker work."""
        self._spawn(self.kind.module)

    async def close(self) -> None:
        await self._channel.close()
        await self._children.stop()

    async def lease(self, each: talks.Talks, *, history: int) -> list[bytes]:
        """Turns as storage leases them, one of each person's; they are ended here."""
        first = self._first(each, rounds=1)
        said = [self._said(each.chat(first + person)) for person in range(talks.PEOPLE)]
        await self._inbox.Accept(AcceptRequest(submissions=said), metadata=METADATA, timeout=10)
        request = turns.LeaseTurnsRequest(worker_id=BENCH, max_turns=256, history=history, wait=timedelta(seconds=1))
        leased: list[turns.LeasedTurn] = []
        while len(leased) < talks.PEOPLE:
            leased += (await self._inbox.LeaseTurns(request, metadata=METADATA, timeout=10)).turns
        await self._end(leased)
        return [turn.SerializeToString() for turn in leased]

    async def round(self, each: talks.Talks, count: int) -> float:
        """CPU microseconds of the worker per turn, while all people write, wait for the answer, and write again."""
        per_person = count // talks.PEOPLE
        first, pid = self._first(each, rounds=per_person), self._children.pids()[self.kind.module]
        before = cost.cpu_nanoseconds(pid)

        async def write(person: int) -> None:
            for number in range(per_person):
                await self._answered(each.chat(first + number * talks.PEOPLE + person))

        await asyncio.gather(*map(write, range(talks.PEOPLE)))
        return (cost.cpu_nanoseconds(pid) - before) / 1000 / (per_person * talks.PEOPLE)

    async def _answered(self, chat: str) -> None:
        request = AcceptRequest(submissions=[self._said(chat)])
        accepted = await self._inbox.Accept(request, metadata=METADATA, timeout=10)
        asked = AwaitTurnRequest(
            tenant_id=talks.TENANT,
            message_id=accepted.results[0].messages[0].message_id,
            wait=timedelta(seconds=ANSWER_SECONDS),
        )
        ended = await self._conversations.AwaitTurn(asked, metadata=METADATA, timeout=ANSWER_SECONDS + 5)
        assert ended.turn.state == TURN_STATE_REPLIED, ended

    async def _end(self, leased: Sequence[turns.LeasedTurn]) -> None:
        commits = [
            turns.TurnCommit(
                tenant_id=turn.tenant_id,
                turn_id=turn.turn_id,
                epoch=turn.epoch,
                owner_epoch=turn.setting.owner_epoch,
                state=TURN_STATE_REPLIED,
                replies=["It is on its way."],
            )
            for turn in leased
        ]
        frame = turns.CommitTurnsRequest(worker_id=BENCH, turns=commits)
        await self._inbox.CommitTurns(frame, metadata=METADATA, timeout=10)

    def _said(self, chat: str) -> Submission:
        return talks.submission(chat, next(self._numbers))

    def _first(self, each: talks.Talks, *, rounds: int) -> int:
        """The number of the first conversation that is next, when each person needs so many."""
        first = self._used.get(each.history, 0)
        self._used[each.history] = first + rounds * talks.PEOPLE
        return first

    def _spawn(self, module: str) -> None:
        self._children.spawn(module, [sys.executable, "-m", module], self._environment, self._folder)
