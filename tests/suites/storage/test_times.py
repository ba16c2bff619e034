"""Does a time that not every part can hold stay out, and harm nobody where it is in already?"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from kit.errors import InvalidField
from kit.moments import EARLIEST, LATEST, moment, stamp
from parley.storage.v1 import account_health_pb2 as health
from parley.storage.v1 import conversation_service_pb2 as conversations
from parley.storage.v1 import directory_requests_pb2 as requests
from parley.storage.v1 import directory_service_pb2 as pb
from parley.storage.v1 import privacy_service_pb2 as privacy
from tests.postgres import Server as Postgres
from tests.suites.storage.hot import TENANT, Store
from tests.suites.storage.world import DATABASES, World, open_world

# The zero value of Go and .NET, the largest of .NET, and what no calendar of Python's has.
ODD = (-62_135_596_800, 253_402_300_799, 1 << 60, -(1 << 60))
ENDS = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


@pytest.fixture(params=DATABASES)
async def world(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Postgres) -> AsyncIterator[World]:
    async with open_world(request.param, tmp_path, postgres_server) as opened:
        await opened.tenant(TENANT)
        yield opened


@pytest.mark.parametrize("seconds", ODD)
async def test_a_time_that_not_every_part_can_hold_is_refused_by_its_name(world: World, seconds: int) -> None:
    account, at = await world.account(TENANT), Timestamp(seconds=seconds)
    reports = [health.AccountReport(tenant_id=TENANT, account_id=account.id, heard_at=at)]
    refused = await world.mesh.refusal("ReportAccounts", health.ReportAccountsRequest(reports=reports))
    assert isinstance(refused, InvalidField)
    assert refused.violations == (("reports[0].heard_at", "is not in the years 1970 to 9998"),)
    key = requests.CreateApiKeyRequest(tenant_id=TENANT, request_id="1", name="n", scopes=["privacy"], expires_at=at)
    assert isinstance(await world.mesh.refusal("CreateApiKey", key), InvalidField)
    listed = await world.mesh.call("ListChannelAccounts", pb.ListChannelAccountsRequest(tenant_id=TENANT))
    assert not listed.accounts[0].health.HasField("heard_at")


@pytest.mark.parametrize("at", [EARLIEST, LATEST])
async def test_the_first_and_the_last_time_that_are_taken_come_back_as_they_went(world: World, at: datetime) -> None:
    account = await world.account(TENANT)
    report = health.AccountReport(tenant_id=TENANT, account_id=account.id, heard_at=stamp(at))
    await world.mesh.call("ReportAccounts", health.ReportAccountsRequest(reports=[report]))
    listed = await world.mesh.call("ListChannelAccounts", pb.ListChannelAccountsRequest(tenant_id=TENANT))
    assert moment(listed.accounts[0].health.heard_at) == at


@pytest.mark.parametrize("at", ENDS)
async def test_a_message_that_has_such_a_time_already_is_answered_and_read_and_erased(
    store: Store, tmp_path: Path, postgres_server: Postgres, at: datetime
) -> None:
    heard = await store.hear("hi", provider_at=at)
    await store.hear("hello", chat_id="of another")
    turns = await store.lease()
    assert sorted(turn.messages[0].text for turn in turns) == ["hello", "hi"]
    for turn in turns:
        assert (await store.commit(turn, "fine")).error is None
    async with open_world(store.url, tmp_path, postgres_server) as world:
        ask = conversations.ListMessagesRequest(tenant_id=TENANT, conversation_id=heard.conversation_id)
        assert {each.text for each in (await world.mesh.call("ListMessages", ask)).messages} == {"hi", "fine"}
        contacts = await world.mesh.call("ListContacts", requests.ListContactsRequest(tenant_id=TENANT))
        for contact in contacts.contacts:
            about = {"tenant_id": TENANT, "contact_id": contact.id}
            assert await world.mesh.call("ExportContact", privacy.ExportContactRequest(**about))
            await world.mesh.call("EraseContact", privacy.EraseContactRequest(request_id=contact.id, **about))
    assert await store.fetch("SELECT text FROM messages WHERE text <> ''") == []
