"""A provider that says "not so fast, come back in seven seconds": nobody comes back before, and nobody at once."""

from datetime import datetime, timedelta

import pytest

from channels.channel import Throttled
from sandbox.provider import Reply, Taken
from tests.suites.sending.virtual import Virtual, virtual
from tests.suites.storage.hot import START, Store

SEVEN = timedelta(seconds=7)


class Storm:
    """Refuses with Retry-After 7 whatever comes while it lasts, and counts what came too early."""

    def __init__(self, lasts: timedelta) -> None:
        self.ends_at = START + lasts
        self.closed_until = START
        self.early = 0

    def __call__(self, at: datetime, _taken: Taken) -> Reply | Exception | None:
        if at < self.closed_until and at - (self.closed_until - SEVEN) > timedelta(milliseconds=100):
            self.early += 1
        if at >= self.ends_at and at >= self.closed_until:
            return None
        self.closed_until = max(self.closed_until, at + SEVEN)
        return Throttled(provider_code="429", retry_after=SEVEN)


@pytest.mark.parametrize("channel", ["whatsapp", "slack"])
async def test_in_a_storm_of_429_nothing_is_tried_before_its_time_and_nothing_is_lost(
    store: Store, channel: str
) -> None:
    async with virtual(store, senders=2) as world:
        storm = world.lines[channel].weather = Storm(timedelta(seconds=20))
        said = await world.ask(channel, range(90), "well")
        await world.run()
        assert storm.early == 0
        assert sorted(each for each, _ in world.lines[channel].shown) == sorted(said)
        assert len(world.lines[channel].seen) / len(said) <= 1.1


async def test_a_storm_on_one_account_is_not_heard_on_another(store: Store) -> None:
    async with virtual(store) as world:
        world.lines["whatsapp"].weather = Storm(timedelta(seconds=60))
        await world.ask("whatsapp", range(30), "well")
        await world.ask("telegram", range(3), "fine")
        await world.run(1)
        assert len(world.lines["telegram"].shown) == 3


async def test_the_first_part_that_was_refused_is_not_overtaken_by_the_second(store: Store) -> None:
    text = " ".join(f"word{number}" for number in range(400))
    async with virtual(store, senders=2) as world:
        world.lines["whatsapp"].weather = Storm(timedelta(seconds=1))
        await world.ask("whatsapp", [1], text, "and one more thing")
        await world.run()
        assert _in_order(world) == f"{text} and one more thing"
        assert len(world.lines["whatsapp"].shown) > 2


async def test_a_chat_that_is_too_fast_holds_up_nobody_else(store: Store) -> None:
    async with virtual(store) as world:
        hot, *others = await world.ask("discord", range(6), "well")

        def only_theirs(at: datetime, taken: Taken) -> Exception | None:
            early = taken.to == hot and at < START + SEVEN
            return Throttled(retry_after=SEVEN, whole_account=False) if early else None

        world.lines["discord"].weather = only_theirs
        await world.run(1)
        assert sorted(each for each, _ in world.lines["discord"].shown) == sorted(others)
        await world.run()
        seen = [each.at for each in world.lines["discord"].seen if each.to == hot]
        assert len(seen) == 2
        assert seen[1] - seen[0] >= SEVEN


async def test_too_fast_without_a_time_waits_longer_each_time(small_store: Store) -> None:
    async with virtual(small_store) as world:

        def silent(at: datetime, _taken: Taken) -> Exception | None:
            return Throttled(provider_code="63018") if at < START + timedelta(seconds=20) else None

        world.lines["sms"].weather = silent
        await world.ask("sms", [1], "well")
        await world.run()
        gaps = [b.at - a.at for a, b in zip(world.lines["sms"].seen, world.lines["sms"].seen[1:], strict=False)]
        assert gaps == sorted(gaps)
        assert len(gaps) <= 6
        assert len(world.lines["sms"].shown) == 1


def _in_order(world: Virtual) -> str:
    return " ".join(text for _, text in world.lines["whatsapp"].shown)
