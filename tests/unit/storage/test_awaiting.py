"""Is whoever awaits a turn told of its end at once, and does waiting cost the database nothing?"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from kit.errors import InvalidField, NotFound, ParleyError
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1.conversation_service_pb2 import Turn
from storage_service.domain.awaiting import Asked, Awaiting, Outcome
from storage_service.domain.wakeups import Wakeups
from tests.stalls import SHORT_PATIENCE_SECONDS

NEVER = 1000.0
RUNNING, REPLIED = chat.TURN_STATE_RUNNING, chat.TURN_STATE_REPLIED


@dataclass
class Turns:
    """Turns in memory, each found by its message. `meanwhile` ends while somebody reads."""

    of_message: dict[str, Turn | None]
    reads: list[list[str]] = field(default_factory=list)
    meanwhile: list[str] = field(default_factory=list)
    wakeups: Wakeups = field(default_factory=Wakeups)

    async def read(self, asked: Sequence[Asked]) -> Sequence[Outcome | ParleyError]:
        self.reads.append([message_id for _, message_id in asked])
        if any(message_id == "poison" for _, message_id in asked):
            raise InvalidField([("message_id", "is poison")])
        found = [self._outcome(message_id) for _, message_id in asked]
        await asyncio.sleep(0)
        while self.meanwhile:
            self.end(self.meanwhile.pop())
        return found

    def end(self, message_id: str) -> None:
        turn = self.of_message[message_id]
        assert turn is not None
        self.of_message[message_id] = Turn(id=turn.id, state=REPLIED)
        self.wakeups.ended([turn.id])

    def _outcome(self, message_id: str) -> Outcome | ParleyError:
        return Outcome(self.of_message[message_id], ()) if message_id in self.of_message else NotFound()


def running(*message_ids: str) -> Turns:
    return Turns({message_id: Turn(id=f"turn of {message_id}", state=RUNNING) for message_id in message_ids})


def an_awaiting(turns: Turns, poll_seconds: float = NEVER, *, stopped: bool = False) -> Awaiting:
    stopping = asyncio.Event()
    if stopped:
        stopping.set()
    return Awaiting(turns.read, turns.wakeups, stopping=stopping, monotonic=time.monotonic, poll_seconds=poll_seconds)


async def turned() -> None:
    """The loop, until nobody has more to do: by its turns and not by a clock, which others may hold up."""
    for _ in range(20):
        await asyncio.sleep(0)


async def settled(awaiting: Awaiting, message_id: str, wait_seconds: float = 60) -> Outcome:
    async with asyncio.timeout(SHORT_PATIENCE_SECONDS):
        return await awaiting.settled("acme", message_id, wait_seconds=wait_seconds)


async def test_a_turn_is_read_once_before_the_wait_and_once_after_its_end() -> None:
    turns = running("a", "b")
    waiting = asyncio.ensure_future(settled(an_awaiting(turns), "a"))
    await turned()
    turns.wakeups.moved(["its conversation"])
    turns.end("b")
    await turned()
    turns.end("a")
    ended = (await waiting).turn
    assert ended is not None
    assert (ended.state, turns.reads, turns.wakeups.watched) == (REPLIED, [["a"], ["a"]], False)


async def test_all_who_ask_at_the_same_moment_share_a_read() -> None:
    turns = running(*"abcdefgh")
    awaiting = an_awaiting(turns)
    waiting = [asyncio.ensure_future(settled(awaiting, message_id)) for message_id in "abcdefgh"]
    await turned()
    for message_id in "abcdefgh":
        turns.end(message_id)
    await asyncio.gather(*waiting)
    assert [len(read) for read in turns.reads] == [8, 8]


async def test_a_turn_that_ends_while_it_is_looked_for_is_not_missed() -> None:
    turns = running("a")
    turns.meanwhile.append("a")
    ended = (await settled(an_awaiting(turns), "a")).turn
    assert ended is not None
    assert (ended.state, len(turns.reads)) == (REPLIED, 2)


async def test_a_message_that_went_on_to_another_turn_is_followed_there() -> None:
    turns = running("a")
    waiting = asyncio.ensure_future(settled(an_awaiting(turns), "a"))
    await turned()
    turns.of_message["a"] = Turn(id="split", state=RUNNING)
    turns.wakeups.ended(["turn of a"])
    await turned()
    assert not waiting.done()
    turns.end("a")
    assert (await waiting).turn == Turn(id="split", state=REPLIED)


async def test_a_poll_finds_what_no_bell_told() -> None:
    turns = running("a")
    waiting = asyncio.ensure_future(settled(an_awaiting(turns, poll_seconds=0.02), "a"))
    await turned()
    turns.of_message["a"] = Turn(id="turn of a", state=REPLIED)
    assert (await waiting).settled


async def test_an_open_turn_is_shown_as_it_stands_when_the_wait_is_over_or_the_process_stops() -> None:
    turns = running("a")
    stopping = asyncio.Event()
    awaiting = Awaiting(turns.read, turns.wakeups, stopping=stopping, monotonic=time.monotonic, poll_seconds=NEVER)
    assert not (await settled(awaiting, "a", wait_seconds=0.02)).settled
    assert not (await settled(awaiting, "a", wait_seconds=0)).settled
    waiting = asyncio.ensure_future(settled(awaiting, "a"))
    await turned()
    stopping.set()
    assert not (await waiting).settled
    assert not turns.wakeups.watched


async def test_who_asks_while_the_process_stops_waits_for_a_moment_and_no_longer() -> None:
    turns = running("a", "b")
    awaiting = an_awaiting(turns, stopped=True)
    waiting = asyncio.ensure_future(settled(awaiting, "a"))
    await turned()
    assert not waiting.done()
    turns.end("a")
    assert (await waiting).settled
    assert not (await settled(awaiting, "b", wait_seconds=0)).settled
    assert not (await settled(an_awaiting(turns, 0.02, stopped=True), "b")).settled
    assert not turns.wakeups.watched


async def test_what_cannot_be_read_fails_its_own_caller_alone() -> None:
    turns = running("a")
    turns.of_message["no turn"] = None
    awaiting = an_awaiting(turns)
    first = asyncio.ensure_future(settled(awaiting, "no turn"))
    others = [asyncio.ensure_future(settled(awaiting, each)) for each in ("poison", "unknown", "a")]
    await turned()
    turns.end("a")
    assert (await first).turn is None
    with pytest.raises(InvalidField):
        await others[0]
    with pytest.raises(NotFound):
        await others[1]
    assert (await others[2]).settled


async def test_a_caller_that_goes_away_leaves_no_bell() -> None:
    turns = running("a")
    waiting = asyncio.ensure_future(settled(an_awaiting(turns), "a"))
    await turned()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not turns.wakeups.watched
