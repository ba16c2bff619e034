"""How much may a tenant write into its accounts and agents? They go out with each of its messages, and in lists."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col

from kit.errors import InvalidField
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_service_pb2 as pb
from storage_service.backends.rows import Rows, Who
from storage_service.backends.tables import Agent, ChannelAccount
from storage_service.domain.paging import MAX_SIZE
from storage_service.domain.weights import MOST_LEASED_BYTES, MOST_LISTED_BYTES
from tests.postgres import Server as Postgres
from tests.suites.storage.world import DATABASES, World, open_world


@pytest.fixture(params=DATABASES)
async def world(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Postgres) -> AsyncIterator[World]:
    async with open_world(request.param, tmp_path, postgres_server) as opened:
        await opened.tenant("acme")
        yield opened


def a_request(credentials: dict[str, str] | None = None, **fields: Any) -> pb.PutChannelAccountRequest:
    account = directory.ChannelAccount(**{"channel": "whatsapp", "address": "+14155238886", **fields})
    return pb.PutChannelAccountRequest(tenant_id="acme", request_id="1", account=account, credentials=credentials)


async def test_an_account_that_is_larger_than_any_channel_needs_is_refused(world: World) -> None:
    one = "x" * 16_380  # with its name, which is four letters, as much as is taken
    larger: dict[str, Any] = {
        "account.name": {"name": "n" * 129},
        "account.model": {"model": "m" * 129},
        "account.state_reason": {"state": directory.ACCOUNT_STATE_PAUSED, "state_reason": "r" * 65},
        "account.options": {"options": {"logo": one + "x"}},
        "credentials": {"credentials": {"auth": one + "x"}},
    }
    for field, values in larger.items():
        refusal = await world.mesh.refusal("PutChannelAccount", a_request(**values))
        assert isinstance(refusal, InvalidField), field
        assert {each for each, _ in refusal.violations} == {field}
    for options in ({f"{n}": "" for n in range(65)}, {"n" * 65: "x"}):
        assert isinstance(await world.mesh.refusal("PutChannelAccount", a_request(options=options)), InvalidField)
    largest = a_request(credentials={"a": "x" * 8192, "b": "y" * 8190}, name="n" * 128, options={"logo": one})
    assert (await world.mesh.call("PutChannelAccount", largest)).account.options["logo"] == one


async def test_accounts_that_are_too_much_for_one_page_are_listed_on_several(world: World) -> None:
    """As they could be before their options had a limit."""
    ids = [(await world.account("acme", address=f"+{n}")).id for n in range(5)]

    async def grow(rows: Rows) -> None:
        for row in await rows.all(rows.select(ChannelAccount).order_by(col(ChannelAccount.id))):
            row.options = json.dumps({"logo": "x" * 400_000})

    await world.sessions.write(Who("acme", "test"), grow)
    listed: list[str] = []
    request = pb.ListChannelAccountsRequest(tenant_id="acme", page_size=500)
    while len(listed) < len(ids):
        page = await world.mesh.call("ListChannelAccounts", request)
        assert page.ByteSize() <= MOST_LISTED_BYTES
        listed += [each.id for each in page.accounts]
        request.page_token = page.next_page_token
    assert listed == sorted(ids)
    assert not request.page_token


async def listed_agents(world: World) -> list[list[str]]:
    """Their names, page by page."""
    pages: list[list[str]] = []
    request = pb.ListAgentsRequest(tenant_id="acme")
    while not pages or request.page_token:
        page = await world.mesh.call("ListAgents", request)
        assert page.ByteSize() <= MOST_LEASED_BYTES
        pages.append([each.name for each in page.agents])
        request.page_token = page.next_page_token
    return pages


async def made_agents(world: World, names: list[str], *, said: str) -> None:
    async def add(rows: Rows) -> None:
        for name in names:
            agent = Agent(tenant_id="acme", id=rows.new_id(), name=name, created_at=rows.now, updated_at=rows.now)
            agent.fallback_text = said
            await rows.add(agent)

    await world.sessions.write(Who("acme", "test"), add)


async def test_agents_that_are_too_much_for_one_answer_are_listed_on_several_pages(world: World) -> None:
    names = [f"agent {n:02}" for n in range(30)]
    await made_agents(world, names, said="\U0001f600" * 65_536)
    pages = await listed_agents(world)
    assert len(pages) > 1
    assert [name for page in pages for name in page if name != "default"] == names


async def test_agents_beyond_those_of_one_page_are_on_the_next(world: World) -> None:
    names = [*(f"agent {n:04}" for n in range(MAX_SIZE)), '\U0001f600"\\' * 42]
    await made_agents(world, names, said="sorry")
    pages = await listed_agents(world)
    assert len(pages[0]) == MAX_SIZE
    assert sorted(name for page in pages for name in page if name != "default") == sorted(names)
    refusal = await world.mesh.refusal("ListAgents", pb.ListAgentsRequest(tenant_id="acme", page_token="no"))
    assert isinstance(refusal, InvalidField)
