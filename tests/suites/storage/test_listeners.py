"""Does one process at a time hold an account that is listened for, by the database's clock, whoever dies?"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from kit.moments import moment, utc_now
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_service_pb2 as accounts
from parley.storage.v1 import listener_service_pb2 as pb
from storage_service.backends.listeners import Listeners
from tests.postgres import Server as Postgres
from tests.suites.storage.world import DATABASES, World, open_world

LEASE_SECONDS = 15
LISTENING = pb.LISTENER_STATE_LISTENING


@dataclasses.dataclass
class Stage:
    """A tenant, and a clock that the test sets forward in the place of the database's."""

    world: World
    listeners: Listeners
    now: datetime

    async def account(self, address: str, **fields: Any) -> directory.ChannelAccount:
        wanted: dict[str, Any] = {"channel": "telegram", "address": address, "options": {"listen": "true"}}
        return await self.world.account("acme", **{**wanted, **fields})

    async def lease(self, worker: str, *held: pb.HeldListener, most: int = 10) -> list[pb.LeasedListener]:
        request = pb.LeaseListenersRequest(
            worker_id=worker,
            channels=["telegram"],
            lease=Duration(seconds=LEASE_SECONDS),
            max_accounts=most,
            held=held,
        )
        return list((await self.listeners.lease(request)).listeners)

    async def holds(self, worker: str, *held: pb.HeldListener) -> list[str]:
        return [each.account.account.address for each in await self.lease(worker, *held)]

    async def listed(self) -> list[pb.Listener]:
        return list((await self.listeners.listed(pb.ListListenersRequest(tenant_id="acme"))).listeners)

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def says(account: directory.ChannelAccount, **said: Any) -> pb.HeldListener:
    return pb.HeldListener(tenant_id=account.tenant_id, account_id=account.id, **said)


@pytest.fixture(params=DATABASES)
async def stage(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Postgres) -> AsyncIterator[Stage]:
    async with open_world(request.param, tmp_path, postgres_server) as world:
        await world.tenant("acme")
        made = Stage(world, Listeners(world.sessions, vault=world.vault, clock=lambda: made.now), utc_now())
        yield made


async def test_an_account_is_leased_with_its_credentials_and_to_nobody_else_while_the_lease_lasts(stage: Stage) -> None:
    await stage.account("@bot", credentials={"bot_token": "1:A"})
    (leased,) = await stage.lease("one")
    assert dict(leased.account.credentials) == {"bot_token": "1:A"}
    assert moment(leased.expires_at) == stage.now + timedelta(seconds=LEASE_SECONDS)
    stage.later(LEASE_SECONDS - 1)
    assert await stage.holds("two") == []


async def test_who_comes_again_in_time_keeps_it_and_who_does_not_loses_it_to_the_next(stage: Stage) -> None:
    account = await stage.account("@bot")
    await stage.holds("one")
    for _ in range(3):
        stage.later(LEASE_SECONDS - 1)
        assert await stage.holds("one", says(account, state=LISTENING)) == ["@bot"]
    stage.later(LEASE_SECONDS)
    assert await stage.holds("two") == ["@bot"]
    assert await stage.holds("one", says(account, state=LISTENING)) == []


async def test_the_next_one_goes_on_where_the_dead_one_said_that_it_was(stage: Stage) -> None:
    account = await stage.account("@bot")
    await stage.holds("one")
    await stage.holds("one", says(account, cursor="42", state=LISTENING))
    stage.later(LEASE_SECONDS)
    assert [each.cursor for each in await stage.lease("two")] == ["42"]


async def test_what_one_that_lost_it_says_changes_nothing(stage: Stage) -> None:
    account = await stage.account("@bot")
    await stage.holds("one")
    stage.later(LEASE_SECONDS)
    await stage.lease("two")
    await stage.lease("two", says(account, cursor="7", state=LISTENING))
    await stage.lease("one", says(account, cursor="1", state=pb.LISTENER_STATE_REFUSED, release=True))
    (listener,) = await stage.listed()
    assert (listener.worker_id, listener.state) == ("two", LISTENING)
    assert [each.cursor for each in await stage.lease("two")] == ["7"]


async def test_what_is_given_back_is_taken_at_once(stage: Stage) -> None:
    account = await stage.account("@bot")
    await stage.holds("one")
    assert await stage.lease("one", says(account, release=True, cursor="9"), most=0) == []
    assert [each.cursor for each in await stage.lease("two")] == ["9"]


async def test_a_worker_that_asks_again_after_a_lost_answer_is_told_what_it_holds(stage: Stage) -> None:
    await stage.account("@bot")
    assert await stage.holds("one") == ["@bot"]
    assert await stage.holds("one") == ["@bot"]


async def test_workers_that_ask_at_the_same_moment_share_and_nothing_is_held_twice(stage: Stage) -> None:
    for number in range(6):
        await stage.account(f"@bot{number}")
    given = await asyncio.gather(*(stage.lease(f"w{number}", most=4) for number in range(5)))
    held = [each.account.account.address for leased in given for each in leased]
    rest = await stage.holds("last")
    assert sorted(held + rest) == sorted(f"@bot{number}" for number in range(6))


async def test_only_accounts_of_the_channels_that_the_worker_knows_and_whose_option_says_so(stage: Stage) -> None:
    await stage.account("@quiet", options={})
    await stage.account("123", channel="discord")
    assert await stage.holds("one") == []


async def test_the_option_comes_and_goes_with_the_account(stage: Stage) -> None:
    account = await stage.account("@bot", options={})
    assert await stage.holds("one") == []
    await stage.account("@bot")
    assert await stage.holds("one") == ["@bot"]
    await stage.account("@bot", options={"listen": "false"})
    assert await stage.holds("one", says(account, state=LISTENING)) == []
    assert await stage.listed() == []


async def test_a_disabled_account_is_not_listened_for_and_a_paused_one_is(stage: Stage) -> None:
    account = await stage.account("@bot")
    await stage.holds("one")

    async def be(state: directory.AccountState) -> None:
        request = accounts.SetAccountStateRequest(
            tenant_id="acme", request_id=f"{stage.now} {state}", account_id=account.id, state=state
        )
        await stage.world.mesh.call("SetAccountState", request)

    await be(directory.ACCOUNT_STATE_PAUSED)
    assert await stage.holds("one", says(account, state=LISTENING)) == ["@bot"]
    await be(directory.ACCOUNT_STATE_DISABLED)
    assert await stage.holds("one", says(account, state=LISTENING)) == []
    assert await stage.holds("two") == []
    await be(directory.ACCOUNT_STATE_ACTIVE)
    assert await stage.holds("two") == ["@bot"]


async def test_a_refusal_pauses_the_account_and_nobody_tries_before_somebody_has_changed_it(stage: Stage) -> None:
    account = await stage.account("@bot", credentials={"bot_token": "1:wrong"})
    await stage.holds("one")
    refused = says(account, state=pb.LISTENER_STATE_REFUSED, reason="401")
    assert await stage.holds("one", refused) == []
    listing = accounts.ListChannelAccountsRequest(tenant_id="acme")
    (shown,) = (await stage.world.mesh.call("ListChannelAccounts", listing)).accounts
    assert (shown.state, shown.state_reason) == (directory.ACCOUNT_STATE_PAUSED, "unauthorized")
    (listener,) = await stage.listed()
    assert (listener.state, listener.reason, listener.worker_id) == (pb.LISTENER_STATE_REFUSED, "401", "")
    stage.later(10 * LEASE_SECONDS)
    assert await stage.holds("two") == []
    await stage.account("@bot", credentials={"bot_token": "1:right"})
    (leased,) = await stage.lease("two")
    assert dict(leased.account.credentials) == {"bot_token": "1:right"}


async def test_what_is_listed_says_who_listens_how_it_goes_and_since_when(stage: Stage) -> None:
    account = await stage.account("@bot")
    assert [each.state for each in await stage.listed()] == [pb.LISTENER_STATE_WAITING]
    await stage.holds("one")
    assert [(each.state, each.worker_id) for each in await stage.listed()] == [(pb.LISTENER_STATE_CONNECTING, "one")]
    stage.later(2)
    await stage.holds("one", says(account, state=LISTENING))
    since = stage.now
    stage.later(5)
    await stage.holds("one", says(account, state=LISTENING))
    (listener,) = await stage.listed()
    assert (listener.account_id, listener.state, moment(listener.since)) == (account.id, LISTENING, since)
    stage.later(LEASE_SECONDS)
    assert [(each.state, each.worker_id) for each in await stage.listed()] == [(pb.LISTENER_STATE_WAITING, "")]


async def test_without_a_clock_of_the_tests_the_databases_own_decides(stage: Stage) -> None:
    await stage.account("@bot")
    request = pb.LeaseListenersRequest(worker_id="one", channels=["telegram"], max_accounts=10)
    (leased,) = (await stage.world.mesh.call("LeaseListeners", request)).listeners
    assert moment(leased.expires_at) > utc_now() - timedelta(minutes=1)
    request.worker_id = "two"
    assert list((await stage.world.mesh.call("LeaseListeners", request)).listeners) == []
