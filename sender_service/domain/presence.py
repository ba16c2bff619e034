"""What is shown in a chat before its reply? What storage tells us to: read marks, and that somebody writes.

A courtesy: tried once, never recorded, and dropped when there is no hand free. A reply waits for none of it, and from
the moment that one is on its way nothing is shown for its turn any more.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from channels.channel import Answer, Call, Channel, Credentials, DeliveryError, Outgoing, Throttled
from channels.presence import Gesture, SignalKind, Signals
from kit import correlation, logs, metrics
from kit.tasks import cancel
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from parley.storage.v1.directory_pb2 import ACCOUNT_STATE_ACTIVE, AccountSecrets
from parley.storage.v1.signal_requests_pb2 import (
    SIGNAL_KIND_DRAFT,
    SIGNAL_KIND_READ,
    SIGNAL_KIND_RETRACT,
    SIGNAL_KIND_TYPING,
    Signal,
    WatchSignalsResponse,
)
from sender_service.domain import flows
from sender_service.domain.addresses import Addresses
from sender_service.domain.drafts import Drafts, Wanted
from sender_service.domain.pacing import Pacing, unpaced
from sender_service.domain.parts import Provider

MOST_AT_ONCE = 64
MOST_SECONDS = 5.0  # for one of them
# After a refusal: what an account may not do it may not do a moment later either.
REST_SECONDS = 60.0
THROTTLED_SECONDS = 5.0
MOST_REPLIED = 10_000
KINDS: dict[int, SignalKind] = {SIGNAL_KIND_READ: "read", SIGNAL_KIND_TYPING: "typing"}
# What an account's option allows.
ALLOWED = {"": ("read", "typing"), "on": ("read", "typing"), "typing": ("typing",), "off": ()}

log = logs.get("sender")


@dataclass(slots=True)
class Presence:
    """Shows what one process is told to show."""

    channels: Mapping[str, Channel]
    provider: Provider
    addresses: Addresses
    monotonic: Callable[[], float]
    drafts: Drafts
    pacing: Pacing = unpaced
    _tasks: dict[asyncio.Task[None], str] = field(default_factory=dict)  # by conversation
    _resting: dict[tuple[str, SignalKind], float] = field(default_factory=dict)
    _replied: dict[str, None] = field(default_factory=dict)  # turns, the oldest first

    def show(self, told: WatchSignalsResponse) -> None:
        """Begins to. Waits for nothing."""
        accounts = {each.account.id: each for each in told.accounts}
        for signal in told.signals:
            secrets = accounts.get(signal.account_id)
            channel = self.channels.get(secrets.account.channel) if secrets else None
            if secrets is not None and channel is not None:
                self._begin(signal, secrets, channel=channel)

    async def settle(self, leased: LeasedDelivery) -> str:
        """A reply is on its way: whatever is being shown in its chat ends, and nothing more is for its turn. The draft
        whose place the reply can take, or ""."""
        if leased.turn_id:
            self._replied[leased.turn_id] = None
            while len(self._replied) > MOST_REPLIED:
                del self._replied[next(iter(self._replied))]
        for task in [each for each, chat in self._tasks.items() if chat == leased.conversation_id]:
            task.cancel()
        return await self.drafts.settle(leased)

    def rest(self, account_id: str, hold: timedelta) -> None:
        """The provider wants nothing of the account for a while: no courtesies either."""
        until = self.monotonic() + hold.total_seconds()
        for kind in KINDS.values():
            self._resting[account_id, kind] = max(until, self._resting.get((account_id, kind), until))
        self.drafts.rest(account_id, until)

    async def close(self) -> None:
        """Ends what is being shown."""
        await self.drafts.close()
        await cancel(*self._tasks)

    def _begin(self, signal: Signal, secrets: AccountSecrets, *, channel: Channel) -> None:
        kind, credentials = KINDS.get(signal.kind), Credentials(secrets.credentials)
        outgoing = self._outgoing(signal, secrets, channel=channel)
        if signal.kind == SIGNAL_KIND_RETRACT:
            self.drafts.retract(Wanted(signal, outgoing, channel, credentials))
        elif signal.kind == SIGNAL_KIND_DRAFT and secrets.account.state == ACCOUNT_STATE_ACTIVE:
            pace = self.pacing(channel, secrets.account, chat_id=signal.chat_id)
            self.drafts.draw(Wanted(signal, outgoing, channel, credentials, pace))
        elif kind is not None and isinstance(channel, Signals) and self._may(signal, secrets, kind=kind):
            gesture = channel.signal(outgoing, credentials, kind=kind)
            self._start(signal, self._run(gesture, signal, channel=channel.name, kind=kind))

    def _may(self, signal: Signal, secrets: AccountSecrets, *, kind: SignalKind) -> bool:
        account = secrets.account
        if account.state != ACCOUNT_STATE_ACTIVE or kind not in ALLOWED.get(account.options.get("signals", ""), ()):
            return False
        free = len(self._tasks) < MOST_AT_ONCE and signal.turn_id not in self._replied
        return free and self._resting.get((account.id, kind), 0.0) <= self.monotonic()

    def _outgoing(self, signal: Signal, secrets: AccountSecrets, *, channel: Channel) -> Outgoing:
        return Outgoing(
            delivery_id="",
            part=0,
            text="",
            chat_id=signal.chat_id,
            address=secrets.account.address,
            reply_to=signal.provider_message_id,
            reply_metadata=signal.metadata,
            api_base_url=self.addresses.api_base_url(channel),
            options=secrets.account.options,
        )

    def _start(self, signal: Signal, running: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(running)
        self._tasks[task] = signal.conversation_id
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    async def _run(self, gesture: Gesture, signal: Signal, *, channel: str, kind: SignalKind) -> None:
        correlation.bind(signal.correlation_id, tenant=signal.tenant_id)
        try:
            async with asyncio.timeout(MOST_SECONDS):
                await flows.run(gesture, self._ask)
        except Exception as error:  # channel code is foreign, and nothing depends on this
            rest = _rest(error)
            self._resting[signal.account_id, kind] = self.monotonic() + rest.total_seconds()
            code = error.provider_code if isinstance(error, DeliveryError) else ""
            log.info("signal.failed", channel=channel, signal=kind, reason=type(error).__name__, provider_code=code)
            metrics.signals.labels(channel=channel, kind=kind, outcome="failed").inc()
        else:
            metrics.signals.labels(channel=channel, kind=kind, outcome="shown").inc()

    async def _ask(self, call: Call) -> Answer:
        return await self.provider(call, MOST_SECONDS)


def _rest(error: Exception) -> timedelta:
    """How long the account does without: as long as it is told to, when it is."""
    if isinstance(error, Throttled):
        return error.retry_after or timedelta(seconds=THROTTLED_SECONDS)
    return timedelta(seconds=REST_SECONDS if isinstance(error, DeliveryError) else THROTTLED_SECONDS)
