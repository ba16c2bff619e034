"""Does whoever waits hear of what is said: at once, without a gap, and until the process stops?"""

import asyncio
import time
from dataclasses import dataclass, field, replace

import pytest

from kit.errors import RateLimited
from parley.chat.v1 import message_pb2 as chat
from storage_service.domain.drafts import NOBODY
from storage_service.domain.events import Events
from storage_service.domain.wakeups import Wakeups
from storage_service.domain.watching import News, Watching
from tests.stalls import SHORT_PATIENCE_SECONDS

NEVER = 1000.0


@dataclass
class Said:
    """A conversation in memory. `meanwhile` happens between a read and what follows it."""

    texts: list[str] = field(default_factory=list)
    thinking: bool = False
    reads: int = 0
    meanwhile: list[str] = field(default_factory=list)
    wakeups: Wakeups = field(default_factory=Wakeups)
    page: int = 100

    async def news(self, tenant_id: str, conversation_id: str, *, after_seq: int) -> News:
        self.reads += 1
        unseen = [chat.Message(seq=n, text=text) for n, text in enumerate(self.texts, start=1) if n > after_seq]
        answering = ("turn", 1) if self.thinking else NOBODY
        news = News(unseen[: self.page], answering, more=len(unseen) > self.page)
        if self.meanwhile:
            self.say(self.meanwhile.pop())
        return news

    def say(self, text: str) -> None:
        self.texts.append(text)
        self.wakeups.moved(["c"])


def a_watching(said: Said, heartbeat_seconds: float = NEVER, first_poll_seconds: float = NEVER) -> Watching:
    return Watching(
        said,
        said.wakeups,
        stopping=asyncio.Event(),
        monotonic=time.monotonic,
        heartbeat_seconds=heartbeat_seconds,
        first_poll_seconds=first_poll_seconds,
    )


async def test_a_bell_wakes_the_watcher_without_any_poll() -> None:
    said = Said()
    watch = a_watching(said).watch("acme", "c", after_seq=0)
    first = await anext(watch)
    waiting = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0.01)
    said.say("news")
    second = await asyncio.wait_for(waiting, SHORT_PATIENCE_SECONDS)
    await watch.aclose()
    assert ([each.text for each in first.messages], [each.text for each in second.messages]) == ([], ["news"])


async def test_what_is_said_between_reading_and_waiting_is_not_missed() -> None:
    said = Said(meanwhile=["in between"])
    watch = a_watching(said).watch("acme", "c", after_seq=0)
    await anext(watch)
    news = await asyncio.wait_for(anext(watch), SHORT_PATIENCE_SECONDS)
    await watch.aclose()
    assert [each.text for each in news.messages] == ["in between"]


async def test_a_poll_finds_what_no_bell_told() -> None:
    said = Said()
    watch = a_watching(said, first_poll_seconds=0.01).watch("acme", "c", after_seq=0)
    await anext(watch)
    said.texts.append("from another process")
    news = await asyncio.wait_for(anext(watch), SHORT_PATIENCE_SECONDS)
    await watch.aclose()
    assert [each.text for each in news.messages] == ["from another process"]


async def test_a_quiet_watch_shows_that_it_lives_and_reads_nothing_for_that() -> None:
    said = Said(thinking=True)
    watch = a_watching(said, heartbeat_seconds=0.02).watch("acme", "c", after_seq=0)
    beats = [await asyncio.wait_for(anext(watch), SHORT_PATIENCE_SECONDS) for _ in range(3)]
    await watch.aclose()
    assert [(len(beat.messages), beat.thinking) for beat in beats] == [(0, True)] * 3
    assert said.reads == 1


async def test_what_follows_at_once_is_read_at_once() -> None:
    said = Said(texts=["one", "two", "three"], page=1)
    watch = a_watching(said).watch("acme", "c", after_seq=0)
    told = [await asyncio.wait_for(anext(watch), SHORT_PATIENCE_SECONDS) for _ in range(3)]
    await watch.aclose()
    assert [each.text for response in told for each in response.messages] == ["one", "two", "three"]


async def test_who_missed_what_others_told_looks() -> None:
    said = Said()
    watch = a_watching(said).watch("acme", "c", after_seq=0)
    await anext(watch)
    said.texts.append("told by another process, and not heard")
    Events(said.wakeups).missed()
    news = await asyncio.wait_for(anext(watch), SHORT_PATIENCE_SECONDS)
    await watch.aclose()
    assert len(news.messages) == 1


async def test_a_watch_ends_when_the_process_stops_and_leaves_no_bell() -> None:
    said = Said()
    watching = a_watching(said)
    watch = watching.watch("acme", "c", after_seq=0)
    await anext(watch)
    ending = asyncio.ensure_future(anext(watch, None))
    await asyncio.sleep(0.01)
    watching.stopping.set()
    assert await asyncio.wait_for(ending, SHORT_PATIENCE_SECONDS) is None
    assert not said.wakeups.watched


async def test_who_comes_while_the_process_stops_is_not_sent_away_at_once_to_come_again() -> None:
    said = Said(texts=["hello"])
    watching = a_watching(said)
    watching.stopping.set()
    watch = watching.watch("acme", "c", after_seq=0)
    waiting = asyncio.ensure_future(anext(watch, None))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    soon = replace(watching, first_poll_seconds=0.01)
    async with asyncio.timeout(10):
        assert [each async for each in soon.watch("acme", "c", after_seq=0)] == []
    assert (said.reads, said.wakeups.watched) == (0, False)


async def test_a_watcher_that_goes_away_leaves_no_bell() -> None:
    said = Said()
    watch = a_watching(said).watch("acme", "c", after_seq=0)
    await anext(watch)
    waiting = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await watch.aclose()
    assert not said.wakeups.watched


async def test_no_more_watch_than_may_and_whoever_leaves_makes_room() -> None:
    said = Said()
    watching = replace(a_watching(said), room=asyncio.Semaphore(1))
    first, second, third = (watching.watch("acme", "c", after_seq=0) for _ in range(3))
    await anext(first)
    with pytest.raises(RateLimited) as raised:
        await anext(second)
    assert raised.value.retry_after is not None
    await first.aclose()
    await anext(third)
    await third.aclose()
