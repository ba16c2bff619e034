"""Does a list of accounts say how each stands, from what was reported, on both databases?"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col

from kit import metrics
from kit.errors import ScopeMissing, SecretUnreadable
from kit.moments import stamp, utc_now
from parley.storage.v1 import account_health_pb2 as health
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_service_pb2 as pb
from storage_service.backends.account_health import AccountHealth
from storage_service.backends.rows import Rows, Who
from storage_service.backends.tables import Listener
from tests.postgres import Server as Postgres
from tests.suites.storage.hot import fresh
from tests.suites.storage.world import DATABASES, KEYS, World, open_world

BROKEN, LOOK, OK = (
    health.ACCOUNT_HEALTH_STATE_BROKEN,
    health.ACCOUNT_HEALTH_STATE_LOOK,
    health.ACCOUNT_HEALTH_STATE_OK,
)
OTHER_KEYS = "k2:" + "B" * 42 + "A="


@pytest.fixture(params=DATABASES)
async def world(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Postgres) -> AsyncIterator[World]:
    async with open_world(request.param, tmp_path, postgres_server) as opened:
        await opened.tenant("acme")
        yield opened


async def reported(world: World, account: directory.ChannelAccount, **told: Any) -> int:
    report = health.AccountReport(tenant_id=account.tenant_id, account_id=account.id, **told)
    noted: health.ReportAccountsResponse = await world.mesh.call(
        "ReportAccounts", health.ReportAccountsRequest(reports=[report])
    )
    return noted.noted


async def stands(world: World, tenant_id: str = "acme") -> health.AccountHealth:
    listed = await world.mesh.call("ListChannelAccounts", pb.ListChannelAccountsRequest(tenant_id=tenant_id))
    found: health.AccountHealth = listed.accounts[0].health
    return found


async def test_refusals_in_a_row_break_an_account_until_one_is_believed(world: World) -> None:
    account = await world.account("acme")
    assert (await stands(world)).state == OK
    for _ in range(2):
        await reported(world, account, refused=3, refused_reason="signature")
    found = await stands(world)
    assert (found.state, found.reason, found.refused_in_row) == (BROKEN, "webhooks_refused", 6)
    assert (found.refused_reason, found.HasField("since")) == ("signature", True)
    await reported(world, account, believed_at=stamp(utc_now()), refused=1, refused_reason="stale")
    found = await stands(world)
    assert (found.state, found.reason, found.refused_in_row) == (OK, "", 1)
    assert found.HasField("believed_at")


async def test_credentials_that_end_are_said_and_those_that_do_not_end_are_well(world: World) -> None:
    account = await world.account("acme")
    await reported(world, account, credentials_expire_at=stamp(utc_now() + timedelta(days=2)))
    assert ((await stands(world)).state, (await stands(world)).reason) == (LOOK, "token_expires")
    await reported(world, account, refused=1)
    assert (await stands(world)).reason == "token_expires"
    await reported(world, account, credentials_expire_at=stamp(utc_now() - timedelta(days=2)))
    assert (await stands(world)).reason == "token_expired"
    await reported(world, account, credentials_expire_at=health.AccountReport().credentials_expire_at)
    assert (await stands(world)).state == OK


async def test_what_comes_late_does_not_turn_the_clock_back(world: World) -> None:
    account = await world.account("acme", options={"silent_after_hours": "24"})
    now = utc_now()
    await reported(world, account, heard_at=stamp(now), believed_at=stamp(now))
    await reported(world, account, heard_at=stamp(now - timedelta(days=2)))
    found = await stands(world)
    assert found.state == OK
    assert abs(found.heard_at.ToSeconds() - found.believed_at.ToSeconds()) <= 1


async def test_nobody_reports_on_another_tenants_account_and_no_key_reports_at_all(world: World) -> None:
    account = await world.account("acme")
    await world.tenant("other")
    account.tenant_id = "other"
    assert await reported(world, account, refused=9) == 0
    assert (await stands(world)).state == OK
    key = await world.key_client("acme")
    asked = health.ReportAccountsRequest(reports=[health.AccountReport(tenant_id="acme", account_id=account.id)])
    assert isinstance(await key.refusal("ReportAccounts", asked), ScopeMissing)


async def test_an_account_whose_provider_nobody_hears_any_more_is_broken(world: World) -> None:
    account = await world.account("acme", channel="telegram", options={"listen": "true"})
    long_ago, later = utc_now() - timedelta(minutes=5), utc_now() + timedelta(minutes=5)

    async def listened(state: str, owner: str, *, until: datetime) -> str:
        async def work(rows: Rows) -> None:
            row = await rows.first(rows.select(Listener).where(col(Listener.account_id) == account.id))
            assert row is not None
            row.state, row.owner, row.expires_at, row.since = state, owner, until, long_ago

        await world.sessions.write(Who("acme", "test"), work)
        return str((await stands(world)).reason)

    assert await listened("listening", "g1", until=later) == ""
    assert await listened("troubled", "g1", until=later) == "listener_lost"
    assert await listened("listening", "g1", until=utc_now()) == ""
    assert await listened("listening", "g1", until=long_ago) == "listener_lost"


@pytest.mark.parametrize("database", DATABASES)
async def test_what_other_keys_sealed_is_broken_until_they_are_there_again(
    database: str, tmp_path: Path, postgres_server: Postgres
) -> None:
    url = fresh(database, tmp_path, postgres_server)
    async with open_world(url, tmp_path, postgres_server, keys=KEYS) as first:
        await first.tenant("acme")
        await first.account("acme")
        assert (await stands(first)).state == OK
    for keys, state, reason in ((OTHER_KEYS, BROKEN, "secret_unreadable"), (KEYS, OK, "")):
        async with open_world(url, tmp_path, postgres_server, keys=keys) as later:
            found = await stands(later)
            assert (found.state, found.reason) == (state, reason)


async def test_who_asks_by_a_url_for_what_cannot_be_opened_is_told_whose_it_is(
    tmp_path: Path, postgres_server: Postgres
) -> None:
    url = fresh("sqlite", tmp_path, postgres_server)
    async with open_world(url, tmp_path, postgres_server, keys=KEYS) as first:
        await first.tenant("acme")
        account = await first.account("acme")
    ask = pb.ResolveChannelAccountRequest(channel=account.channel, account_key=account.account_key)
    async with open_world(url, tmp_path, postgres_server, keys=OTHER_KEYS) as later:
        for _ in range(2):
            refusal = await later.mesh.refusal("ResolveChannelAccount", ask)
            assert isinstance(refusal, SecretUnreadable)
            named = {"tenant_id": "acme", "account_id": account.id, "address": account.address}
            assert refusal.metadata.items() >= named.items()


async def test_accounts_are_counted_by_how_they_stand(world: World) -> None:
    account = await world.account("acme")
    await world.account("acme", address="+14155550100", channel="sms")
    await reported(world, account, refused=9, refused_reason="signature")
    counting = AccountHealth(world.sessions, opens=lambda _account: True)
    await counting.count()

    def shown(channel: str, how: str) -> float:
        return float(metrics.accounts.labels(channel=channel, health=how)._value.get())

    assert (shown("whatsapp", "webhooks_refused"), shown("sms", "ok")) == (1, 1)
    await reported(world, account, believed_at=stamp(utc_now()))
    await counting.count()
    assert (shown("whatsapp", "webhooks_refused"), shown("whatsapp", "ok")) == (0, 1)
