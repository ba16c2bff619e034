"""Who writes, and what was promised to them? People who repeat what was not acknowledged, and a ledger of what was."""

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import aiohttp

from channels.channel import Credentials, Imitation
from channels.registry import CHANNELS
from kit.moments import utc_now
from tests.mesh.rig import WHATSAPP
from tests.simulated.twilio import ACCOUNT_SID, AUTH_TOKEN

REPEATED_SHARE = 0.05  # of what was acknowledged: providers do that too
PATIENCE_SECONDS = 3.0
_CREDENTIALS = Credentials({"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN})


@dataclass
class Ledger:
    """What the gateway acknowledged, in a file line by line, and what else happened on the way."""

    path: Path
    acknowledged: dict[str, list[int]] = field(default_factory=dict)  # person -> their messages, in order
    refused: int = 0  # 503 and lost connections, repeated until they were taken
    repeated: int = 0
    strange: list[int] = field(default_factory=list)  # any other status

    def __post_init__(self) -> None:
        self._file: IO[str] = self.path.open("a", buffering=1)

    def add(self, who: str, number: int) -> None:
        self.acknowledged.setdefault(who, []).append(number)
        self._file.write(f"{who} {number}\n")

    def close(self) -> None:
        self._file.close()

    @property
    def total(self) -> int:
        return sum(map(len, self.acknowledged.values()))


class Load:
    """People on phones. Each waits for an acknowledgement before they write on, so their order is known."""

    def __init__(self, urls: tuple[str, ...], ledger: Ledger, *, people: int, per_second: float) -> None:
        self._urls = urls  # of gateways; the first is what providers were told
        self._ledger = ledger
        self._people = people
        self._pause_seconds = people / per_second
        self._late: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Writes until it is told to stop, and returns when everything written is acknowledged."""
        connector = aiohttp.TCPConnector(limit=200)
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            try:
                await asyncio.gather(*(self._speak(session, number, stop) for number in range(self._people)))
                await asyncio.gather(*self._late)
            finally:
                for task in self._late:
                    task.cancel()
                await asyncio.gather(*self._late, return_exceptions=True)

    async def _speak(self, session: aiohttp.ClientSession, person: int, stop: asyncio.Event) -> None:
        who, number = address(person), 0
        await asyncio.sleep(random.random() * self._pause_seconds)
        while not stop.is_set():
            number += 1
            while not await self._post(session, person, number):
                self._ledger.refused += 1
                await asyncio.sleep(0.1 + random.random() * 0.3)
            self._ledger.add(who, number)
            if random.random() < REPEATED_SHARE:
                task = asyncio.create_task(self._repeat(session, person, number))
                self._late.add(task)
            await asyncio.sleep(random.random() * 2 * self._pause_seconds)

    async def _repeat(self, session: aiohttp.ClientSession, person: int, number: int) -> None:
        await asyncio.sleep(random.random() * 5)
        self._ledger.repeated += 1
        while not await self._post(session, person, number):
            await asyncio.sleep(0.3)

    async def _post(self, session: aiohttp.ClientSession, person: int, number: int) -> bool:
        public = f"{self._urls[0]}/webhook/whatsapp"
        text, message_id = f"m{person}-{number}", f"SM{person:016x}{number:016x}"
        said = Imitation(text, address(person), WHATSAPP, public, message_id, utc_now())
        webhook = CHANNELS["whatsapp"].imitate(said, _CREDENTIALS)
        url = f"{random.choice(self._urls)}/webhook/whatsapp"
        try:
            async with session.post(url, data=webhook.body, headers=dict(webhook.headers)) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return False
        if answer.status not in (200, 503):
            self._ledger.strange.append(answer.status)
        return answer.status == 200


def address(person: int) -> str:
    return f"+1555{person:07}"
