"""What does a caller hear when the database is lost, when two ask at once, or when a text cannot be stored?"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import func, literal
from sqlmodel import select

from kit.errors import InvalidField, NotFound, StorageUnavailable
from kit.ids import new_id
from kit.moments import utc_now
from parley.storage.v1 import conversation_service_pb2 as conversations
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_requests_pb2 as requests
from parley.storage.v1 import directory_service_pb2 as pb
from storage_service.backends.engines import open_engine
from storage_service.backends.rows import Rows, Who
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Agent, Audit, ChannelAccount, Tenant
from tests.postgres import Server as Postgres
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.world import DATABASES, World, open_world

COUNTING = select(literal(1).label("n")).cte(recursive=True)
COUNTING = COUNTING.union_all(select(COUNTING.c.n + 1).where(COUNTING.c.n < 300_000))
LONG = select(func.max(COUNTING.c.n))


@pytest.fixture(params=DATABASES)
async def world(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Postgres) -> AsyncIterator[World]:
    async with open_world(request.param, tmp_path, postgres_server) as opened:
        await opened.tenant("acme")
        yield opened


async def test_ten_who_make_the_same_account_at_once_make_one(world: World) -> None:
    accounts = await asyncio.gather(*(world.account("acme") for _ in range(10)))
    assert len({account.id for account in accounts}) == 1
    async with world.sessions.across_tenants() as session:
        assert len((await session.exec(select(ChannelAccount))).all()) == 1
        assert len((await session.exec(select(Agent))).all()) == 1


async def test_ten_copies_of_one_request_at_once_are_one_change_with_one_answer(world: World) -> None:
    ask = requests.CreatePromptVersionRequest(tenant_id="acme", request_id="r", prompt_name="p", text="t", live=True)
    answers = await asyncio.gather(*(world.mesh.call("CreatePromptVersion", ask) for _ in range(10)))
    assert {answer.version.id for answer in answers} == {answers[0].version.id}
    assert sum(not answer.duplicate for answer in answers) == 1
    async with world.sessions.across_tenants() as session:
        lines = (await session.exec(select(Audit))).all()
    assert sum(line.action == "prompt.version" for line in lines) == 1


async def test_ten_prompt_versions_at_once_are_numbered_without_a_gap(world: World) -> None:
    asks = [
        requests.CreatePromptVersionRequest(tenant_id="acme", request_id=str(n), prompt_name="p", text=str(n))
        for n in range(10)
    ]
    answers = await asyncio.gather(*(world.mesh.call("CreatePromptVersion", ask) for ask in asks))
    assert sorted(answer.version.number for answer in answers) == list(range(1, 11))


async def test_a_text_that_not_every_database_can_keep_is_refused_by_each(world: World) -> None:
    refused: list[tuple[str, str]] = []
    for name, ask in {
        "GetConversation": conversations.GetConversationRequest(tenant_id="acme", conversation_id="a\x00b"),
        "PutAgent": pb.PutAgentRequest(tenant_id="acme", request_id="1", agent=directory.Agent(name="a\x00b")),
        "CreatePromptVersion": requests.CreatePromptVersionRequest(
            tenant_id="acme", request_id="2", prompt_name="p", text="You are\x00nice"
        ),
    }.items():
        refusal = await world.mesh.refusal(name, ask)
        assert isinstance(refusal, InvalidField), refusal
        refused += refusal.violations
    wrong = "holds a NUL, which not every database can keep"
    assert refused == [("conversation_id", wrong), ("agent.name", wrong), ("text", wrong)]


async def test_a_change_that_fails_half_way_has_not_happened(world: World) -> None:
    async def work(rows: Rows) -> None:
        await rows.note("half", "tenant", row_id="acme")
        raise NotFound

    with pytest.raises(NotFound):
        await world.sessions.write(Who("acme", "test"), work)
    async with world.sessions.across_tenants() as session:
        assert "half" not in [line.action for line in (await session.exec(select(Audit))).all()]


async def test_a_row_of_another_tenant_is_not_written(world: World) -> None:
    await world.tenant("other")
    now = utc_now()
    row = Agent(tenant_id="other", id="x", name="x", created_at=now, updated_at=now)
    with pytest.raises(AssertionError, match="another tenant"):
        await world.sessions.write(Who("acme", "test"), lambda rows: rows.add(row))


async def test_a_database_that_is_away_is_said_to_be_away_with_a_time_to_come_again() -> None:
    sessions = Sessions(open_engine("postgresql://nobody@127.0.0.1:1/nothing"), now=utc_now, new_id=new_id)
    with pytest.raises(StorageUnavailable) as away:
        async with sessions.read("acme") as rows:
            await rows.first(select(Tenant))
    assert away.value.retry_after is not None
    assert "127.0.0.1" not in str(away.value)
    await sessions.close()


async def test_a_database_without_its_tables_is_not_served(tmp_path: Path) -> None:
    sessions = Sessions(open_engine(f"sqlite:///{tmp_path / 'empty.db'}"), now=utc_now, new_id=new_id)
    with pytest.raises(StorageUnavailable):
        async with sessions.read("acme") as rows:
            await rows.first(select(Tenant))
    await sessions.close()


async def test_a_read_that_is_cancelled_again_while_it_closes_ends_and_leaves_nothing_running(tmp_path: Path) -> None:
    """The end of a process cancels what a client who hung up has cancelled already."""
    others = asyncio.all_tasks()
    sessions = Sessions(open_engine(f"sqlite:///{tmp_path / 'parley.db'}"), now=utc_now, new_id=new_id)

    async def read() -> None:
        async with sessions.across_tenants() as session:
            await session.exec(LONG)

    for ticks in range(20):
        reader = asyncio.create_task(read())
        await asyncio.sleep(0.02)
        reader.cancel()
        for _ in range(ticks):
            await asyncio.sleep(0)
        reader.cancel()
        await asyncio.wait([reader])
    await sessions.close()
    left = asyncio.all_tasks() - others
    if left:
        _, left = await asyncio.wait(left, timeout=PATIENCE_SECONDS)
    assert not left
