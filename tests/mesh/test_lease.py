"""What becomes of work that storage hands out while the worker hangs up? Somebody else has it soon."""

import asyncio
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from kit.ids import new_id
from kit.moments import span
from parley.chat.v1.message_pb2 import ChannelMessage
from parley.storage.v1 import inbox_service_pb2 as inbox
from parley.storage.v1.directory_pb2 import ACCOUNT_STATE_ACTIVE, ChannelAccount
from parley.storage.v1.directory_service_pb2 import PutChannelAccountRequest
from parley.storage.v1.turn_requests_pb2 import LeaseTurnsRequest
from tests.mesh.rig import TENANT, Mesh, Plan, Storage
from tests.postgres import Server
from tests.stalls import PATIENCE_SECONDS

ROUNDS = 60
LATEST_SECONDS = 0.008  # by then the turn is leased and the answer is there
WORKERS = 4
BRIEFLY, FOR_GOOD = timedelta(seconds=1), timedelta(seconds=600)
WAIT = timedelta(seconds=10)
AGAIN_SECONDS = PATIENCE_SECONDS


@pytest.fixture(params=["sqlite", "postgres"])
def storage_alone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mesh]:
    """Storage without anybody else who would take work from it."""
    server: Server | None = request.getfixturevalue("postgres_server") if request.param == "postgres" else None
    mesh = Mesh(Plan(tmp_path, server.fresh() if server else f"sqlite:///{tmp_path / 'parley.db'}", ()))
    mesh.start("storage")
    yield mesh
    mesh.__exit__()


async def test_a_turn_that_is_leased_for_a_call_that_is_cancelled_meanwhile_is_soon_another_workers(
    storage_alone: Mesh,
) -> None:
    """Storage is frozen at a random moment after the accept, and who has no answer then hangs up: nobody has the turn,
    though storage may be in the midst of giving it away. What gRPC has taken from storage and not brought to the
    worker, storage cannot know of: there the lease's end is the net."""
    async with storage_alone.storage() as storage:
        account = await _account(storage)
        turns = {await _round(storage_alone, storage, account) for _ in range(ROUNDS)}
        found: set[str] = set()
        async with asyncio.timeout(AGAIN_SECONDS):
            while not turns <= found:
                found |= await _lease(storage, "stays", FOR_GOOD)


async def _round(mesh: Mesh, storage: Storage, account: ChannelAccount) -> str:
    """Everybody waits, a message comes in, storage freezes, and everybody hangs up."""
    calls = [asyncio.ensure_future(_lease(storage, "hangs-up", BRIEFLY)) for _ in range(WORKERS)]
    await asyncio.sleep(0.01)
    accepting = asyncio.create_task(_accept(storage, account))
    await asyncio.sleep(random.random() * LATEST_SECONDS)
    mesh.pause("storage")
    for call in calls:
        call.cancel()
    mesh.resume("storage")
    turn_id = await accepting
    await asyncio.gather(*calls, return_exceptions=True)
    return turn_id


async def _lease(storage: Storage, worker_id: str, lease: timedelta) -> set[str]:
    asking = LeaseTurnsRequest(worker_id=worker_id, max_turns=8, wait=span(WAIT), lease=span(lease))
    answer = await storage.inbox.LeaseTurns(asking, metadata=storage.metadata, timeout=PATIENCE_SECONDS)
    return {each.turn_id for each in answer.turns}


async def _account(storage: Storage) -> ChannelAccount:
    wanted = ChannelAccount(channel="whatsapp", address="+14155238886", state=ACCOUNT_STATE_ACTIVE, quiet_window_ms=0)
    put = PutChannelAccountRequest(tenant_id=TENANT, request_id=new_id(), account=wanted)
    answer = await storage.directory.PutChannelAccount(
        put, metadata=storage.metadata, timeout=PATIENCE_SECONDS, wait_for_ready=True
    )
    return answer.account


async def _accept(storage: Storage, account: ChannelAccount) -> str:
    who = new_id()
    said = ChannelMessage(channel="whatsapp", chat_id=who, sender_id=who, text="hello", provider_message_id=new_id())
    submission = inbox.Submission(tenant_id=TENANT, account_id=account.id, messages=[said])
    request = inbox.AcceptRequest(submissions=[submission])
    answer = await storage.inbox.Accept(request, metadata=storage.metadata, timeout=PATIENCE_SECONDS)
    return answer.results[0].messages[0].turn_id
