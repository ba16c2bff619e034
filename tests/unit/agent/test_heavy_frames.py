"""Long texts that come at once: does every one of them get through, though no frame may hold them all?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_service.backends.inbox import Habits, Inbox
from kit import local
from kit.calling import Mesh
from kit.serving import Server
from kit.settings import Settings
from parley.chat.v1.message_pb2 import TURN_STATE_REPLIED, ChannelMessage
from parley.storage.v1 import inbox_service_pb2 as inbox
from parley.storage.v1 import signal_requests_pb2 as signals
from parley.storage.v1 import turn_requests_pb2 as turns
from parley.storage.v1.inbox_service_pb2_grpc import add_InboxServiceServicer_to_server
from tests.stalls import SHORT_PATIENCE_SECONDS
from tests.unit.agent.desk import Desk

LONGEST = "😀" * 65536
COUNT = 24
LARGEST_BYTES = 4 * 1024 * 1024


@dataclass
class Pausing(Desk):
    """Stands still in its first call, so that all the others come meanwhile."""

    frames: list[int] = field(default_factory=list)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def Accept(self, request: inbox.AcceptRequest, _context: Any) -> inbox.AcceptResponse:  # noqa: N802
        await self._note(request.submissions)
        results = [
            inbox.SubmissionResult(messages=[inbox.AcceptedMessage(message_id=each.messages[0].provider_message_id)])
            for each in request.submissions
        ]
        return inbox.AcceptResponse(results=results)

    async def CommitTurns(  # noqa: N802
        self, request: turns.CommitTurnsRequest, _context: Any
    ) -> turns.CommitTurnsResponse:
        await self._note(request.turns)
        return turns.CommitTurnsResponse(results=[turns.TurnResult() for _ in request.turns])

    async def ShareDrafts(  # noqa: N802
        self, request: signals.ShareDraftsRequest, _context: Any
    ) -> signals.ShareDraftsResponse:
        await self._note(request.drafts)
        return signals.ShareDraftsResponse(results=[signals.DraftResult(granted=True) for _ in request.drafts])

    async def _note(self, items: Any) -> None:
        self.frames.append(len(items))
        await self.goes_on.wait()


@pytest.fixture(params=["wire", "one process"])
async def door(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Inbox, Pausing]]:
    with local.share() if request.param == "one process" else nullcontext():
        given: dict[str, Any] = {"data_dir": tmp_path, "mesh_drain_delay_seconds": 0}
        settings = Settings(**given, mesh_max_message_bytes=LARGEST_BYTES)
        pausing, server = Pausing(), Server("storage", "127.0.0.1:0", settings=settings)
        server.add(add_InboxServiceServicer_to_server, pausing, service="parley.storage.v1.InboxService")
        mesh = Mesh(settings.model_copy(update={"storage_address": f"127.0.0.1:{await server.start()}"}))
        await mesh.open()
        lease = timedelta(seconds=30)
        yield Inbox(mesh.channel("storage"), Habits("w1", lease, lease, history=20)), pausing
        await mesh.close()
        await server.drain(0)


async def all_of(calls: list[Any], pausing: Pausing) -> list[Any]:
    asked = [asyncio.create_task(each) for each in calls]
    async with asyncio.timeout(SHORT_PATIENCE_SECONDS):
        while not pausing.frames:
            await asyncio.sleep(0.01)
    pausing.goes_on.set()
    async with asyncio.timeout(SHORT_PATIENCE_SECONDS):
        return await asyncio.gather(*asked)


async def test_texts_that_are_accepted_together(door: tuple[Inbox, Pausing]) -> None:
    storage, pausing = door
    said = [
        ChannelMessage(channel="api", chat_id="c", sender_id="c", provider_message_id=f"{n}", text=LONGEST)
        for n in range(COUNT)
    ]
    submissions = [inbox.Submission(tenant_id="t", account_id="a", messages=[each]) for each in said]
    accepted = await all_of([storage.accept(each) for each in submissions], pausing)
    assert [each.message_id for each in accepted] == [f"{n}" for n in range(COUNT)]
    assert 1 < max(pausing.frames) < COUNT - 1


async def test_replies_that_are_committed_together(door: tuple[Inbox, Pausing]) -> None:
    storage, pausing = door
    ends = [
        turns.TurnCommit(tenant_id="t", turn_id=f"{n}", epoch=1, state=TURN_STATE_REPLIED, replies=[LONGEST])
        for n in range(COUNT)
    ]
    await all_of([storage.commit(each) for each in ends], pausing)
    assert sum(pausing.frames) == COUNT


async def test_drafts_that_are_shared_together(door: tuple[Inbox, Pausing]) -> None:
    storage, pausing = door
    drafts = [signals.TurnDraft(tenant_id="t", turn_id=f"{n}", epoch=1, text=LONGEST) for n in range(COUNT)]
    assert all(await all_of([storage.share(each) for each in drafts], pausing))
    assert sum(pausing.frames) == COUNT
