"""How is one account listened for? The channel says step after step what is to be done; here it is done.

A line is one task. What it raises begins it anew after a while; only refused credentials end it, until a person acts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Protocol

from channels.channel import Answer, Call, DeliveryError, Unauthorized
from channels.listening import (
    Closed,
    Connect,
    HangUp,
    Hear,
    Heard,
    Listened,
    Listening,
    Note,
    Pause,
    Say,
    Step,
    Take,
    Taken,
    wait_seconds,
)
from kit import logs, metrics

LEAVES = 4000

log = logs.get("gateway")


class Wire(Protocol):
    """The way out, for one line."""

    async def call(self, call: Call) -> Answer: ...
    async def connect(self, url: str) -> None: ...
    async def say(self, text: str) -> None: ...
    async def hear(self, seconds: float) -> Heard | Closed | None: ...
    async def hang_up(self, code: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Ears:
    """What a line listens with."""

    wire: Wire
    take: Callable[[bytes], Awaitable[Taken | None]]
    noted: Callable[[], None]  # how it goes has changed
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep


class Line:
    """One account's. `note` says how it goes, `refused` why only a person can help."""

    def __init__(self, channel: str, listening: Listening, *, listened: Listened, ears: Ears) -> None:
        self.channel = channel
        self.note = Note("connecting", cursor=listened.cursor)
        self.refused = ""
        self._listening = listening
        self._listened = listened
        self._ears = ears

    async def run(self) -> None:
        """Until it is cancelled, or refused."""
        failures = 0
        try:
            while not self.refused:
                began = self._listened.clock()
                trouble = await self._listen()
                long_since = self._listened.clock() - began > 60
                failures = 1 if long_since else failures + 1
                if not self.refused:
                    self._said(replace(self.note, state="troubled", reason=trouble))
                    await self._ears.sleep(wait_seconds(failures, self._listened.draw))
        finally:
            await self._ears.wire.hang_up(LEAVES)

    async def _listen(self) -> str:
        """Returns why it could not go on."""
        listened = replace(self._listened, cursor=self.note.cursor)
        try:
            with closing(self._listening.listen(listened)) as steps:
                await self._follow(steps)
        except Unauthorized as error:
            self.refused = str(error)
            self._ears.noted()
            log.warning("listener.refused", channel=self.channel, reason=self.refused, code=error.provider_code)
        except DeliveryError as error:
            return str(error)
        except Exception as fault:  # a channel's code on a stranger's words: whatever it trips over, it begins anew
            log.error("listener.fault", channel=self.channel, error_type=type(fault).__name__)
            return "what was heard could not be understood"
        return "the connection ended"

    async def _follow(self, steps: Generator[Step, Any, Any]) -> None:
        result: Any = None
        failure: DeliveryError | None = None
        while True:
            try:
                step = steps.throw(failure) if failure else steps.send(result)
            except StopIteration:
                return
            result, failure = None, None
            try:
                result = await self._do(step)
            except DeliveryError as error:
                failure = error

    async def _do(self, step: Step) -> Any:
        wire = self._ears.wire
        match step:
            case Call():
                return await wire.call(step)
            case Take(body):
                return await self._ears.take(body)
            case Pause(seconds):
                await self._ears.sleep(seconds)
            case Note():
                self._said(step)
            case Connect(url):
                await wire.connect(url)
            case Say(text):
                await wire.say(text)
            case Hear(seconds):
                return await wire.hear(seconds)
            case HangUp(code):
                await wire.hang_up(code)
        return None

    def _said(self, note: Note) -> None:
        """A note without a cursor leaves it where it was."""
        before, self.note = self.note, replace(note, cursor=note.cursor or self.note.cursor)
        if (before.state, before.reason) == (note.state, note.reason):
            return
        level = log.warning if note.state == "troubled" else log.info
        level(f"listener.{note.state}", channel=self.channel, reason=note.reason)
        if before.state != note.state:
            self._count(before.state)
        self._ears.noted()

    def _count(self, before: str) -> None:
        if self.note.state == "listening":
            metrics.listener_connects.labels(channel=self.channel).inc()
        elif before == "listening":
            metrics.listener_troubles.labels(channel=self.channel).inc()
