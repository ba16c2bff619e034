"""Is a page that waits for the first word of its chat told of it at once, and does waiting cost storage little?"""

import asyncio
from dataclasses import dataclass, field
from itertools import islice

from gateway.domain.first_words import FirstWords
from gateway.domain.sessions import Place

NEVER = 1000.0
HERE, ELSEWHERE = Place("t", "a", "here"), Place("t", "a", "elsewhere")


@dataclass
class Storage:
    """Conversations in memory. `meanwhile` happens while somebody looks."""

    found: dict[Place, str] = field(default_factory=dict)
    looks: int = 0
    quiet: int = 0
    meanwhile: list[Place] = field(default_factory=list)
    words: FirstWords = field(default_factory=lambda: FirstWords(first_look_seconds=NEVER, seldom_seconds=NEVER))

    async def find(self, place: Place) -> str:
        self.looks += 1
        seen = self.found.get(place, "")
        await asyncio.sleep(0)
        while self.meanwhile:
            self.say(self.meanwhile.pop())
        return seen

    def say(self, place: Place) -> None:
        self.found[place] = f"conversation {place.chat_id}"
        self.words.said(place)

    async def awaited(self, place: Place = HERE) -> str:
        async with asyncio.timeout(30):
            return await self.words.awaited(place, self.find, meanwhile=self._meanwhile)

    async def _meanwhile(self) -> None:
        self.quiet += 1


async def turned() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_is_said_here_is_told_at_once_and_only_in_its_own_chat() -> None:
    storage = Storage()
    waiting = [asyncio.ensure_future(storage.awaited()) for _ in range(2)]
    await turned()
    storage.say(ELSEWHERE)
    await turned()
    assert (storage.looks, storage.quiet) == (2, 2)
    storage.say(HERE)
    assert await asyncio.gather(*waiting) == ["conversation here"] * 2
    assert (storage.looks, storage.words.is_awaited) == (4, False)


async def test_what_is_said_while_somebody_looks_is_not_missed() -> None:
    storage = Storage(meanwhile=[HERE])
    assert (await storage.awaited(), storage.looks) == ("conversation here", 2)


async def test_what_another_gateway_took_in_is_found_by_a_look() -> None:
    storage = Storage(words=FirstWords(first_look_seconds=0.01, seldom_seconds=0.01))
    waiting = asyncio.ensure_future(storage.awaited())
    await turned()
    storage.found[HERE] = "from elsewhere"
    assert await waiting == "from elsewhere"


async def test_where_there_is_a_conversation_nobody_waits() -> None:
    storage = Storage(found={HERE: "there"})
    assert (await storage.awaited(), storage.looks, storage.quiet) == ("there", 1, 0)


async def test_whoever_goes_away_leaves_no_bell() -> None:
    storage = Storage()
    waiting = asyncio.ensure_future(storage.awaited())
    await turned()
    assert storage.words.is_awaited
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not storage.words.is_awaited


def test_a_quiet_chat_is_looked_at_more_and_more_seldom() -> None:
    assert list(islice(FirstWords().pauses(), 6)) == [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
