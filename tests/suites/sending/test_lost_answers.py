"""An answer that was lost two hundred times: where a provider can be asked, or tells, nobody reads anything twice."""

from collections import Counter
from datetime import datetime, timedelta

import pytest

from channels.channel import Unknown
from sandbox.provider import Taken
from tests.suites.sending.virtual import lost, virtual
from tests.suites.storage.hot import Store

# Each by its own way: a callback's URL, biz_opaque_callback_data, the metadata of a post, an echo.
TOLD_LATER = ("whatsapp", "sms", "whatsapp_cloud", "slack", "instagram")
UNLIMITED = {"sends_per_second": "0", "chat_sends_per_second": "0"}


@pytest.mark.parametrize("channel", TOLD_LATER)
async def test_two_hundred_lost_answers_are_found_out_and_nothing_is_said_twice(
    small_store: Store, channel: str
) -> None:
    async with virtual(small_store, options={channel: UNLIMITED}) as world:
        world.lines[channel].weather = lost
        for first in range(0, 50, 10):
            await world.ask(channel, range(first, first + 10), *(f"**well** {number}" for number in range(4)))
            await world.run(30)
        shown = Counter(world.lines[channel].shown)
        assert (len(shown), set(shown.values())) == (200, {1})
        assert set(await world.states()) <= {"sent", "delivered", "read"}
        assert await world.attempts() == 200


async def test_discord_is_asked_again_with_the_same_nonce_and_shows_it_once(small_store: Store) -> None:
    async with virtual(small_store) as world:
        met: set[str] = set()

        def first_time(_at: datetime, taken: Taken) -> Exception | None:
            if taken.to in met:
                return None
            met.add(taken.to)
            return Unknown(provider_code="connection_lost")

        world.lines["discord"].weather = first_time
        people = await world.ask("discord", range(200), "well")
        await world.run()
        assert Counter(world.lines["discord"].shown) == Counter((person, "well") for person in people)
        assert await world.states() == {"sent": 200}


async def test_line_is_asked_again_with_the_same_key_until_it_answers_and_shows_it_once(store: Store) -> None:
    async with virtual(store) as world:
        began = world.now
        world.lines["line"].weather = lambda at, _taken: (
            Unknown(provider_code="connection_lost") if at - began < timedelta(minutes=2) else None
        )
        people = await world.ask("line", range(40), "well")
        await world.run(3600)
        assert Counter(world.lines["line"].shown) == Counter((person, "well") for person in people)
        assert await world.states() == {"sent": 40}


async def test_what_line_showed_and_never_answered_is_not_said_to_have_failed(small_store: Store) -> None:
    async with virtual(small_store) as world:
        (poor, *_) = await world.ask("line", range(8), "well")
        world.lines["line"].weather = lambda _at, taken: (
            Unknown(provider_code="connection_lost") if taken.to == poor else None
        )
        world.unheard = lambda ask: poor.encode() in ask.body
        await world.run(120)
        for _ in range(6):
            await world.ask("line", range(20, 24), "well")
            await world.run(120)
        rows = await small_store.fetch("SELECT state, reason FROM deliveries WHERE state <> 'sent'")
        assert [tuple(row) for row in rows] == [("unknown", "gave_up")]
        assert world.lines["line"].shown.count((poor, "well")) == 1


async def test_where_nobody_can_tell_a_lost_answer_is_parked_and_seen(small_store: Store) -> None:
    async with virtual(small_store) as world:
        world.lines["telegram"].weather = lost
        await world.ask("telegram", [1], "well")
        await world.run(3600)
        assert await world.states() == {"unknown": 1}
        assert len(world.lines["telegram"].shown) == 1


async def test_where_the_account_wants_it_said_again_it_is_said_again_once_however_long_answers_are_lost(
    small_store: Store,
) -> None:
    async with virtual(small_store) as world:
        await small_store.execute("UPDATE channel_accounts SET unknown_policy = 'resend'")
        world.lines["telegram"].weather = lost
        await world.ask("telegram", [1], "well")
        await world.run(3 * 86_400)
        assert await world.states() == {"unknown": 1}
        assert len(world.lines["telegram"].shown) == 2
