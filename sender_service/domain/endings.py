"""How did an attempt end, and a delivery with it? Counted, and said in the log."""

from collections.abc import Callable, Iterable
from datetime import datetime

from kit import logs, metrics
from kit.moments import moment
from parley.chat.v1.message_pb2 import DELIVERY_STATE_QUEUED, DELIVERY_STATE_UNKNOWN
from parley.storage.v1 import delivery_requests_pb2 as pb
from parley.storage.v1.delivery_requests_pb2 import AttemptOutcome, LeasedDelivery
from sender_service.domain.outcomes import Outcome
from sender_service.domain.trips import Trip

# Outcome of the last attempt -> how the delivery ended, and what is said of it aloud.
_ENDS: dict[AttemptOutcome, tuple[str, str]] = {
    pb.ATTEMPT_OUTCOME_SENT: ("sent", ""),
    pb.ATTEMPT_OUTCOME_REJECTED: ("failed", "delivery.dead"),
    pb.ATTEMPT_OUTCOME_UNKNOWN: ("unknown", "delivery.unknown"),
    pb.ATTEMPT_OUTCOME_UNAUTHORIZED: ("", "account.unauthorized"),
}
# What Twilio refuses after a STOP, our own goodbye first of all, is no trouble of anybody's.
_LEFT = ("opted_out", "delivery.opted_out")

log = logs.get("sender")


def begin_to_count(channels: Iterable[str]) -> None:
    """From 0: Prometheus sees no increase in what begins with 1."""
    for channel in channels:
        for state, _ in (*_ENDS.values(), _LEFT):
            if state:
                metrics.deliveries.labels(channel=channel, outcome=state)


def tell(trip: Trip, outcome: Outcome, *, ended: bool, wall: Callable[[], datetime]) -> None:
    """Of an attempt. `ended`: no other part of the delivery follows it."""
    channel, leased = trip.channel.name, trip.load.leased
    metrics.attempts.labels(channel=channel, outcome=outcome.name).inc()
    segments = 0 if trip.template else trip.parts[trip.part].segments
    if outcome.sent and segments:
        metrics.segments.labels(channel=channel).inc(segments)
    log.info(
        "attempt.ended",
        delivery_id=leased.delivery_id,
        channel=channel,
        part=trip.part,
        parts=len(trip.parts),
        segments=segments,
        attempt=trip.attempts + 1,
        outcome=outcome.name,
        reason=outcome.reason,
        provider_code=outcome.provider_code,
    )
    state, event = _end(trip, outcome)
    if not ended or not state or trip.state == DELIVERY_STATE_QUEUED:
        return
    metrics.deliveries.labels(channel=channel, outcome=state).inc()
    if event:
        say = log.info if event == _LEFT[1] else log.warning
        say(event, delivery_id=leased.delivery_id, reason=outcome.reason, provider_code=outcome.provider_code)
    elif leased.reply_to_provider_message_id:
        waited = wall() - moment(leased.last_inbound_at)
        metrics.accept_to_reply_seconds.labels(channel=channel).observe(waited.total_seconds())


def tell_unsent(leased: LeasedDelivery, outcome: Outcome, *, channel: str, said_elsewhere: bool) -> None:
    """Of a delivery for which no call was made."""
    if said_elsewhere:
        metrics.deliveries.labels(channel=channel, outcome="said_elsewhere").inc()
        log.info("delivery.said_elsewhere", delivery_id=leased.delivery_id, reason=outcome.reason)
        return
    metrics.deliveries.labels(channel=channel, outcome="failed").inc()
    log.warning("delivery.dead", delivery_id=leased.delivery_id, reason=outcome.reason)


def _end(trip: Trip, outcome: Outcome) -> tuple[str, str]:
    if trip.state == DELIVERY_STATE_UNKNOWN:
        return _ENDS[pb.ATTEMPT_OUTCOME_UNKNOWN]
    left = outcome.kind == pb.ATTEMPT_OUTCOME_REJECTED and outcome.reason == _LEFT[0]
    return _LEFT if left else _ENDS.get(outcome.kind, ("", ""))
