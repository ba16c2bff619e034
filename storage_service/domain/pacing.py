"""Is it too early for the next call of a delivery? Asked and noted in the transaction that puts the call on record."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from kit.moments import seconds
from parley.storage.v1.delivery_requests_pb2 import ATTEMPT_OUTCOME_BEGUN, ATTEMPT_OUTCOME_SENT, AttemptRecord
from parley.storage.v1.pacing_pb2 import (
    ACCOUNT_SIGN_ALIVE,
    ACCOUNT_SIGN_FAILING,
    ACCOUNT_SIGN_THROTTLED,
    ACCOUNT_SIGN_UNTOUCHED,
    Pacing,
    Rate,
)
from storage_service.domain.pace import Pace, PaceKey, explained, opening, taken
from storage_service.domain.rows import Attempt, Delivery, Lane

# Why a delivery is queued again that was not tried: it keeps its place in the line of its account.
PACED = "paced"
NO_RATE = Rate()


def keys_of(item: AttemptRecord, delivery: Delivery) -> list[PaceKey]:
    """The rows that a record may ask or move."""
    if not item.HasField("pacing"):
        return []
    pacing, tenant, account = item.pacing, delivery.tenant_id, delivery.account_id
    keys: list[PaceKey] = [(tenant, account, "")]
    if item.outcome == ATTEMPT_OUTCOME_BEGUN or item.begin_next:
        keys += [(tenant, "", "")] if pacing.tenant.interval_micros else []
        keys += [(tenant, account, pacing.recipient)] if _is_shared(pacing) else []
    return keys


@dataclass(slots=True)
class Paces:
    """The paces of one transaction, as they were read and as they are now."""

    before: Mapping[PaceKey, Pace] = field(default_factory=dict)
    now: dict[PaceKey, Pace] = field(default_factory=dict)

    @classmethod
    def of(cls, keys: Iterable[PaceKey], found: Mapping[PaceKey, Pace]) -> "Paces":
        """Those that are not on record yet begin afresh."""
        return cls(found, {key: replace(found[key]) if key in found else Pace(*key) for key in keys})

    @property
    def changed(self) -> dict[PaceKey, Pace]:
        return {key: pace for key, pace in self.now.items() if pace != self.before.get(key)}

    def too_early(self, lane: Lane, delivery: Delivery, *, item: AttemptRecord, part: int, at: datetime) -> bool:
        """False, and the call is counted; or True, and the delivery knows when it is due.

        What was begun is ended before others begin: a further part waits for its time, and in no line.
        """
        if not item.HasField("pacing"):
            return False
        waited = delivery.reason == PACED or part > 0
        limits = list(self._limits(delivery, item.pacing))
        waits = [each.soonest(rate, delivery.id, waited=waited, now=at) for each, rate in limits]
        own = _own_wait(lane, item.pacing, at=at)
        if own is None and all(each is None for each in waits):
            for each, rate in limits:
                each.take(rate, at, quantity=item.pacing.quantity if each.is_account else 1)
            return False
        places = [own] if own is not None else []
        for (each, rate), wait in zip(limits, waits, strict=True):
            if wait is not None:  # whoever waits for one account does not stand in another's line
                stopped = _is_stopped(each, delivery, at=at)
                quantity = item.pacing.quantity if each.is_account else 1
                places.append(each.line_up(wait, rate, waited=waited, stopped=stopped, quantity=quantity))
        delivery.due_at = max(places)
        return True

    def place(self, delivery: Delivery, *, at: datetime) -> datetime | None:
        """When it may be looked at again, before anybody has leased it; None when it may be leased."""
        pace = self.now.get((delivery.tenant_id, delivery.account_id, ""))
        if pace is None:
            return None
        waited, rate = delivery.reason == PACED or delivery.parts_sent > 0, Rate(interval_micros=pace.interval_micros)
        soonest = pace.soonest(NO_RATE, delivery.id, waited=waited, now=at)
        if soonest is None:
            return None
        return pace.line_up(soonest, rate, waited=waited, stopped=_is_stopped(pace, delivery, at=at))

    def ended(self, delivery: Delivery, attempt: Attempt | None, *, item: AttemptRecord, at: datetime) -> bool:
        """Notes what the end of a call says of its account. True when it counts against the message itself."""
        pace = self.now.get((delivery.tenant_id, delivery.account_id, ""))
        if pace is None or not item.HasField("pacing"):
            return True
        began_at = at if attempt is None else attempt.begun_at
        pace.look(at)
        if item.account_sign == ACCOUNT_SIGN_ALIVE or item.outcome == ATTEMPT_OUTCOME_SENT:
            pace.lives(began_at)
        elif item.account_sign == ACCOUNT_SIGN_THROTTLED:
            hold = timedelta(seconds=seconds(item.hold)) if item.HasField("hold") else None
            pace.throttled(hold, began_at=began_at, now=at)
        elif item.account_sign == ACCOUNT_SIGN_FAILING:
            return pace.failed(delivery.id, began_at=began_at, now=at)
        elif item.account_sign == ACCOUNT_SIGN_UNTOUCHED:
            pace.untouched(began_at)
            return True
        return attempt is None

    def next_try(self, delivery: Delivery, *, item: AttemptRecord, due_at: datetime) -> tuple[datetime, str]:
        """When a part that failed is due, and why it waits: with its account, while that is stopped."""
        pace = self.now.get((delivery.tenant_id, delivery.account_id, ""))
        paused_until = pace.paused_until(delivery.id) if pace and item.HasField("pacing") else None
        if pace is None or paused_until is None or paused_until <= due_at:
            return due_at, ""
        return pace.line_up(paused_until, item.pacing.account, waited=True, stopped=True), PACED

    def _limits(self, delivery: Delivery, pacing: Pacing) -> Iterable[tuple[Pace, Rate]]:
        yield self.now[delivery.tenant_id, delivery.account_id, ""], pacing.account
        if pacing.tenant.interval_micros:
            yield self.now[delivery.tenant_id, "", ""], pacing.tenant
        if _is_shared(pacing):
            yield self.now[delivery.tenant_id, delivery.account_id, pacing.recipient], pacing.chat


def count_call(lane: Lane, attempt: Attempt | None, *, item: AttemptRecord) -> None:
    """Of a chat that is this conversation's alone. Noted at the end of the call, when the lane is written anyway: no
    other call of the lane begins before."""
    if attempt is not None and item.HasField("pacing") and not _is_shared(item.pacing):
        free_at = explained(lane.chat_free_at, item.pacing.chat, now=attempt.begun_at)
        lane.chat_free_at = taken(free_at, item.pacing.chat, at=attempt.begun_at)


def _own_wait(lane: Lane, pacing: Pacing, *, at: datetime) -> datetime | None:
    free_at = explained(lane.chat_free_at, pacing.chat, now=at)
    opens_at = None if _is_shared(pacing) else opening(free_at, pacing.chat)
    return opens_at if opens_at is not None and opens_at > at else None


def _is_stopped(pace: Pace, delivery: Delivery, *, at: datetime) -> bool:
    paused_until = pace.paused_until(delivery.id)
    return paused_until is not None and paused_until > at


def _is_shared(pacing: Pacing) -> bool:
    return bool(pacing.recipient) and pacing.chat.interval_micros > 0
