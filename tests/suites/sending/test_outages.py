"""A provider that is down for an hour: nothing is lost, hardly anything is tried in vain, and nobody else notices."""

from datetime import datetime, timedelta

from channels.channel import Unavailable
from sandbox.provider import Reply, Taken
from tests.suites.sending.virtual import Seen, Virtual, Weather, down, fine, lost, virtual
from tests.suites.storage.hot import START, Store

HOUR = timedelta(hours=1)
FIVE_MINUTES = timedelta(minutes=5)


def between(start: datetime, end: datetime, weather: Weather) -> Weather:
    def told(at: datetime, taken: Taken) -> Reply | Exception | None:
        return (weather if start <= at < end else fine)(at, taken)

    return told


def failed(world: Virtual, channel: str) -> list[Seen]:
    return [each for each in world.lines[channel].seen if not each.taken]


async def test_after_an_hour_without_a_provider_all_arrives_once_at_hardly_more_than_one_call_each(
    small_store: Store,
) -> None:
    async with virtual(small_store, senders=2) as world:
        began = START + FIVE_MINUTES
        world.lines["slack"].weather = between(began, began + HOUR, down)
        said: list[tuple[str, str]] = []
        waits: list[timedelta] = []
        for minute in range(0, 70, 5):
            many = 100 if minute in (0, 65) else 10
            people = await world.ask("slack", range(minute * 10, minute * 10 + many), "well")
            said += [(person, "well") for person in people]
            (other,) = await world.ask("telegram", [minute], "fine")
            asked_at = world.now
            await world.run(300)
            (reply,) = [each for each in world.lines["telegram"].seen if each.to == other]
            waits.append(reply.at - asked_at)
        await world.run()
        assert sorted(world.lines["slack"].shown) == sorted(said)
        assert len(world.lines["slack"].seen) / len(said) <= 1.1
        assert await world.attempts() == len(world.lines["slack"].seen) + len(waits), "every call was on record"
        assert max(waits) == min(waits), "another account heard nothing of it"
        back = min(each.at for each in world.lines["slack"].seen if each.taken and each.at > began + HOUR)
        assert back - (began + HOUR) <= FIVE_MINUTES * 1.25


async def test_senders_that_share_an_account_find_out_together_that_its_provider_is_down(store: Store) -> None:
    async with virtual(store, senders=3) as world:
        world.lines["whatsapp"].weather = between(START, START + timedelta(seconds=30), down)
        said = await world.ask("whatsapp", range(60), "well")
        await world.run(30)
        # Four calls at first, and probes after half a second, 1, 2, 4, 8 …
        assert len(failed(world, "whatsapp")) <= 4 + 6
        await world.run()
        assert sorted(each for each, _ in world.lines["whatsapp"].shown) == sorted(said)


async def test_after_an_outage_one_call_tries_and_then_ever_more(store: Store) -> None:
    async with virtual(store, options={"whatsapp": {"sends_per_second": "0"}}) as world:
        line = world.lines["whatsapp"]
        line.weather = between(START, START + timedelta(seconds=3), down)
        await world.ask("whatsapp", range(40), "well")
        await world.run()
        at_once: list[int] = []
        good = [each.at for each in line.seen if each.taken]
        while good:
            together = [at for at in good if at - good[0] < timedelta(milliseconds=100)]
            at_once.append(len(together))
            good = good[len(together) :]
        assert at_once[:3] == [1, 2, 4]


async def test_a_message_that_always_fails_is_given_up_while_the_others_come_through(store: Store) -> None:
    async with virtual(store) as world:
        (poor, *others) = await world.ask("sms", range(8), "well")

        def only_theirs(_at: datetime, taken: Taken) -> Exception | None:
            return Unavailable(provider_code="500") if taken.to == poor else None

        world.lines["sms"].weather = only_theirs
        await world.run(120)
        for _ in range(6):
            await world.ask("sms", range(20, 24), "well")
            await world.run(120)
        reasons = await store.fetch("SELECT reason FROM deliveries WHERE state = 'failed'")
        assert [tuple(row) for row in reasons] == [("gave_up",)]
        assert {each for each, _ in world.lines["sms"].shown} >= set(others)


async def test_what_waited_a_day_for_its_provider_is_given_up(small_store: Store) -> None:
    async with virtual(small_store) as world:
        world.lines["sms"].weather = down
        await world.ask("sms", [1], "well")
        await world.run(86_400 + 600)
        assert (await world.states()) == {"failed": 1}


async def test_receipts_show_that_a_provider_lives_whose_answers_are_lost(small_store: Store) -> None:
    """Else an account would stop for the very sends that were taken."""
    async with virtual(small_store) as world:
        world.lines["whatsapp"].weather = lost
        for _ in range(10):
            await world.ask("whatsapp", range(4), "well")
            await world.run(3)
        assert (await world.states()) == {"read": 40}
