"""Does a process listen for what storage leases to it, no longer than it says, and does it give it back?"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from channels.channel import Answer, Call, Channel, Unauthorized, Unavailable
from channels.listening import Closed, Hear, Heard, Listened, Note, Steps, Take, Taken
from channels.registry import CHANNELS
from gateway.domain.accounts import Account
from gateway.domain.lines import Lines, World
from kit.errors import StorageUnavailable
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import listener_service_pb2 as pb
from tests.stalls import PATIENCE_SECONDS
from tests.waiting import until

LEASE = timedelta(seconds=0.5)


class NoWire:
    """Nobody is outside."""

    def __init__(self, hung_up: list[int]) -> None:
        self._hung_up = hung_up

    async def call(self, _call: Call) -> Answer:
        raise Unavailable

    async def connect(self, _url: str) -> None:
        raise Unavailable

    async def say(self, _text: str) -> None: ...

    async def hear(self, _seconds: float) -> Heard | Closed | None:
        await asyncio.sleep(3600)
        return None

    async def hang_up(self, code: int) -> None:
        self._hung_up.append(code)


@dataclass
class Ear:
    """A channel's way to listen, as a test wants it."""

    replaces_webhook: bool = True
    told: str = "by a test"
    began: list[tuple[str, str]] = field(default_factory=list)  # secret, cursor
    raises: Exception | None = None

    def listen(self, listened: Listened) -> Steps:
        self.began.append((listened.credentials.get("bot_token", ""), listened.cursor))
        if self.raises:
            raise self.raises
        yield Note("listening", cursor=f"{listened.cursor}+")
        yield Take(b"heard")
        yield Hear(3600)


@dataclass
class Storage:
    """Leases what it is told to, and remembers what it was told."""

    accounts: dict[str, tuple[str, int]] = field(default_factory=dict)  # id -> token, version
    away: bool = False
    reports: list[Sequence[pb.HeldListener]] = field(default_factory=lambda: [[]])

    async def lease(
        self, held: Sequence[pb.HeldListener], *, lease: timedelta, most: int
    ) -> Sequence[pb.LeasedListener]:
        del lease
        self.reports.append(list(held))
        if self.away:
            raise StorageUnavailable
        return [
            pb.LeasedListener(
                account=directory.AccountSecrets(
                    account=directory.ChannelAccount(id=account_id, tenant_id="t", channel="telegram", version=version),
                    credentials={"bot_token": token},
                ),
                cursor="c",
            )
            for account_id, (token, version) in sorted(self.accounts.items())[:most]
        ]

    @property
    def last(self) -> Sequence[pb.HeldListener]:
        return self.reports[-1]


@dataclass
class Stage:
    """Lines that run, and what is around them."""

    storage: Storage
    ear: Ear
    taken: list[bytes] = field(default_factory=list)
    hung_up: list[int] = field(default_factory=list)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    now: float = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async def take(_channel: Channel, _account: Account, body: bytes) -> Taken:
            self.taken.append(body)
            return Taken(b"")

        world = World(
            channels=CHANNELS,
            listening={"telegram": self.ear},
            api_base_urls={},
            wire=lambda: NoWire(self.hung_up),
            take=take,
            clock=lambda: self.now,
            draw=lambda: 0.0,
        )
        running = asyncio.create_task(Lines(self.storage, world, lease=LEASE, most=10).run(self.stopping))
        try:
            yield
        finally:
            self.stopping.set()
            await asyncio.wait_for(running, PATIENCE_SECONDS)


@pytest.fixture
def stage() -> Stage:
    return Stage(Storage({"one": ("secret", 1)}), Ear())


async def test_what_is_leased_is_listened_for_and_how_it_goes_is_told(stage: Stage) -> None:
    async with stage.running():
        await until(lambda: any(each.cursor == "c+" for each in stage.storage.last))
        assert [each.state for each in stage.storage.last] == [pb.LISTENER_STATE_LISTENING]
        assert stage.taken == [b"heard"]
    assert stage.ear.began == [("secret", "c")]


async def test_when_it_stops_it_hangs_up_so_that_the_session_stays_and_gives_everything_back(stage: Stage) -> None:
    async with stage.running():
        await until(lambda: bool(stage.taken))
    assert [(each.release, each.cursor) for each in stage.storage.last] == [(True, "c+")]
    assert stage.hung_up
    assert not {1000, 1001} & set(stage.hung_up)


async def test_what_is_another_processes_now_is_let_go(stage: Stage) -> None:
    async with stage.running():
        await until(lambda: bool(stage.taken))
        stage.storage.accounts.clear()
        await until(lambda: bool(stage.hung_up))
        await until(lambda: not stage.storage.last)


async def test_storage_that_does_not_answer_ends_listening_before_the_lease_does(stage: Stage) -> None:
    async with stage.running():
        await until(lambda: bool(stage.taken))
        stage.storage.away, asked = True, len(stage.storage.reports)
        stage.now = 0.25
        await until(lambda: len(stage.storage.reports) > asked + 2)
        assert not stage.hung_up
        stage.now = 0.31  # of 0.5; the next two beats may come to nothing as well
        await until(lambda: bool(stage.hung_up))
        stage.storage.away = False
        await until(lambda: len(stage.taken) == 2)


async def test_an_account_that_was_changed_is_begun_anew_where_it_was(stage: Stage) -> None:
    async with stage.running():
        await until(lambda: bool(stage.taken))
        stage.storage.accounts["one"] = ("another secret", 2)
        await until(lambda: len(stage.taken) == 2)
    assert stage.ear.began == [("secret", "c"), ("another secret", "c+")]


async def test_refused_credentials_are_told_to_storage_and_not_tried_again(stage: Stage) -> None:
    stage.ear.raises = Unauthorized("nobody knows them")
    async with stage.running():
        await until(lambda: any(each.state == pb.LISTENER_STATE_REFUSED for each in stage.storage.last))
        assert [each.reason for each in stage.storage.last] == ["nobody knows them"]
    assert len(stage.ear.began) == 1


@pytest.mark.parametrize("raised", [Unavailable("gone"), KeyError("a stranger's word")])
async def test_whatever_else_goes_wrong_is_begun_anew_and_said_in_words_of_ours(
    stage: Stage, raised: Exception
) -> None:
    stage.ear.raises = raised
    async with stage.running():
        await until(lambda: any(each.state == pb.LISTENER_STATE_TROUBLED for each in stage.storage.last))
        assert "stranger" not in stage.storage.last[0].reason
        stage.ear.raises = None
        await until(lambda: bool(stage.taken))


async def test_one_line_does_not_wait_for_another(stage: Stage) -> None:
    stage.storage.accounts["two"] = ("other", 1)
    async with stage.running():
        await until(lambda: len(stage.taken) == 2)
