"""A provider posts for several numbers at one URL: does each get its own, and nobody else anything?"""

from pathlib import Path

import orjson
import pytest

from channels.channel import Webhook
from channels.meta_webhook import HEADER, sign
from tests.suites.gateway.conftest import ADDRESSES, CREDENTIALS, World, running

CHANNEL = "whatsapp_cloud"
FIRST, SECOND, STRANGER = ADDRESSES[CHANNEL], "555000444555666", "555000777888999"
SECRETS = CREDENTIALS[CHANNEL]


def batch(world: World, *numbers: str) -> Webhook:
    """One webhook at the first number's URL, with a message to each of these."""
    first = world.webhook(CHANNEL, "hello")
    entries = []
    for place, number in enumerate(numbers):
        body = orjson.loads(first.body)
        value = body["entry"][0]["changes"][0]["value"]
        value["metadata"]["phone_number_id"] = number
        value["messages"][0]["id"] = f"wamid.{place}.{number}"
        value["messages"][0]["text"]["body"] = f"to {number}"
        entries.append(body["entry"][0])
    signed = orjson.dumps({"object": "whatsapp_business_account", "entry": entries})
    headers = {**first.headers, HEADER: sign(signed, SECRETS["app_secret"])}
    return Webhook("POST", first.url, headers, signed, first.received_at)


def stored(world: World) -> dict[str, list[str]]:
    """What each account was given, by its address."""
    names = {each.account.id: each.account.address for each in world.peer.accounts.values()}
    given: dict[str, list[str]] = {}
    for submission in world.peer.submissions:
        given.setdefault(names[submission.account_id], []).extend(each.text for each in submission.messages)
    return given


async def test_each_number_of_the_tenant_gets_what_was_said_to_it(world: World) -> None:
    world.peer.add_account(CHANNEL, SECOND, credentials=SECRETS, key="second")
    answer = await world.post(batch(world, FIRST, SECOND, FIRST, STRANGER))
    assert answer.status_code == 200
    assert stored(world) == {FIRST: [f"to {FIRST}", f"to {FIRST}"], SECOND: [f"to {SECOND}"]}


async def test_a_webhook_that_is_another_numbers_alone_is_taken_in_for_that_number(world: World) -> None:
    world.peer.add_account(CHANNEL, SECOND, credentials=SECRETS, key="second")
    for _ in range(2):
        assert (await world.post(batch(world, SECOND))).status_code == 200
    assert set(stored(world)) == {SECOND}


@pytest.mark.parametrize(
    ("tenant_id", "app_secret"),
    [("default", "the secret of another app"), ("another", SECRETS["app_secret"])],
)
async def test_nothing_is_taken_in_for_who_cannot_verify_it_or_is_another_tenant(
    world: World, tenant_id: str, app_secret: str
) -> None:
    secrets = {**SECRETS, "app_secret": app_secret}
    world.peer.add_account(CHANNEL, SECOND, credentials=secrets, key="second", tenant_id=tenant_id)
    answer = await world.post(batch(world, SECOND))
    assert (answer.status_code, answer.json()) == (200, {})  # or Meta takes the URL from all
    assert stored(world) == {}


async def test_a_number_on_a_later_page_of_the_list_gets_what_was_said_to_it(world: World) -> None:
    world.peer.most_a_page = 2
    others = [f"555000{number:09}" for number in range(5)]
    for number in others:
        world.peer.add_account(CHANNEL, number, credentials=SECRETS, key=f"key-{number}")
    for number in others:
        assert (await world.post(batch(world, number))).status_code == 200
    assert set(stored(world)) == set(others)


async def test_storage_is_told_who_was_refused_and_who_was_believed(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        forged = world.webhook(CHANNEL, "hello")
        for _ in range(6):
            await world.client.post(forged.url, content=forged.body, headers={**forged.headers, HEADER: "sha256=00"})
        await world.client.post(forged.url, content=b"{}", headers={"content-type": "application/json"})
        await world.post(world.webhook("sms", "hello"))
        peer = world.peer
    names = {each.account.id: each.account.channel for each in peer.accounts.values()}
    told = {names[each.account_id]: each for each in peer.reports}
    assert (told[CHANNEL].refused, told[CHANNEL].refused_reason) == (6, "signature")
    assert not told[CHANNEL].HasField("believed_at")
    assert told["sms"].HasField("believed_at")
    assert told["sms"].HasField("heard_at")
