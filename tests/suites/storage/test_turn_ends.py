"""Does whoever awaits a turn hear of its end, however it ends, and in whichever replica?"""

import asyncio
import contextlib
from collections.abc import Iterator

import asyncpg
import pytest

from kit.ids import new_id
from parley.chat.v1 import message_pb2 as chat
from storage_service.backends.hot import Hot, open_hot
from storage_service.domain.events import Events, News
from storage_service.domain.wakeups import TurnBell, Wakeups
from tests.postgres import Server as Postgres
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.hearing import until_they_hear
from tests.suites.storage.hot import Store, migrate
from tests.suites.storage.people import erased, only_contact, owned_by
from tests.suites.storage.world import World


@contextlib.contextmanager
def a_bell(wakeups: Wakeups, turn_id: str) -> Iterator[TurnBell]:
    with wakeups.turn_end() as bell:
        bell.listen_to(turn_id)
        yield bell


async def rings(bell: TurnBell) -> bool:
    return await bell.wait(0.02)


async def test_a_commit_rings_for_its_turn_and_nothing_before_it_does(store: Store) -> None:
    said = await store.hear("hi")
    other = await store.hear("hi", chat_id="other")
    with a_bell(store.wakeups, said.turn_id) as bell, a_bell(store.wakeups, other.turn_id) as others:
        await store.hear("are you there?")
        (turn, _) = sorted(await store.lease(), key=lambda each: each.turn_id != said.turn_id)
        assert not await rings(bell)
        await store.commit(turn, "yes")
        assert (await rings(bell), await rings(others)) == (True, False)


async def test_the_end_of_an_overdue_turn_rings(store: Store) -> None:
    said = await store.hear("hi")
    with a_bell(store.wakeups, said.turn_id) as bell:
        store.clock.pass_seconds(121)
        await store.sweep("overdue_turns")
        assert await rings(bell)


async def test_a_turn_that_gives_messages_away_rings(store: Store) -> None:
    said = [await store.hear(str(number)) for number in range(51)]
    with a_bell(store.wakeups, said[0].turn_id) as bell:
        (turn,) = await store.lease()
        assert turn.turn_id != said[0].turn_id
        assert await rings(bell)


@pytest.mark.parametrize("how", ["a take-over", "an erasure"])
async def test_what_a_person_ends_rings(store: Store, world: World, how: str) -> None:
    said = await store.hear("hi")
    with a_bell(world.wakeups, said.turn_id) as bell:
        if how == "a take-over":
            await owned_by(world, said.conversation_id, chat.OWNER_HUMAN)
        else:
            await erased(world, await only_contact(world))
        assert await rings(bell)


async def test_a_turn_that_ends_in_another_replica_rings_here(postgres_server: Postgres) -> None:
    url = postgres_server.fresh(migrate)
    here, there = Wakeups(), Wakeups()
    hots = [open_hot(url, replica_id=new_id(), events=Events(wakeups)) for wakeups in (here, there)]
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        crying = [group.create_task(hot.crier.run()) for hot in hots if hot.crier]
        for hot in (*hots, *hots):
            await hot.database.beat()
        await until_they_hear(here, there)
        with a_bell(here, "turn-1") as bell, here.conversation("chat-1") as news:
            cry(hots[1])
            assert await bell.wait(5)
            assert await news.wait(5)
        for task in crying:
            task.cancel()
    for hot in hots:
        await hot.database.close()


def cry(hot: Hot) -> None:
    assert hot.crier is not None
    hot.crier.cry(News(turns=True, deliveries=False, conversations=["chat-1"], ended=["turn-1"]))


async def test_a_replica_whose_connection_was_cut_looks_at_everything_and_hears_again(
    postgres_server: Postgres,
) -> None:
    url = postgres_server.fresh(migrate)
    here, there = Wakeups(), Wakeups()
    hots = [open_hot(url, replica_id=new_id(), events=Events(each)) for each in (here, there)]
    cry = News(turns=False, deliveries=False, conversations=["chat-1"])
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        crying = [group.create_task(hot.crier.run()) for hot in hots if hot.crier]
        for hot in (*hots, *hots):
            await hot.database.beat()
        await until_they_hear(here, there)
        with here.conversation("chat-1") as bell:
            cut = await asyncpg.connect(url)
            await cut.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            )
            await cut.close()
            assert await bell.wait(8), "what was told meanwhile is looked for"
            while not await bell.wait(0.2):
                assert hots[1].crier is not None
                hots[1].crier.cry(cry)
        for task in crying:
            task.cancel()
    for hot in hots:
        await hot.database.close()
