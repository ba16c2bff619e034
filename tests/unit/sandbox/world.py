"""A sandbox without a network: what it posts is kept, what it waits for is over at once."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from channels.channel import Webhook
from sandbox.files import File
from sandbox.gateway import Posted
from sandbox.provider import Account, Ask, Later, Reading, Trying
from sandbox.registry import STAND_INS
from sandbox.switchboard import Switchboard
from sandbox.world import Outcome, World

START = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


@dataclass
class Sandbox:
    """The switchboard, and the world that the test makes for it."""

    posts: list[Webhook] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    files: dict[str, File] = field(default_factory=dict)  # by the URL that a provider reads
    status: int = 200
    at: datetime = START
    values: dict[str, str] = field(default_factory=dict)
    switchboard: Switchboard = field(init=False)

    def __post_init__(self) -> None:
        draw = drawn()
        self.values = {name: value for each in STAND_INS for name, value in each.made_up(draw).items()}
        account = Account(self.values, lambda: self.at, draw)
        ids = itertools.count(1)
        world = World(
            post=self.post,
            webhook_url=lambda channel: f"http://gateway.test/webhook/{channel}",
            base_url=lambda provider: f"http://sandbox.test/{provider}",
            read=self.read,
            now=lambda: self.at,
            pause=self.pause,
            new_id=lambda: f"id-{next(ids)}",
            changed=lambda: None,
        )
        self.switchboard = Switchboard([each.build(account) for each in STAND_INS], world)

    def call(self, name: str, ask: Ask) -> Outcome:
        """A request of Parley's at a provider that reads no file before it answers."""
        provider = self.switchboard.providers[name]
        answered = provider.answer(ask)
        assert not isinstance(answered, Reading | Later | Trying)
        return self.switchboard.call(provider, ask, answered=answered)

    async def read(self, url: str) -> File | None:
        return self.files.get(url)

    async def post(self, webhook: Webhook) -> Posted:
        self.posts.append(webhook)
        return Posted(self.status, 5)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def later(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    async def settle(self) -> None:
        """Until nothing is under way."""
        for _ in range(50):
            await asyncio.sleep(0)


def drawn() -> Callable[[int], str]:
    """Digits that are another each time, and the same in each run."""
    numbers = itertools.count(1)
    return lambda digits: f"{next(numbers):0{digits}x}"
