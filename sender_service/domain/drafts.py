"""How is a reply shown while it is being written? Draft after draft, as often as the provider allows, one at a time.

A draft that stays is a message: nothing is posted before it is on record, and it becomes the reply only where this
process knows that no edit of it is under way. Otherwise the reply goes out by itself, and storage has the draft go.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from channels.channel import Answer, Call, Channel, Credentials, DeliveryError, Outgoing, Throttled, Unknown
from channels.presence import DraftManners
from channels.presence import Drafts as DraftingChannel
from channels.rendering import render
from kit import correlation, logs, metrics
from kit.errors import ParleyError
from kit.moments import seconds
from kit.tasks import cancel
from parley.storage.v1 import signal_requests_pb2 as pb
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from parley.storage.v1.pacing_pb2 import Pacing
from sender_service.domain import flows
from sender_service.domain.parts import Provider

MOST_AT_ONCE, MOST_KNOWN = 256, 4096
CALL_SECONDS = 5.0
# A reply waits so long for an edit of its draft to end, and then goes out by itself.
SETTLES_SECONDS = 2.0
# So long after a reply was to take a draft's place, nobody takes that draft back.
USED_SECONDS = 20.0
THROTTLED_SECONDS = 5.0

# Writes a record of a draft. Raises ParleyError.
Record = Callable[[pb.DraftRecord], Awaitable[pb.DraftResult]]

log = logs.get("sender")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A draft to show, or to take back."""

    signal: pb.Signal
    outgoing: Outgoing
    channel: Channel
    credentials: Credentials
    pacing: Pacing | None = None  # of what is sent in its chat


@dataclass(slots=True)
class _Drawing:
    """The drafts of one turn."""

    wanted: Wanted
    manners: DraftManners
    fresh: asyncio.Event = field(default_factory=asyncio.Event)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    granted: bool = False
    shown: str = ""  # the text that stands there
    shown_id: str = ""
    early_until: float = -math.inf  # what the provider allows in the chat is used: nothing is drawn before this
    used_at: float = -math.inf


class Drafts:
    """What one process shows of replies in the making."""

    def __init__(self, provider: Provider, record: Record, *, monotonic: Callable[[], float]) -> None:
        self._provider = provider
        self._record = record
        self._monotonic = monotonic
        self._drawings: dict[str, _Drawing] = {}  # by turn
        self._settled: dict[str, None] = {}  # turns whose reply is on its way, the oldest first
        self._free_at: dict[str, float] = {}  # by account: when it may show one more
        self._beside: set[asyncio.Task[None]] = set()

    def draw(self, wanted: Wanted) -> None:
        """Shows it as soon as it may be, unless a newer one comes before."""
        turn_id, channel = wanted.signal.turn_id, wanted.channel
        if turn_id in self._settled or not isinstance(channel, DraftingChannel):
            return
        drawing, manners = self._drawings.get(turn_id), channel.draft_manners(wanted.outgoing)
        if manners is None:
            return
        if drawing is None:
            if sum(each.task is not None and not each.task.done() for each in self._drawings.values()) >= MOST_AT_ONCE:
                return
            drawing = self._drawings[turn_id] = _Drawing(wanted, manners)
            drawing.task = asyncio.create_task(self._draw(drawing, channel))
            _forget_the_oldest(self._drawings)
        drawing.wanted = wanted
        drawing.fresh.set()

    def retract(self, wanted: Wanted) -> None:
        """Takes it back."""
        if isinstance(wanted.channel, DraftingChannel):
            task = asyncio.create_task(self._retract(wanted, wanted.channel))
            self._beside.add(task)
            task.add_done_callback(self._beside.discard)

    async def settle(self, leased: LeasedDelivery) -> str:
        """The reply is on its way: no draft of its turn is shown any more. The one whose place it can take, or ""."""
        if not leased.turn_id:
            return ""
        self._settled[leased.turn_id] = None
        _forget_the_oldest(self._settled)
        drawing = self._drawings.get(leased.turn_id)
        if drawing is None:
            return ""
        await _end(drawing, SETTLES_SECONDS)
        drawing.used_at = self._monotonic()
        return drawing.shown_id

    def rest(self, account_id: str, until: float) -> None:
        """The provider wants nothing of the account until then, by the monotonic clock: no drafts either."""
        self._free_at[account_id] = max(until, self._free_at.get(account_id, until))

    async def close(self) -> None:
        """Ends what is being shown. What stays behind, storage has somebody else take back."""
        drawing = {each.task for each in self._drawings.values() if each.task is not None}
        await cancel(*drawing, *self._beside)

    async def _draw(self, drawing: _Drawing, channel: DraftingChannel) -> None:
        correlation.bind(drawing.wanted.signal.correlation_id, tenant=drawing.wanted.signal.tenant_id)
        manners, drawn_at = drawing.manners, -math.inf
        while True:
            await drawing.fresh.wait()
            drawing.fresh.clear()
            account, now = drawing.wanted.signal.account_id, self._monotonic()
            at = max(now, drawn_at + manners.chat_seconds, drawing.early_until, self._free_at.get(account, now))
            self._free_at[account] = at + manners.account_seconds
            if await _closes(drawing, at - now):
                return None
            drawn_at = self._monotonic()
            try:
                if not await self._once(drawing, channel):
                    return None
            except Throttled as error:
                wait = error.retry_after.total_seconds() if error.retry_after else THROTTLED_SECONDS
                self._free_at[account] = self._monotonic() + wait
                self._tell(drawing.wanted, "failed", error=error)
                await self._unbegun(drawing, error)
            except Exception as error:  # channel code is foreign, and no reply depends on this
                self._tell(drawing.wanted, "failed", error=error)
                if not (drawing.shown_id and isinstance(error, Unknown)):  # an edit that was lost is made anew
                    return await self._unbegun(drawing, error)

    async def _once(self, drawing: _Drawing, channel: DraftingChannel) -> bool:
        """One draft, of the newest text. False when nothing more of this turn may be shown from here."""
        wanted = drawing.wanted
        parts = render(wanted.signal.text, wanted.channel.markup, limit=wanted.channel.max_text)
        if not parts or parts[0].text == drawing.shown:
            return True
        if drawing.manners.stay and not (drawing.granted and not drawing.manners.counted):
            result = await self._record(_begun(wanted, counted=drawing.manners.counted))
            if not result.granted:
                return False
            if result.HasField("wait"):
                drawing.early_until = self._monotonic() + seconds(result.wait)
                drawing.fresh.set()  # what is wanted then is drawn then
                return True
            drawing.granted = True
        outgoing = replace(wanted.outgoing, text=parts[0].text, plain=parts[0].plain, draft=drawing.shown_id)
        flow = channel.draft(outgoing, wanted.credentials, turn_id=wanted.signal.turn_id)
        first, drawing.shown_id = not drawing.shown_id, await flows.run(flow, self._ask) or drawing.shown_id
        drawing.shown = parts[0].text
        self._tell(wanted, "shown")
        if first and drawing.shown_id:
            shown = _record(wanted, pb.DRAFT_STATE_SHOWN, provider_message_id=drawing.shown_id)
            if not (await self._record(shown)).granted:
                await self._take_back(wanted, channel, draft=drawing.shown_id)
                drawing.shown_id = ""
                return False
        return True

    async def _unbegun(self, drawing: _Drawing, error: Exception) -> None:
        """What was refused before anything stood there stands nowhere, and nobody has to look for it."""
        if (
            drawing.granted
            and not drawing.shown_id
            and isinstance(error, DeliveryError)
            and not isinstance(error, Unknown)
        ):
            drawing.granted = False
            with suppress(ParleyError):  # then storage has it looked for
                await self._record(_record(drawing.wanted, pb.DRAFT_STATE_GONE))

    async def _retract(self, wanted: Wanted, channel: DraftingChannel) -> None:
        drawing = self._drawings.get(wanted.signal.turn_id)
        known = ""
        if drawing is not None:
            if self._monotonic() - drawing.used_at < USED_SECONDS:
                return
            await _end(drawing, SETTLES_SECONDS)
            known, drawing.shown_id = drawing.shown_id, ""  # no reply takes its place any more
        try:
            await self._take_back(wanted, channel, draft=known or wanted.signal.draft_message_id)
            await self._record(_record(wanted, pb.DRAFT_STATE_GONE))
        except Exception as error:  # storage asks again
            self._tell(wanted, "failed", error=error)

    async def _take_back(self, wanted: Wanted, channel: DraftingChannel, *, draft: str) -> None:
        outgoing = replace(wanted.outgoing, draft=draft)
        await flows.run(channel.retract(outgoing, wanted.credentials, turn_id=wanted.signal.turn_id), self._ask)
        self._tell(wanted, "taken_back")

    async def _ask(self, call: Call) -> Answer:
        try:
            return await self._provider(call, CALL_SECONDS)
        except TimeoutError:
            raise Unknown("no answer in time", provider_code="timeout") from None

    def _tell(self, wanted: Wanted, outcome: str, *, error: Exception | None = None) -> None:
        channel = wanted.channel.name
        metrics.drafts.labels(channel=channel, outcome=outcome).inc()
        if error is not None:
            code = error.provider_code if isinstance(error, DeliveryError) else ""
            reason = error.name if isinstance(error, ParleyError) else type(error).__name__
            log.info("draft.failed", channel=channel, turn_id=wanted.signal.turn_id, reason=reason, provider_code=code)


async def _closes(drawing: _Drawing, wait_seconds: float) -> bool:
    """Waits that long, or until nothing more is to be shown."""
    if wait_seconds > 0 and not drawing.closing.is_set():
        try:
            await asyncio.wait_for(drawing.closing.wait(), wait_seconds)
        except TimeoutError:
            return False
    return drawing.closing.is_set()


async def _end(drawing: _Drawing, within_seconds: float) -> None:
    """Lets a call that is under way end. One that does not may still be taken, so the draft is nobody's to edit."""
    drawing.closing.set()
    drawing.fresh.set()
    if drawing.task is None or drawing.task.done():
        return
    await asyncio.wait((drawing.task,), timeout=within_seconds)
    if not drawing.task.done():
        drawing.task.cancel()
        drawing.shown_id = ""


def _begun(wanted: Wanted, *, counted: bool) -> pb.DraftRecord:
    record = _record(wanted, pb.DRAFT_STATE_BEGUN)
    if counted and wanted.pacing is not None:
        record.pacing.CopyFrom(wanted.pacing)
    return record


def _record(wanted: Wanted, state: pb.DraftState, *, provider_message_id: str = "") -> pb.DraftRecord:
    signal = wanted.signal
    return pb.DraftRecord(
        tenant_id=signal.tenant_id, turn_id=signal.turn_id, state=state, provider_message_id=provider_message_id
    )


def _forget_the_oldest(known: dict[str, Any]) -> None:
    while len(known) > MOST_KNOWN:
        del known[next(iter(known))]
