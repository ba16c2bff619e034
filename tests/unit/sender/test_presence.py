"""What is shown of what the sender is told to show, and when is it too late?"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from channels.channel import Answer, Call, Credentials, Outgoing, Rejected, Throttled, Unavailable
from channels.presence import Gesture, SignalKind
from kit import metrics
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from parley.storage.v1.directory_pb2 import (
    ACCOUNT_STATE_ACTIVE,
    ACCOUNT_STATE_PAUSED,
    AccountSecrets,
    AccountState,
    ChannelAccount,
)
from parley.storage.v1.signal_requests_pb2 import (
    SIGNAL_KIND_READ,
    SIGNAL_KIND_TYPING,
    DraftRecord,
    DraftResult,
    Signal,
    WatchSignalsResponse,
)
from parley.storage.v1.signal_requests_pb2 import SignalKind as Kind
from sender_service.domain.addresses import Addresses
from sender_service.domain.drafts import Drafts
from sender_service.domain.presence import MOST_AT_ONCE, Presence
from tests.unit.sender.road import Pigeon


class Owl(Pigeon):
    """A channel that can show both."""

    name = "owl"
    signals: Mapping[SignalKind, float] = {"read": 0.0, "typing": 5.0}

    def signal(self, outgoing: Outgoing, _credentials: Credentials, *, kind: SignalKind) -> Gesture:
        yield Call("POST", "http://loft/", {}, f"{kind} {outgoing.chat_id} {outgoing.reply_to}".encode(), 5.0)


class Broken(Owl):
    """One whose code is at fault."""

    def signal(self, outgoing: Outgoing, _credentials: Credentials, *, kind: SignalKind) -> Gesture:
        raise KeyError(kind)
        yield


@dataclass
class Sky:
    """A presence, and what the provider hears of it."""

    channel: Pigeon = field(default_factory=Owl)
    options: dict[str, str] = field(default_factory=dict)
    state: AccountState = ACCOUNT_STATE_ACTIVE
    failures: Iterator[Exception] = field(default_factory=lambda: iter(()))
    hangs: bool = False
    now: float = 1000.0
    heard: list[str] = field(default_factory=list)
    cancelled: int = 0

    def __post_init__(self) -> None:
        channels = {"owl": self.channel}
        drafts = Drafts(self.call, self.record, monotonic=lambda: self.now)
        addresses = Addresses("", {"loft": "http://loft"})
        self.presence = Presence(channels, self.call, addresses, lambda: self.now, drafts)

    async def record(self, _record: DraftRecord) -> DraftResult:
        return DraftResult(granted=True)

    async def call(self, call: Call, _within_seconds: float) -> Answer:
        self.heard.append(call.body.decode())
        if self.hangs:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        for failure in self.failures:
            raise failure
        return Answer(200, {}, b"{}")

    async def show(self, *kinds: Kind, turn: str = "turn-1", chat: str = "c1") -> list[str]:
        """What the provider heard when it was over, or hangs."""
        account = ChannelAccount(id="a1", channel="owl", state=self.state, options=self.options)
        about = Signal(turn_id=turn, conversation_id=chat, account_id="a1", chat_id=chat, provider_message_id="m")
        signals = [Signal() for _ in kinds]
        for signal, kind in zip(signals, kinds, strict=True):
            signal.CopyFrom(about)
            signal.kind = kind
        before = len(self.heard)
        self.presence.show(WatchSignalsResponse(signals=signals, accounts=[AccountSecrets(account=account)]))
        for _ in range(5):
            await asyncio.sleep(0)
        return self.heard[before:]


async def test_what_is_told_is_shown() -> None:
    assert await Sky().show(SIGNAL_KIND_READ, SIGNAL_KIND_TYPING) == ["read c1 m", "typing c1 m"]


@pytest.mark.parametrize(
    ("option", "shown"), [("on", ["read", "typing"]), ("typing", ["typing"]), ("off", []), ("nonsense", [])]
)
async def test_an_account_says_what_it_shows(option: str, shown: list[str]) -> None:
    heard = await Sky(options={"signals": option}).show(SIGNAL_KIND_READ, SIGNAL_KIND_TYPING)
    assert [each.split()[0] for each in heard] == shown


async def test_nothing_is_shown_from_a_paused_account_or_on_a_channel_that_cannot() -> None:
    assert await Sky(state=ACCOUNT_STATE_PAUSED).show(SIGNAL_KIND_TYPING) == []
    assert await Sky(channel=Pigeon()).show(SIGNAL_KIND_TYPING) == []


async def test_nothing_is_shown_for_a_turn_whose_reply_is_on_its_way() -> None:
    sky = Sky()
    await sky.presence.settle(LeasedDelivery(turn_id="turn-1", conversation_id="c1"))
    assert await sky.show(SIGNAL_KIND_TYPING) == []
    assert await sky.show(SIGNAL_KIND_TYPING, turn="turn-2") == ["typing c1 m"]


async def test_what_is_being_shown_ends_when_the_reply_goes() -> None:
    sky = Sky(hangs=True)
    assert await sky.show(SIGNAL_KIND_TYPING) == ["typing c1 m"]
    await sky.show(SIGNAL_KIND_TYPING, turn="turn-2", chat="c2")
    await sky.presence.settle(LeasedDelivery(turn_id="turn-1", conversation_id="c1"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sky.cancelled == 1
    await sky.presence.close()
    assert sky.cancelled == 2


async def test_an_operators_message_ends_it_too() -> None:
    sky = Sky(hangs=True)
    await sky.show(SIGNAL_KIND_TYPING)
    await sky.presence.settle(LeasedDelivery(conversation_id="c1"))
    await sky.presence.close()
    assert sky.cancelled == 1


async def test_what_was_refused_is_not_tried_again_for_a_while() -> None:
    sky = Sky(failures=iter((Rejected(kind="payload", provider_code="131009"),)))
    before = _failures()
    assert len(await sky.show(SIGNAL_KIND_TYPING)) == 1
    assert _failures() == before + 1
    sky.now += 59
    assert await sky.show(SIGNAL_KIND_TYPING, turn="turn-2") == []
    assert await sky.show(SIGNAL_KIND_READ, turn="turn-2") == ["read c1 m"]
    sky.now += 2
    assert len(await sky.show(SIGNAL_KIND_TYPING, turn="turn-3")) == 1


async def test_a_throttled_account_rests_as_long_as_it_is_told_to() -> None:
    sky = Sky(failures=iter((Throttled(retry_after=timedelta(seconds=7)),)))
    await sky.show(SIGNAL_KIND_TYPING)
    sky.now += 6.9
    assert await sky.show(SIGNAL_KIND_TYPING) == []
    sky.now += 0.2
    assert len(await sky.show(SIGNAL_KIND_TYPING)) == 1


async def test_an_account_that_a_reply_was_refused_for_shows_nothing_before_its_time() -> None:
    sky = Sky()
    sky.presence.rest("a1", timedelta(seconds=7))
    sky.now += 6.9
    assert await sky.show(SIGNAL_KIND_READ, SIGNAL_KIND_TYPING) == []
    sky.now += 0.2
    assert len(await sky.show(SIGNAL_KIND_TYPING)) == 1


@pytest.mark.parametrize("sky", [Sky(failures=iter((Unavailable(), ValueError("x")))), Sky(channel=Broken())])
async def test_a_fault_reaches_nobody(sky: Sky) -> None:
    await sky.show(SIGNAL_KIND_TYPING)
    sky.now += 100
    await sky.show(SIGNAL_KIND_TYPING)
    await sky.presence.close()


async def test_what_is_more_than_can_be_shown_at_once_is_dropped() -> None:
    sky = Sky(hangs=True)
    for number in range(MOST_AT_ONCE + 5):
        await sky.show(SIGNAL_KIND_TYPING, turn=f"turn-{number}", chat=f"c{number}")
    assert len(sky.heard) == MOST_AT_ONCE
    await sky.presence.close()


def _failures() -> float:
    return float(metrics.signals.labels(channel="owl", kind="typing", outcome="failed")._value.get())
