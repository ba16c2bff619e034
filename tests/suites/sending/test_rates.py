"""What a provider allows is kept to by all senders together, and costs nobody anything who stays below it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from tests.suites.sending.virtual import Seen, virtual
from tests.suites.storage.hot import Store


def most_within(seen: Sequence[Seen], span: timedelta) -> int:
    """The largest number of calls in any window so long."""
    times = sorted(each.at for each in seen)
    return max(sum(1 for at in times[start:] if at - times[start] < span) for start in range(len(times)))


def by_chat(seen: Sequence[Seen]) -> dict[str, list[Seen]]:
    chats: dict[str, list[Seen]] = defaultdict(list)
    for each in seen:
        chats[each.to].append(each)
    return chats


async def test_telegram_gets_no_more_than_thirty_a_second_from_three_senders(store: Store) -> None:
    async with virtual(store, senders=3) as world:
        await world.ask("telegram", range(120), "well")
        await world.run()
        assert len(world.lines["telegram"].shown) == 120
        assert most_within(world.lines["telegram"].seen, timedelta(seconds=1)) <= 30
        ended = max(each.at for each in world.lines["telegram"].seen) - world.lines["telegram"].seen[0].at
        assert ended <= timedelta(seconds=120 / 25 + 1), "and hardly less"


async def test_one_person_gets_no_more_than_their_chat_may_and_others_do_not_wait(store: Store) -> None:
    async with virtual(store) as world:
        (busy,) = await world.ask("telegram", [1], *(f"well {number}" for number in range(9)))
        await world.ask("telegram", [2], "fine")
        await world.run()
        chats = by_chat(world.lines["telegram"].seen)
        assert [each.text for each in chats[busy]] == [f"well {number}" for number in range(9)]
        assert most_within(chats[busy], timedelta(seconds=1)) <= 4
        assert chats[busy][-1].at - chats[busy][0].at >= timedelta(seconds=5.9)


async def test_what_stays_below_all_limits_waits_for_nothing(store: Store) -> None:
    async with virtual(store) as world:
        asked_at: dict[str, datetime] = {}
        for number in range(20):
            (person,) = await world.ask("whatsapp", [number], "well")
            asked_at[person] = world.now
            await world.run(1)
        assert all(each.at == asked_at[each.to] for each in world.lines["whatsapp"].seen)
        assert (await store.fetch("SELECT max(epoch) FROM deliveries")) == [(1,)], "each was leased once"


async def test_an_account_may_say_that_it_is_allowed_more_or_less(store: Store) -> None:
    async with virtual(store, options={"sms": {"sends_per_second": "2", "sends_burst": "1"}}) as world:
        await world.ask("sms", range(10), "well")
        await world.run()
        assert most_within(world.lines["sms"].seen, timedelta(seconds=0.9)) == 2
        assert len(world.lines["sms"].shown) == 10


async def test_a_text_message_counts_as_often_as_it_has_segments(store: Store) -> None:
    async with virtual(store, options={"sms": {"sends_per_second": "2", "sends_burst": "1"}}) as world:
        await world.ask("sms", range(4), "x" * 600)
        await world.run()
        times = sorted(each.at for each in world.lines["sms"].seen)
        waits = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
        assert len(waits) == 3
        assert all(2.0 <= wait < 2.5 for wait in waits), "four segments at two a second"


async def test_a_tenants_limit_holds_for_its_accounts_together(store: Store) -> None:
    async with virtual(store, senders=2, tenant_per_second=5) as world:
        await world.ask("whatsapp", range(20), "well")
        await world.ask("telegram", range(20), "fine")
        await world.run()
        seen = [*world.lines["whatsapp"].seen, *world.lines["telegram"].seen]
        assert len(seen) == 40
        assert most_within(seen, timedelta(seconds=1)) <= 10
        assert most_within(seen, timedelta(seconds=4)) <= 25


async def test_who_came_first_is_served_first(store: Store) -> None:
    async with virtual(store, options={"sms": {"sends_per_second": "1", "sends_burst": "1"}}) as world:
        order: list[str] = []
        for number in range(12):
            order += await world.ask("sms", [number], "well")
            await world.run(0.01)
        await world.run()
        assert [each.to for each in world.lines["sms"].seen] == order


async def test_a_reply_that_has_begun_is_finished_and_nobody_is_looked_at_over_and_over(small_store: Store) -> None:
    long = " ".join(f"word{number:04}" for number in range(450))
    async with virtual(small_store, options={"sms": {"sends_per_second": "20", "sends_burst": "1"}}) as world:
        await world.ask("sms", range(40), long)
        await world.run()
        seen = by_chat(world.lines["sms"].seen)
        assert {len(each) for each in seen.values()} == {3}
        (looks,) = (await small_store.fetch("SELECT sum(epoch) FROM deliveries"))[0]
        assert looks <= 40 * 3 * 3
