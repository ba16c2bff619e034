"""Is a sender told what to show, while a turn runs and no longer, on both databases and in whichever replica?"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from kit.ids import new_id
from kit.moments import span, utc_now
from parley.storage.v1.signal_requests_pb2 import (
    SIGNAL_KIND_READ,
    SIGNAL_KIND_TYPING,
    Signal,
    SignalledChannel,
)
from storage_service.backends.hot import open_hot
from storage_service.backends.running import Running
from storage_service.backends.sessions import Sessions
from storage_service.domain.drafts import Shown
from storage_service.domain.events import Events
from storage_service.domain.presence import Begun, Presence
from storage_service.domain.wakeups import Wakeups
from tests.postgres import Server as Postgres
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.hot import TENANT, Store, fresh
from tests.waiting import until

CHANNELS = [SignalledChannel(channel="whatsapp", read=True, typing=span(timedelta(seconds=0.2)))]


@dataclass
class Watch:
    """A presence that runs, and what one sender heard of it."""

    presence: Presence
    stopping: asyncio.Event
    elsewhere: list[Begun]
    heard: list[Signal] = field(default_factory=list)

    def kinds(self) -> list[int]:
        return [each.kind for each in self.heard]


@asynccontextmanager
async def watching(store: Store, channels: list[SignalledChannel] | None = None) -> AsyncIterator[Watch]:
    """Nobody listens when there are no channels."""
    stopping, elsewhere = asyncio.Event(), list[Begun]()
    running = Running(Sessions(store.engine, now=utc_now, new_id=new_id))
    presence = Presence(running.signals, elsewhere=elsewhere.extend, stopping=stopping, monotonic=time.monotonic)
    watch = Watch(presence, stopping, elsewhere)

    async def listen() -> None:
        async for signals in presence.watch(CHANNELS if channels is None else channels):
            watch.heard += signals

    tasks = [asyncio.create_task(presence.run()), asyncio.create_task(listen())]
    await asyncio.sleep(0)
    yield watch
    stopping.set()
    await asyncio.wait_for(tasks[1], PATIENCE_SECONDS)
    tasks[0].cancel()
    await asyncio.wait(tasks)


async def test_a_turn_that_begins_was_read_and_one_that_lasts_is_being_written(store: Store) -> None:
    await store.hear("hi", metadata={"thread_ts": "7"})
    async with watching(store) as watch:
        (turn,) = await store.lease()
        watch.presence.began([turn])
        await until(lambda: len(watch.heard) >= 4)
    assert watch.kinds()[:4] == [SIGNAL_KIND_READ, SIGNAL_KIND_TYPING, SIGNAL_KIND_TYPING, SIGNAL_KIND_TYPING]
    told = watch.heard[0]
    assert (told.tenant_id, told.turn_id, told.conversation_id) == (TENANT, turn.turn_id, turn.conversation_id)
    assert (told.account_id, told.chat_id, told.provider_message_id) == ("account-1", "chat-1", "in-1")
    assert dict(told.metadata) == {"thread_ts": "7"}


async def test_a_turn_that_ends_is_shown_no_more(store: Store) -> None:
    await store.hear("hi")
    async with watching(store) as watch:
        (turn,) = await store.lease()
        watch.presence.began([turn])
        await until(lambda: SIGNAL_KIND_TYPING in watch.kinds())
        watch.presence.ended([(turn.tenant_id, turn.turn_id)])
        told = len(watch.heard)
        await asyncio.sleep(0.5)
        assert len(watch.heard) == told


async def test_what_ended_unheard_is_seen_before_anything_is_told(store: Store) -> None:
    """As when another replica ended it, or a human took over: the rows say so."""
    for chat in ("answered", "taken", "sending"):
        await store.hear("hi", chat_id=chat)
    turns = await store.lease()
    by_chat = {(await _chat(store, turn.conversation_id)): turn for turn in turns}
    await store.commit(by_chat["answered"], "hello")
    await store.execute("UPDATE conversations SET owner = 'human' WHERE chat_id = 'taken'")
    await store.execute("UPDATE conversations SET open_deliveries = 1 WHERE chat_id = 'sending'")
    await store.hear("hi", chat_id="other")
    (other,) = await store.lease()
    async with watching(store) as watch:
        watch.presence.began([*turns, other])
        await until(lambda: SIGNAL_KIND_TYPING in watch.kinds())
        assert {each.turn_id for each in watch.heard} == {other.turn_id}


async def test_a_turn_whose_chat_a_human_took_and_gave_back_is_shown_no_more(store: Store) -> None:
    """What it writes is never said."""
    await store.hear("hi")
    async with watching(store) as watch:
        watch.presence.began(await store.lease())
        await until(lambda: SIGNAL_KIND_TYPING in watch.kinds())
        await store.execute("UPDATE conversations SET owner_epoch = owner_epoch + 2")
        await asyncio.sleep(0.5)  # what was looked up before is told
        told = len(watch.heard)
        await asyncio.sleep(0.5)
        assert len(watch.heard) == told


async def test_what_nobody_here_can_show_is_told_elsewhere_and_not_kept(store: Store) -> None:
    await store.hear("hi")
    (turn,) = await store.lease()
    async with watching(store, [SignalledChannel(channel="telegram", typing=span(timedelta(seconds=5)))]) as watch:
        watch.presence.began([turn])
        assert watch.elsewhere == [Begun("whatsapp", TENANT, turn.turn_id, turn.messages[0].id)]
        await asyncio.sleep(0.7)
        assert watch.heard == []


async def test_a_sender_that_listens_no_more_leaves_the_turn_to_another(store: Store) -> None:
    await store.hear("hi")
    (turn,) = await store.lease()
    async with watching(store, []) as watch:
        late = watch.presence.watch(CHANNELS)
        heard = asyncio.ensure_future(anext(late))
        await asyncio.sleep(0)
        watch.presence.began([turn])
        assert [each.kind for each in await heard] == [SIGNAL_KIND_READ]
        await late.aclose()
        watch.presence.began([turn])
        assert [each.turn_id for each in watch.elsewhere] == [turn.turn_id]


async def test_another_replica_hears_of_a_turn_that_nobody_here_can_show(postgres_server: Postgres) -> None:
    url = fresh("postgres", None, postgres_server)  # type: ignore[arg-type]  # of SQLite only
    here, there = Events(Wakeups()), Events(Wakeups())
    heard, drawn = list[Begun](), list[Shown]()
    there.show(heard.extend, draw=drawn.append)
    hots = [open_hot(url, replica_id=new_id(), events=each) for each in (here, there)]
    begun = [Begun("telegram", "a tenant/with, signs", f"turn-{number}", new_id()) for number in range(30)]
    async with asyncio.TaskGroup() as group:
        crying = [group.create_task(hot.crier.run()) for hot in hots if hot.crier]
        for hot in hots:
            await hot.database.open()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not {each.turn_id for each in begun} <= {each.turn_id for each in heard}:
                for hot in hots:
                    await hot.database.beat()
                here.began(begun)
                await asyncio.sleep(0.1)
        for each in crying:
            each.cancel()
    for hot in hots:
        await hot.database.close()
    assert set(begun) == set(heard)


async def _chat(store: Store, conversation_id: str) -> str:
    ((chat_id,),) = await store.fetch("SELECT chat_id FROM conversations WHERE id = :id", id=conversation_id)
    return str(chat_id)
