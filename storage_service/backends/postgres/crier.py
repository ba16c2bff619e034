"""How do replicas wake each other? NOTIFY, once for all commits of a moment, and only while another replica lives.

A cry that could not be sent is sent by the next connection, and who hears again after a silence looks at everything.
One that is lost all the same costs a waiter the slow poll, nothing more.
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote, unquote

import asyncpg

from parley.storage.v1.signal_requests_pb2 import Signal
from storage_service.backends.postgres.link import CONNECT_SECONDS, LONGEST_WAIT_SECONDS, LOST
from storage_service.backends.postgres.reaching import reach
from storage_service.domain.drafts import Shown
from storage_service.domain.events import Events, News
from storage_service.domain.presence import Begun

CHANNEL = "parley"
# Postgres takes 8,000 bytes in a payload; an id has 36.
MOST_IDS = 200
ENDED, BEGUN = "!", "/"
QUIET_SECONDS = 10.0
# What a turn has written so far. Of a long text the others see the beginning.
DRAFT, MOST_BYTES = "p", 7_000
# A turn that began is named by four words of at most 64 characters, which may be three bytes each.
MOST_BEGUN = 9


class Crier:
    """One connection that listens, and cries the news of this process."""

    def __init__(self, url: str, *, replica_id: str, others: Callable[[], int], events: Events) -> None:
        self._url = url
        self._replica_id = replica_id
        self._others = others
        self._events, self._heard = events, events.heard
        self._news: list[News] = []
        self._something = asyncio.Event()

    def cry(self, news: News) -> None:
        """Is taken note of; run() sends it."""
        if self._others():
            self._news.append(news)
            self._something.set()

    async def run(self) -> None:
        while True:
            try:
                await self._serve()
            except (OSError, TimeoutError, *LOST):
                await asyncio.sleep(LONGEST_WAIT_SECONDS)

    async def _serve(self) -> None:
        connection = await reach(self._url, seconds=CONNECT_SECONDS, work_seconds=CONNECT_SECONDS)
        try:
            await connection.add_listener(CHANNEL, self._listen)
            connection.add_termination_listener(self._end)
            self._events.missed()
            while not connection.is_closed():
                with suppress(TimeoutError):
                    async with asyncio.timeout(QUIET_SECONDS):
                        await self._something.wait()
                self._something.clear()
                news = list(self._news)
                for payload in self._payloads(news):
                    with suppress(asyncpg.DataError):  # it is refused, and would be each time
                        await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, payload)
                if not news:
                    await connection.execute("SELECT 1")  # a server that is gone does not always say so
                del self._news[: len(news)]
        finally:
            connection.terminate()

    def _end(self, _connection: Any) -> None:
        self._something.set()

    def _payloads(self, news: list[News]) -> list[str]:
        """`replica kinds id,id,…`, as many as the ids need: of conversations, and after a mark of turns that ended."""
        kinds = "t" * any(each.turns for each in news) + "d" * any(each.deliveries for each in news)
        kinds += "s" * any(each.summaries for each in news) + "f" * any(each.fetches for each in news)
        ids = sorted({conversation_id for each in news for conversation_id in each.conversations})
        ids += sorted({ENDED + turn_id for each in news for turn_id in each.ended})
        groups = [ids[cut : cut + MOST_IDS] for cut in range(0, max(1, len(ids)), MOST_IDS)]
        begun = [_written(turn) for each in news for turn in each.begun]
        groups += [begun[cut : cut + MOST_BEGUN] for cut in range(0, len(begun), MOST_BEGUN)]
        payloads = [f"{self._replica_id} {kinds or '-'} {','.join(group)}" for group in groups]
        drafts = [each.shown for each in news if each.shown is not None]
        return payloads + [f"{self._replica_id} {DRAFT} {_drawn(each)}" for each in drafts]

    def _listen(self, _connection: Any, _pid: int, _channel: str, payload: str) -> None:
        replica_id, kinds, ids = payload.split(" ", 2)
        if replica_id != self._replica_id and kinds == DRAFT:
            self._heard(News(False, False, (), shown=_seen(ids)))
        elif replica_id != self._replica_id:
            named = ids.split(",") if ids else []
            ended = [each.removeprefix(ENDED) for each in named if each.startswith(ENDED)]
            begun = [_read(each) for each in named if each.startswith(BEGUN)]
            moved = [each for each in named if not each.startswith((ENDED, BEGUN))]
            self._heard(News("t" in kinds, "d" in kinds, moved, ended, "s" in kinds, begun, "f" in kinds))


def _drawn(shown: Shown) -> str:
    """A signal as text, no longer than a payload may be: base64 makes four bytes of three."""
    signal = Signal()
    signal.CopyFrom(shown.signal)
    if Signal(metadata=signal.metadata).ByteSize() > MOST_BYTES // 4:
        signal.ClearField("metadata")
    while (over := len(signal.SerializeToString()) * 4 // 3 - MOST_BYTES) > 0 and signal.text:
        signal.text = signal.text[: max(0, len(signal.text) - max(1, over // 4))]
    return f"{quote(shown.channel, safe='')} {b64encode(signal.SerializeToString()).decode()}"


def _seen(written: str) -> Shown:
    channel, _, signal = written.partition(" ")
    return Shown(unquote(channel), Signal.FromString(b64decode(signal)))


def _written(begun: Begun) -> str:
    words = (begun.channel, begun.tenant_id, begun.turn_id, begun.message_id)
    return BEGUN + BEGUN.join(quote(word, safe="") for word in words)


def _read(written: str) -> Begun:
    return Begun(*(unquote(word) for word in written.removeprefix(BEGUN).split(BEGUN)))
