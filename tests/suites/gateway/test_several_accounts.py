"""A provider posts for several numbers at one URL: does each get its own, and nobody else anything?"""

import asyncio
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from channels.channel import Webhook
from channels.meta_webhook import HEADER, sign
from parley.storage.v1.directory_pb2 import ACCOUNT_STATE_DISABLED
from tests.suites.gateway.conftest import ADDRESSES, CREDENTIALS, World, running

CHANNEL = "whatsapp_cloud"
FIRST, SECOND, STRANGER = ADDRESSES[CHANNEL], "555000444555666", "555000777888999"
SEALED = "555000123123123"
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


def at(world: World, number: str, *numbers: str) -> Webhook:
    """The same at the URL of another number."""
    [key] = [each.account.account_key for each in world.peer.accounts.values() if each.account.address == number]
    one = batch(world, *numbers)
    return replace(one, url=one.url.rpartition("/")[0] + f"/{key}")


def kept(world: World) -> list[tuple[str, str]]:
    """What nobody could read, with the number for which it was kept."""
    names = {each.account.id: each.account.address for each in world.peer.accounts.values()}
    unread = [each for each in world.peer.submissions if each.unreadable]
    assert all(each.raw_payload for each in unread)
    return [(names[each.account_id], each.unreadable) for each in unread]


def stored(world: World) -> dict[str, list[str]]:
    """What each account was given, by its address."""
    names = {each.account.id: each.account.address for each in world.peer.accounts.values()}
    given: dict[str, list[str]] = {}
    for submission in world.peer.submissions:
        given.setdefault(names[submission.account_id], []).extend(each.text for each in submission.messages)
    return {number: texts for number, texts in given.items() if texts}


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


@pytest.fixture
def sealed(world: World) -> World:
    """With a second number, and a third whose credentials nobody can open."""
    world.peer.add_account(CHANNEL, SECOND, credentials=SECRETS, key="second")
    world.peer.add_account(CHANNEL, SEALED, credentials=SECRETS, key="sealed")
    world.peer.sealed.add("sealed")
    return world


@pytest.mark.parametrize("numbers", [(SEALED, SECOND), (FIRST, SEALED, SECOND), (SECOND, SEALED), (SEALED,)])
async def test_a_number_whose_secret_is_lost_takes_nothing_from_the_others(
    sealed: World, numbers: tuple[str, ...]
) -> None:
    answer = await sealed.post(batch(sealed, *numbers))
    assert (answer.status_code, answer.json()) == (200, {})  # or Meta takes the URL from all
    assert stored(sealed) == {each: [f"to {each}"] for each in numbers if each != SEALED}
    assert kept(sealed) == [(FIRST, "SECRET_UNREADABLE")]


async def test_the_url_of_a_number_whose_secret_is_lost_still_serves_the_others(sealed: World) -> None:
    assert (await sealed.post(at(sealed, SEALED, SECOND))).status_code == 200
    assert (stored(sealed), kept(sealed)) == ({SECOND: [f"to {SECOND}"]}, [])
    assert (await sealed.post(at(sealed, SEALED, SEALED, FIRST))).status_code == 200
    assert (stored(sealed)[FIRST], kept(sealed)) == ([f"to {FIRST}"], [(FIRST, "SECRET_UNREADABLE")])


async def test_at_that_url_nobody_is_believed_whom_no_account_can_verify(sealed: World) -> None:
    sealed.peer.add_account(CHANNEL, STRANGER, credentials={**SECRETS, "app_secret": "another"}, key="other-app")
    for numbers in ((SEALED,), (STRANGER,), (SEALED, STRANGER), ("555",)):
        answer = await sealed.post(at(sealed, SEALED, *numbers))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30"), numbers
    forged = at(sealed, SEALED, SECOND)
    answer = await sealed.post(replace(forged, headers={**forged.headers, HEADER: "sha256=00"}))
    assert answer.status_code == 503
    assert sealed.peer.submissions == []


async def test_where_each_has_its_own_url_a_lost_secret_asks_to_come_again(world: World) -> None:
    world.peer.sealed.add("sms-key")
    assert (await world.post(world.webhook("sms", "hello"))).status_code == 503
    assert world.peer.submissions == []


async def test_what_is_mended_is_taken_in_again_within_seconds(sealed: World) -> None:
    assert (await sealed.post(at(sealed, SEALED, SEALED))).status_code == 503
    sealed.peer.sealed.clear()
    async with asyncio.timeout(20):
        while (await sealed.post(at(sealed, SEALED, SEALED))).status_code != 200:
            await asyncio.sleep(0.1)
    assert stored(sealed) == {SEALED: [f"to {SEALED}"]}


async def test_a_number_with_too_much_to_answer_keeps_nothing_from_the_others(world: World) -> None:
    world.peer.add_account(CHANNEL, SECOND, credentials=SECRETS, key="second")
    [first] = [each.account.id for each in world.peer.accounts.values() if each.account.address == FIRST]
    world.peer.full_accounts.add(first)
    assert (await world.post(batch(world, FIRST, SECOND))).status_code == 503
    assert stored(world) == {SECOND: [f"to {SECOND}"]}
    world.peer.full_accounts.clear()
    assert (await world.post(batch(world, FIRST, SECOND))).status_code == 200
    assert sorted(world.peer.texts()) == sorted([f"to {FIRST}", f"to {SECOND}"])


async def test_the_log_says_once_whose_secret_it_is_and_for_whom_each_message_was(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with running(tmp_path) as world:
        world.peer.add_account(CHANNEL, SECOND, credentials=SECRETS, key="second")
        world.peer.add_account(CHANNEL, SEALED, credentials=SECRETS, key="sealed")
        world.peer.sealed.add("sealed")
        for _ in range(3):
            await world.post(batch(world, FIRST, SEALED, SECOND))
        lines = "".join(capfd.readouterr()).splitlines()
        ids = {each.account.address: each.account.id for each in world.peer.accounts.values()}
    [named] = [each for each in lines if "account.unreadable" in each]
    assert f"parley channels add {CHANNEL} --address {SEALED}" in named
    assert all(each in named for each in ("SECRET_KEYS", "tenant=default", f"account={ids[SEALED]}"))
    accepted = [each for each in lines if "message.accepted" in each]
    assert all(f"account_id={ids[number]}" in each for number, each in zip((FIRST, SECOND), accepted, strict=True))


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


async def test_the_url_of_a_number_that_takes_nothing_any_more_still_serves_the_others(world: World) -> None:
    world.peer.add_account(CHANNEL, SECOND, credentials=SECRETS, key="second")
    world.peer.accounts[f"{CHANNEL}/{SECOND}"].account.state = ACCOUNT_STATE_DISABLED
    assert (await world.post(at(world, SECOND, FIRST, SECOND))).status_code == 200
    for others in ((SECOND,), (SECOND, STRANGER)):
        answer = await world.post(at(world, SECOND, *others))
        assert (answer.status_code, answer.json()) == (200, {})  # or Meta takes the URL from all
    assert stored(world) == {FIRST: [f"to {FIRST}"]}
    forged = at(world, SECOND, FIRST)
    assert (await world.post(replace(forged, headers={**forged.headers, HEADER: "sha256=00"}))).status_code == 404
