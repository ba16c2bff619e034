"""The people: signed WhatsApp webhooks at a gateway, and what they saw. One process, prints one JSON line.

Run by the bench, which speaks to it over stdin: a line when the system has started, a line when to begin.
"""

import argparse
import asyncio
import itertools
import json
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bench import client, instant, ledger
from channels import registry
from channels.channel import Credentials, Imitation

CREDENTIALS = {"account_sid": "AC" + "b" * 32, "auth_token": "bench-auth-token"}
ADDRESS = "+14155238886"
REPEAT_EVERY = 10  # one webhook in ten is delivered twice
ANSWER_TIMEOUT_SECONDS = 60.0
# Before the clock starts others write, so many for each message that counts; then all have a moment to learn from it.
WARM_UP, REST_SECONDS = 0.25, 2.0

Script = tuple[int, list[bytes]]  # a person, and what they say


@dataclass(slots=True)
class Seen:
    """What the people saw."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """How much, how fast."""

    gateway: str
    messages: int
    per_person: int
    people_at_once: int
    rate: float


def prepare(load: Load, people: range) -> Iterator[Script]:
    """Signed requests, person by person, made before the clock starts."""
    channel = registry.channel("whatsapp")
    now = datetime.now(UTC)
    run = f"{random.SystemRandom().getrandbits(40):x}"
    for person in people:
        requests = []
        for number in range(load.per_person):
            said = Imitation(
                text=ledger.label(person, number),
                sender=f"+1555{person:07d}",
                address=ADDRESS,
                url=load.gateway,
                message_id=f"SM{run}{person:08x}{number:04x}".ljust(34, "0"),
                now=now,
            )
            webhook = channel.imitate(said, Credentials(CREDENTIALS))
            requests.append(client.request_bytes(webhook))
        yield person, requests


class People:
    """Drives the load: each person writes, waits for the answer, writes again."""

    def __init__(self, load: Load, book: ledger.Ledger) -> None:
        self._load, self._book, self._seen = load, book, Seen()
        self._pool: asyncio.LifoQueue[client.Connection] = asyncio.LifoQueue()
        self._in_order: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)  # no second message overtakes the first
        self._count = itertools.count(1)

    async def open(self, connections: int) -> None:
        for _ in range(connections):
            self._pool.put_nowait(await client.connect(self._load.gateway))

    def forget(self) -> None:
        """What was seen so far does not count."""
        self._book.clear()
        self._seen = Seen()

    async def saturate(self, scripts: Iterable[Script]) -> Seen:
        """As many people at once as told; each waits for an answer before the next message."""
        waiting = iter(scripts)

        async def one_place() -> None:
            for person, script in waiting:
                for number, request in enumerate(script):
                    await self._say(person, number, request)
                    await asyncio.wait_for(self._book.answer_to(person, number), ANSWER_TIMEOUT_SECONDS)

        await asyncio.gather(*(one_place() for _ in range(self._load.people_at_once)))
        return self._seen

    async def paced(self, scripts: list[Script]) -> Seen:
        """An open loop: messages at a fixed rate, whoever is next, whether or not answers came."""
        loop = asyncio.get_running_loop()
        began, tasks = loop.time(), []
        by_number = itertools.chain.from_iterable(itertools.zip_longest(*(enumerate(said) for _, said in scripts)))
        for n, (number, request) in enumerate(entry for entry in by_number if entry is not None):
            await asyncio.sleep(max(0.0, began + n / self._load.rate - loop.time()))
            tasks.append(asyncio.create_task(self._say(scripts[n % len(scripts)][0], number, request)))
        await asyncio.gather(*tasks)
        await asyncio.wait_for(self._all_answered(), ANSWER_TIMEOUT_SECONDS)
        return self._seen

    async def _all_answered(self) -> None:
        for person, numbers in list(self._book.accepted.items()):
            for number in list(numbers):
                await self._book.answer_to(person, number)

    async def _say(self, person: int, number: int, request: bytes) -> None:
        for _ in range(2 if next(self._count) % REPEAT_EVERY == 0 else 1):
            async with self._in_order[person]:
                while not await self._post(request):
                    await asyncio.sleep(0.05)
            self._book.accept(person, number)

    async def _post(self, request: bytes) -> bool:
        connection = await self._pool.get()
        try:
            reply = await connection.send(request)
        except ConnectionError:
            connection = await client.connect(self._load.gateway)
            reply = client.Reply(status=0, seconds=0.0)
        finally:
            self._pool.put_nowait(connection)
        if reply.status != 200:
            self._seen.refused += 1
            if self._seen.refused > self._load.messages:
                raise SystemExit(f"the gateway refuses: HTTP {reply.status}, {self._seen.refused} times")
            return False
        self._seen.seconds.append(reply.seconds)
        return True


async def run(load: Load, world_port: int, connections: int) -> dict[str, float]:
    """One load, from the first request to the last answer."""
    book = ledger.Ledger()
    server = await instant.serve(book.reply, world_port)
    await asyncio.to_thread(sys.stdin.readline)  # the system has started and its URL is in the file
    load = replace(load, gateway=Path(load.gateway).read_text()) if "://" not in load.gateway else load
    count = load.messages // load.per_person
    scripts = list(prepare(load, range(count)))
    others = prepare(load, range(count, count + max(1, int(count * WARM_UP))))
    people = People(load, book)
    await people.open(connections)
    await people.saturate(others)
    await asyncio.sleep(REST_SECONDS)
    people.forget()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)  # the bench has noted the costs so far
    began = time.perf_counter()
    seen = await (people.paced(scripts) if load.rate else people.saturate(scripts))
    took = time.perf_counter() - began
    await asyncio.sleep(0.3)
    server.close()
    spread = statistics.quantiles(seen.seconds, n=100)
    return {
        "messages": load.messages,
        "seconds": took,
        "replies": book.replies,
        "replies_per_second": book.replies / took,
        "webhooks_per_second": len(seen.seconds) / took,
        "webhook_p50_ms": spread[49] * 1000,
        "webhook_p99_ms": spread[98] * 1000,
        "refused": seen.refused,
        "lost": book.lost,
        "doubled": book.doubled,
        "inverted": book.inverted,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway-file", required=True, help="file that will hold the URL of the WhatsApp webhook")
    parser.add_argument("--world-port", type=int, required=True, help="where the model and Twilio shall listen")
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--per-person", type=int, default=5)
    parser.add_argument("--people-at-once", type=int, default=256)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.0, help="messages a second; 0: as fast as answers come")
    given = parser.parse_args()
    load = Load(given.gateway_file, given.messages, given.per_person, given.people_at_once, given.rate)
    print(json.dumps(uvloop.run(run(load, given.world_port, given.connections))), flush=True)


if __name__ == "__main__":
    main()
