"""Slack posts for all workspaces of an app at one URL: who takes what, where one account has no address?"""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from channels.channel import Webhook
from channels.slack_signature import sign
from parley.storage.v1.directory_pb2 import ACCOUNT_STATE_DISABLED
from tests.suites.gateway.conftest import CREDENTIALS, World
from tests.suites.gateway.test_several_accounts import stored

SECRETS = CREDENTIALS["slack"]
NAMELESS, SECOND, THIRD = "slack", "T0SECOND01", "T0THIRD001"
ORGANISATION = "E0ORG00001"


def said_in(world: World, team: str, **installation: Any) -> Webhook:
    """At the URL of the account without an address, as the environment makes it."""
    hello = world.webhook("slack", "hello")
    body = {**orjson.loads(hello.body), "team_id": team, "authorizations": [{"team_id": team, **installation}]}
    return signed(hello, body)


def signed(like: Webhook, body: dict[str, Any]) -> Webhook:
    written = orjson.dumps(body)
    proof = sign(written, secret=SECRETS["signing_secret"], at=int(like.received_at.timestamp()))
    return replace(like, body=written, headers={**like.headers, **proof})


async def test_an_account_without_an_address_leaves_each_workspace_to_the_account_that_names_it(world: World) -> None:
    world.peer.add_account("slack", SECOND, credentials=SECRETS, key="second")
    for team in (SECOND, THIRD):
        assert (await world.post(said_in(world, team))).status_code == 200
    assert stored(world) == {SECOND: ["hello"], NAMELESS: ["hello"]}


async def test_one_that_is_switched_off_has_no_part_in_it(world: World) -> None:
    world.peer.add_account("slack", SECOND, credentials=SECRETS, key="second")
    world.peer.accounts[f"slack/{SECOND}"].account.state = ACCOUNT_STATE_DISABLED
    assert (await world.post(said_in(world, SECOND))).status_code == 200
    assert stored(world) == {NAMELESS: ["hello"]}


async def test_another_tenants_account_takes_nothing(world: World) -> None:
    world.peer.add_account("slack", SECOND, credentials=SECRETS, key="second", tenant_id="another")
    assert (await world.post(said_in(world, SECOND))).status_code == 200
    assert stored(world) == {NAMELESS: ["hello"]}


@pytest.mark.parametrize("addresses", [(ORGANISATION,), (SECOND,), (ORGANISATION, SECOND)])
async def test_what_is_said_in_an_organisation_is_taken_in_once(world: World, addresses: tuple[str, ...]) -> None:
    for each in addresses:
        world.peer.add_account("slack", each, credentials=SECRETS, key=each.lower())
    said = said_in(world, SECOND, enterprise_id=ORGANISATION, is_enterprise_install=True)
    assert (await world.post(said)).status_code == 200
    assert stored(world) == {addresses[0]: ["hello"]}
