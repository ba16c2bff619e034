"""How does one delivery go out? Render, begin, call, record, part after part; never a call without its record."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from channels.channel import Channel, Credentials, Outgoing
from channels.rendering import Part, limit_of, render
from kit import correlation, logs, metrics, tracing
from kit.errors import LeaseLost, OwnerChanged, ParleyError
from kit.moments import moment, seconds
from parley.storage.v1 import delivery_requests_pb2 as pb
from parley.storage.v1.delivery_requests_pb2 import AttemptRecord, AttemptResult, LeasedDelivery
from sender_service.domain import endings, files, outcomes, parts, undelivered, windows
from sender_service.domain import pacing as paces
from sender_service.domain.addresses import Addresses
from sender_service.domain.files import NO_FILES, Files
from sender_service.domain.outcomes import Outcome
from sender_service.domain.parts import Provider
from sender_service.domain.records import record_of, rest_of, template_values
from sender_service.domain.retries import Retries
from sender_service.domain.trips import Load, Trip
from sender_service.domain.windows import Decision

# Writes a record, trying for so many seconds while storage is away. Raises LeaseLost, or why it could not.
Record = Callable[[AttemptRecord, float], Awaitable[AttemptResult]]

# The reply of this delivery is on its way. The provider's id of the draft whose place it can take, or "".
Settle = Callable[[LeasedDelivery], Awaitable[str]]

USABLE = 0.7  # of a lease: the rest is for the record of the end, and for clocks that do not agree
LAST_WORD_SECONDS = 2.0  # for the record of a call that was cut off when the process stops
UNSAID = (Decision.OTHER_ACCOUNT, Decision.HUMAN, Decision.DROP)
BEGUN, RELEASED = Outcome(pb.ATTEMPT_OUTCOME_BEGUN), Outcome(pb.ATTEMPT_OUTCOME_RELEASED)
NO_CALL = (BEGUN.kind, RELEASED.kind)

log = logs.get("sender")


async def nothing_shown(_leased: LeasedDelivery) -> str:
    """Where nothing is shown before replies."""
    return ""


@dataclass(frozen=True, slots=True)
class Clocks:
    """What time it is: of the wall for people, monotonic for leases."""

    wall: Callable[[], datetime]
    monotonic: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Courier:
    """Carries deliveries. Holds nothing of its own between two of them."""

    channels: Mapping[str, Channel]
    record: Record
    provider: Provider
    retries: Retries
    pacing: paces.Pacing
    addresses: Addresses
    clocks: Clocks
    lease_seconds: float
    settle: Settle = nothing_shown  # told before anything of it is sent
    rest: Callable[[str, timedelta], None] = lambda _account_id, _hold: None  # told when a provider wants nothing
    files: Files = NO_FILES

    def __post_init__(self) -> None:
        endings.begin_to_count(self.channels)

    async def deliver(self, load: Load, stopping: asyncio.Event) -> None:
        """Brings it as far as it gets now. Never raises but when it is cancelled."""
        leased, channel = load.leased, load.secrets.account.channel
        correlation.bind(leased.correlation_id, tenant=leased.tenant_id)
        with tracing.linked_span("delivery", leased.traceparent, channel=channel):
            try:
                await self._carry(load, await self.settle(leased), stopping=stopping)
            except (LeaseLost, OwnerChanged) as error:
                # Another sender has it, or a human has the conversation: either way nothing more goes out from here.
                log.warning(
                    "delivery.lease_lost", delivery_id=leased.delivery_id, epoch=leased.epoch, reason=error.name
                )
            except ParleyError as error:
                # Nothing more can be said to storage. Its own clock ends the lease, and it knows what had begun.
                log.error("delivery.unrecorded", delivery_id=leased.delivery_id, error_reason=error.name)

    async def _carry(self, load: Load, draft: str, *, stopping: asyncio.Event) -> None:
        leased = load.leased
        channel = self.channels.get(load.secrets.account.channel)
        if channel is None:
            return await self._refuse(load, outcomes.rejected("channel_unknown"))
        limit = limit_of(channel, load.secrets.account.options)
        rendered = [*render(leased.text, channel.markup, limit=limit), *files.parts(leased, channel, limit=limit)]
        if leased.next_part >= len(rendered):  # begun by a release that cut otherwise, and nothing is left by our count
            return await self._refuse(load, outcomes.rejected("parts_changed" if leased.next_part else "text_empty"))
        pacing = self.pacing(channel, load.secrets.account, chat_id=leased.chat_id)
        trip = Trip(load, channel, rendered, leased.next_part, leased.attempts, pacing, draft)
        if stopping.is_set():
            await self._write(trip, RELEASED)
            return None
        # Asked anew with each lease: while it waited for a retry the window may have closed, or opened again.
        decision = windows.decided(leased, load.secrets.account, channel=channel, now=self.clocks.wall())
        if decision in UNSAID:
            account, rest = load.secrets.account, rest_of(leased, rendered)
            return await self._refuse(load, windows.unsaid(decision, leased, account=account, rest=rest))
        trip.as_human = decision is Decision.AS_HUMAN
        if decision is Decision.TEMPLATE:
            trip.template = load.secrets.account.options["template"]
            trip.parts[trip.part :] = [Part("\n".join(part.text for part in trip.parts[trip.part :]))]
        begins = await self._write(trip, BEGUN)
        while begins and await self._attempt(trip):
            trip.part, trip.attempts = trip.part + 1, 0
        return None

    async def _attempt(self, trip: Trip) -> bool:
        """One call for the part that has begun, and the record of its end. True when the next part has begun."""
        try:
            outcome = await self._call(trip)
            if outcome.kind == pb.ATTEMPT_OUTCOME_RETRY:
                waited = self.clocks.wall() - moment(trip.load.leased.created_at)
                outcome = self.retries.settle(outcome, trip.attempts, waited=waited)
        except asyncio.CancelledError:
            await self._write(trip, outcomes.unknown("stopped"), within_seconds=LAST_WORD_SECONDS)
            raise
        text, last = trip.load.leased.text, trip.attempts + 1 >= self.retries.most
        outcome = windows.settle(outcome, trip.channel, text=text, template=bool(trip.template), last=last)
        outcome = undelivered.asking(outcome, trip.load.leased, account=trip.load.secrets.account)
        if outcome.hold is not None:
            self.rest(trip.load.leased.account_id, outcome.hold)
        more = outcome.sent and trip.part + 1 < len(trip.parts)
        begins = await self._write(trip, outcome, begin_next=more)
        endings.tell(trip, outcome, ended=not more, wall=self.clocks.wall)
        return more and begins

    async def _call(self, trip: Trip) -> Outcome:
        left = trip.usable_until - self.clocks.monotonic()
        if left <= 0:  # the process stood still since it began: the lease may be another's, so nothing is called
            return Outcome(pb.ATTEMPT_OUTCOME_RETRY, "late")
        outgoing = self._outgoing(trip)
        if (attachment := trip.parts[trip.part].file) is not None and not trip.template:
            readied = await self.files.ready(attachment, channel=trip.channel, tenant_id=trip.load.leased.tenant_id)
            if isinstance(readied, Outcome):
                return readied
            outgoing = replace(outgoing, file=readied)
            left = trip.usable_until - self.clocks.monotonic()
            if left <= 0:
                return Outcome(pb.ATTEMPT_OUTCOME_RETRY, "late")
        return await parts.send(
            trip.channel,
            outgoing,
            credentials=Credentials(trip.load.secrets.credentials),
            provider=self.provider,
            within_seconds=left,
        )

    def _outgoing(self, trip: Trip) -> Outgoing:
        leased, account = trip.load.leased, trip.load.secrets.account
        return Outgoing(
            delivery_id=leased.delivery_id,
            part=trip.part,
            text=trip.parts[trip.part].text,
            plain=trip.parts[trip.part].plain,
            chat_id=leased.chat_id,
            address=account.address,
            reply_to=leased.reply_to_provider_message_id,
            reply_metadata=leased.reply_metadata,
            status_url=self.addresses.status_url(account, trip.channel),
            api_base_url=self.addresses.api_base_url(trip.channel),
            options=account.options,
            draft="" if trip.part or trip.template else trip.draft,
            as_human=trip.as_human,
            template=trip.template,
            template_values=template_values(trip.parts[trip.part], account.options) if trip.template else {},
        )

    async def _write(
        self, trip: Trip, outcome: Outcome, *, begin_next: bool = False, within_seconds: float | None = None
    ) -> bool:
        """Records, and starts the clock of the lease when that renews it: from before the call, to be safe. False when
        it is too early for what was to begin: the delivery is queued again."""
        asked_at = self.clocks.monotonic()
        begins = trip.parts[trip.part + begin_next] if begin_next or outcome is BEGUN else None
        record = record_of(trip.load.leased, outcome, part=trip.part, parts=len(trip.parts), begins=begins)
        record.begin_next, record.template = begin_next, bool(trip.template)
        if trip.pacing is not None:
            record.pacing.CopyFrom(trip.pacing)
            record.pacing.quantity = _quantity(trip, trip.part + begin_next)
        # A beginning is of no use once its lease is over; an end is worth telling even then, to be told so.
        patience = self.lease_seconds * (USABLE if outcome.kind in NO_CALL else 2)
        result = await self.record(record, patience if within_seconds is None else within_seconds)
        trip.usable_until = asked_at + self.lease_seconds * USABLE
        trip.state = result.state
        if result.HasField("wait"):
            metrics.sender_paced.labels(channel=trip.channel.name).inc()
            log.debug(
                "delivery.paced", delivery_id=record.delivery_id, part=trip.part, wait_seconds=seconds(result.wait)
            )
        return not result.HasField("wait")

    async def _refuse(self, load: Load, outcome: Outcome) -> None:
        """Nothing can be sent: no call is made, so none is on record, and a person sees why."""
        leased, channel = load.leased, load.secrets.account.channel
        outcome = undelivered.asking(outcome, leased, account=load.secrets.account)
        record = record_of(leased, outcome, part=leased.next_part, parts=leased.next_part + 1)
        result = await self.record(record, self.lease_seconds)
        endings.tell_unsent(leased, outcome, channel=channel, said_elsewhere=result.said_elsewhere)


def _quantity(trip: Trip, part: int) -> int:
    """What a part takes of a rate that counts segments. A template's are Twilio's to count."""
    return 0 if trip.template else trip.parts[part].segments
