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
from storage_service.backends.tables import ChannelAccount
from storage_service.domain.weights import MOST_LISTED_BYTES
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
