"""Providers that are down, too busy, or whose answers get lost, all at once: who hears of it? By real processes."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import count, groupby, pairwise

import aiohttp
import pytest

from parley.chat.v1 import message_pb2 as chat
from tests.mesh.conftest import FULL
from tests.mesh.rig import SMS, WHATSAPP, Mesh, Storage
from tests.mesh.talk import Talk, person
from tests.mesh.weather import Arrival, Weather, of_slack, of_twilio
from tests.mesh.world import World
from tests.stalls import PATIENCE_SECONDS
from tests.waiting import until

RETRY_AFTER = 2
THROTTLED = f"throttled:{RETRY_AFTER}"
TO_STOP = 3  # failures in a row
SHORTEST_PAUSE = 0.375  # seconds, of the first; each further one is twice as long
BUSY, FLAKY, DOWN, WELL = 40, 400, 40, 40  # people who write to each account
RATE = "200"  # of an account; a long number's own would be one a second
LONG = " ".join(f"word{number}" for number in range(400))


class Storm:
    """The SMS number's 429 and Slack's 503 last until they are over; every second answer on WhatsApp is lost."""

    def __init__(self, world: World) -> None:
        self.lasts = True
        self._calls = count()
        self.twilio = Weather(world.twilio, of_twilio, self._at_twilio)
        self.slack = Weather(world.slack, of_slack, lambda _: "down" if self.lasts else "ok")

    def _at_twilio(self, sender: str) -> str:
        if sender == WHATSAPP:
            return "lost" if next(self._calls) % 2 else "ok"
        return THROTTLED if self.lasts else "ok"

    @property
    def busy(self) -> list[Arrival]:
        return self.twilio.of(SMS)

    @property
    def down(self) -> list[Arrival]:
        return self.slack.arrivals

    @property
    def flaky(self) -> list[Arrival]:
        return self.twilio.of(WHATSAPP)


@pytest.fixture
def storm(world: World) -> Iterator[Storm]:
    made = Storm(world)
    with made.twilio.over(), made.slack.over():
        yield made


@pytest.fixture
async def storage(mesh: Mesh) -> AsyncIterator[Storage]:
    async with mesh.storage() as caller, caller.quiet_window(0), caller.option("sends_per_second", RATE):
        await caller.rest(PATIENCE_SECONDS)
        yield caller


@FULL
async def test_an_outage_a_storm_of_429_and_lost_answers_are_heard_by_their_own_accounts_alone(
    mesh: Mesh, world: World, storm: Storm, storage: Storage
) -> None:
    first, poor = person(), _on_slack()
    busy, flaky = [person() for _ in range(BUSY)], [person() for _ in range(FLAKY)]
    down, well = [_on_slack() for _ in range(DOWN)], [person().lstrip("+") for _ in range(WELL)]
    before = await _unknown(storage)  # of tests that killed a sender
    with mesh.one_more("sender") as second:
        await until(lambda: "service.listening" in mesh.log(second), PATIENCE_SECONDS)
        await _stopped(mesh, storm, first=first, poor=poor)
        await _say(mesh, {"sms": [*busy, first], "slack": down})
        await _waiting(storage, BUSY + DOWN)
        await until(lambda: any(each.to != _direct(poor) for each in storm.down), PATIENCE_SECONDS)
        await _say(mesh, {"whatsapp": flaky, "telegram": well})
        await until(lambda: all(world.telegram.sends.to(who) for who in well), PATIENCE_SECONDS)
        assert {each.mode for each in storm.busy} == {THROTTLED}, "who is well waited for nobody"
        assert {each.mode for each in storm.down} == {"down"}
        storm.lasts = False
        await storage.rest(PATIENCE_SECONDS)
        await _found_out(storage, before)
        await _told(mesh.base_url, 'parley_receipts_total{channel="whatsapp",state="delivered"}')
    assert all("attempt.ended" in mesh.log(sender) for sender in ("sender", second))
    twilio, slack, telegram = world.twilio.sends, world.slack.sends, world.telegram.sends
    once = ["re: hello"]
    assert {who: twilio.texts(who) for who in busy} == dict.fromkeys(busy, once)
    assert {who: twilio.texts(f"whatsapp:{who}") for who in flaky} == dict.fromkeys(flaky, once)
    assert len(storm.flaky) == FLAKY, "a call whose answer was lost is not made again"
    assert {who: slack.texts(_direct(who)) for who in [*down, poor]} == dict.fromkeys([*down, poor], once)
    assert {who: telegram.texts(who) for who in well} == dict.fromkeys(well, once)
    calls = [*storm.busy, *storm.down, *storm.flaky]
    assert len(calls) <= 1.1 * sum(each.mode in ("ok", "lost") for each in calls)
    assert _too_early(storm.busy) == []
    _one_part_after_the_other([each for each in storm.busy if each.to == first])
    _ever_longer_pauses(storm.down, poor=_direct(poor))


async def _stopped(mesh: Mesh, storm: Storm, *, first: str, poor: str) -> None:
    """One person's reply has met the storm, one the outage, and storage knows; then nothing more is under way."""
    async with Talk(mesh) as talk:
        await talk.say("sms", LONG, first)
        await talk.say("slack", "hello", poor)
    await until(lambda: storm.busy and len(storm.down) >= TO_STOP, PATIENCE_SECONDS)
    for why in ("throttled", "failing"):
        await _told(f"http://127.0.0.1:{mesh.metrics['storage']}", f'parley_accounts_stopped{{why="{why}"}} 1.0')


async def _told(base_url: str, metric: str) -> None:
    """Waits until Prometheus would hear it there."""
    async with asyncio.timeout(PATIENCE_SECONDS), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{base_url}/metrics") as answer:
                if any(line.startswith(metric) for line in (await answer.text()).splitlines()):
                    return
            await asyncio.sleep(0.05)


async def _waiting(storage: Storage, number: int) -> None:
    """So many deliveries, or more."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(await storage.deliveries(chat.DELIVERY_STATE_QUEUED)) < number:
            await asyncio.sleep(0.05)


async def _found_out(storage: Storage, before: set[str]) -> None:
    """Twilio's callbacks have told what became of each call whose answer was lost."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await _unknown(storage) - before:
            await asyncio.sleep(0.05)


async def _unknown(storage: Storage) -> set[str]:
    """Deliveries on WhatsApp of which nobody knows whether they were taken."""
    (whatsapp,) = [each.id for each in await storage.accounts() if each.channel == "whatsapp"]
    unknown = await storage.deliveries(chat.DELIVERY_STATE_UNKNOWN)
    return {each.id for each in unknown if each.account_id == whatsapp}


async def _say(mesh: Mesh, everybody: Mapping[str, Sequence[str]]) -> None:
    async with Talk(mesh) as talk:
        said = [talk.say(channel, "hello", who) for channel, people in everybody.items() for who in people]
        await asyncio.gather(*said)


def _on_slack() -> str:
    return f"U{person().lstrip('+')}"


def _direct(user: str) -> str:
    """The channel in which the app and this user write to each other."""
    return f"D{user[1:]}"


def _too_early(calls: list[Arrival]) -> list[float]:
    """How long after a 429 the next call was there, where that was too soon. Once it is on record, one call at a time
    finds out, so that whatever comes next has been made after it."""
    gaps = [(before.mode, after.at - before.at) for before, after in pairwise(calls)]
    assert any(mode == THROTTLED for mode, _ in gaps)
    return [gap for mode, gap in gaps if mode == THROTTLED and gap < RETRY_AFTER]


def _one_part_after_the_other(calls: list[Arrival]) -> None:
    """The second part is not called before the first was taken, nor the second message."""
    taken = [each.text for each in calls if each.mode == "ok"]
    assert [text for text, _ in groupby(each.text for each in calls)] == taken
    *parts, last = taken
    assert len(parts) > 1
    assert " ".join(parts) == f"re: {LONG}"
    assert last == "re: hello"


def _ever_longer_pauses(calls: list[Arrival], *, poor: str) -> None:
    """As soon as it is not one message's fault alone, an outage costs the fewer calls the longer it lasts."""
    failed = [each for each in calls if each.mode == "down"]
    several = next(number for number, each in enumerate(failed) if each.to != poor)
    pauses = [after.at - before.at for before, after in pairwise(failed[several:])]
    least = [SHORTEST_PAUSE * 2 ** (number + 1) for number in range(len(pauses))]
    assert all(pause >= shortest for pause, shortest in zip(pauses, least, strict=True)), pauses
