"""When may an account call its provider again? Its rate, what the provider asked for, and care after an outage.

One row for each account, for each tenant that has a limit, and for each chat that several conversations share; all
senders and all replicas of storage see the same one. Time is the database's, and comes in as an argument.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zlib import crc32

from parley.storage.v1.pacing_pb2 import Rate

PaceKey = tuple[str, str, str]  # tenant_id, account_id or "" for the tenant, recipient or "" for the account

# Calls that may be under way without a sign of life, at first and at most. Each time that they are used up and the
# provider answers they grow, so that a provider that has just failed is not found out by hundreds at once.
FIRST_ALLOWED, LAST_ALLOWED = 4, 256
IDLE = timedelta(seconds=60)  # after it the window is the first one again
SILENT = timedelta(seconds=20)  # longer than any call: one more may be tried, whatever became of those before
# What was noted lies so far ahead only when the clock was set back: no transaction waits for a row for so long.
STEPPED = timedelta(seconds=20)
FAILURES = 3  # in a row, and the account stops
FIRST_PAUSE, LAST_PAUSE = timedelta(seconds=0.5), timedelta(minutes=5)
SEVERAL = "*"
# The replicas' clocks agree within milliseconds: a wait that a provider asked for is never cut short by that.
CLOCKS_DIFFER = timedelta(milliseconds=100)
# Those that wait come back one by one: for an account that stopped, and for one whose calls are used up or too fast.
STOPPED_GAP, LEAST_GAP = timedelta(milliseconds=10), timedelta(microseconds=500)
SOON = timedelta(milliseconds=50)  # calls that are used up are looked for again, later while none of them ends


@dataclass(slots=True)
class Pace:
    """What is known of one account's, tenant's or shared chat's sending."""

    tenant_id: str
    account_id: str
    recipient: str
    free_at: datetime | None = None  # when the next call would be in time if there were no burst (GCRA)
    queued_until: datetime | None = None  # those who wait are due up to here, in their order
    late_until: datetime | None = None  # and those whose turn came in vain
    held_until: datetime | None = None  # the provider's word
    ill_until: datetime | None = None  # our own care
    suspect: str = ""  # the one delivery that failed since the last sign of life, or SEVERAL
    paused_at: datetime | None = None  # what had begun by then tells nothing new
    begun_at: datetime | None = None
    allowed: int = FIRST_ALLOWED
    unproven: int = 0  # calls begun since the last sign of life
    failures: int = 0  # since the last sign of life
    interval_micros: int = 0  # that the last call took of its rate

    @property
    def is_account(self) -> bool:
        """Not a tenant's, and not a shared chat's."""
        return bool(self.account_id) and not self.recipient

    @property
    def key(self) -> PaceKey:
        return self.tenant_id, self.account_id, self.recipient

    def soonest(self, rate: Rate, delivery_id: str, *, waited: bool, now: datetime) -> datetime | None:
        """None when a call may begin now, else when it might. Who has `waited` in the line goes before others."""
        self.look(now)
        paused_until = self.paused_until(delivery_id)
        if paused_until is not None and paused_until > now:
            return paused_until
        opens_at = opening(self.free_at, rate)
        if opens_at is not None and opens_at > now:
            return opens_at
        if self.begun_at is not None and self._used_up(now):
            return min(now + max(SOON, 3 * (now - self.begun_at)), self.begun_at + SILENT)
        behind = not waited and self.queued_until is not None and self.queued_until > now
        return now if behind else None

    def look(self, now: datetime) -> None:
        """A clock that was set back makes times of what we noted ourselves that are no reason to wait. The provider's
        word stays."""
        if self.begun_at is not None and self.begun_at - now > STEPPED:
            self.free_at = self.queued_until = self.late_until = self.begun_at = None
            self.ill_until = self.paused_at = None

    def paused_until(self, delivery_id: str) -> datetime | None:
        """It does not begin before this. While only one message fails, another one may find out whose fault it is."""
        ill_until = self.ill_until if self.suspect in (SEVERAL, delivery_id) else None
        return max((each for each in (self.held_until, ill_until) if each is not None), default=None)

    def line_up(self, soonest: datetime, rate: Rate, *, waited: bool, stopped: bool, quantity: int = 1) -> datetime:
        """The next place in the line, so that those who wait come back as fast as they may be sent, and not at once.

        Whose place came and was taken, by a further part of what was begun, stands in a short line before the others.
        """
        step = max(interval(rate, quantity), STOPPED_GAP if stopped else LEAST_GAP)
        if waited and not stopped:
            due_at = max(soonest, self.late_until or soonest)
            self.late_until = due_at + step
        else:
            due_at = max(soonest, self.queued_until or soonest)
            self.queued_until = due_at + step
        return due_at

    def take(self, rate: Rate, now: datetime, *, quantity: int = 1) -> None:
        """A call begins."""
        self.free_at = taken(self.free_at, rate, at=now, quantity=quantity)
        if self.begun_at is not None and now - self.begun_at > IDLE:
            self.allowed = min(self.allowed, FIRST_ALLOWED)
        self.begun_at = now
        self.unproven += 1
        self.interval_micros = rate.interval_micros * max(quantity, 1)

    def lives(self, began_at: datetime) -> None:
        """A call that began then showed that the provider works."""
        if self._is_old(began_at):
            return
        if self.unproven >= self.allowed:
            careful = self.paused_at is not None and began_at - self.paused_at < IDLE
            self.allowed = min(self.allowed * (2 if careful else 4), LAST_ALLOWED)
        if self.held_until is not None and self.held_until <= began_at:
            self.held_until = None
        self.unproven = self.failures = 0
        self.ill_until, self.suspect = None, ""

    def untouched(self, began_at: datetime) -> None:
        """What began then called nobody: there is nothing to wait for."""
        if not self._is_old(began_at):
            self.unproven = max(0, self.unproven - 1)

    def throttled(self, hold: timedelta | None, *, began_at: datetime, now: datetime) -> None:
        """The provider wants nothing for a while; None: it does not say for how long."""
        if hold is None and not self._is_old(began_at):
            self.failures += 1
        until = now + (self._pause(self.failures) if hold is None else hold + CLOCKS_DIFFER)
        self.held_until = max(until, self.held_until or until)
        self._stop(now)

    def failed(self, delivery_id: str, *, began_at: datetime, now: datetime) -> bool:
        """The provider failed. True when that is news of the message: others had come through since the last time."""
        if self._is_old(began_at):
            return False
        self.failures += 1
        self.suspect = delivery_id if self.suspect in ("", delivery_id) else SEVERAL
        if self.failures >= min(FAILURES, self.allowed):  # else those that are allowed are used up, and nobody tries
            self.ill_until = now + self._pause(self.failures - FAILURES + 1)
            self._stop(now)
        return self.failures == 1

    def _stop(self, now: datetime) -> None:
        """One call may try after the pause, and the line begins anew behind it."""
        self.paused_at, self.queued_until, self.late_until = now, None, None
        self.allowed, self.unproven = 1, 0

    def _pause(self, times: int) -> timedelta:
        """Doubles; accounts of one provider that stopped together do not come back together."""
        longest = min(FIRST_PAUSE * 2.0 ** min(max(times, 1) - 1, 20), LAST_PAUSE)
        return longest * (0.75 + crc32(f"{self.account_id}.{times}".encode()) / 2**34)

    def _used_up(self, now: datetime) -> bool:
        if self.unproven < self.allowed or not self.is_account:  # only accounts hear how calls end
            return False
        return self.begun_at is not None and now - self.begun_at < SILENT

    def _is_old(self, began_at: datetime) -> bool:
        return self.paused_at is not None and began_at < self.paused_at


def interval(rate: Rate, quantity: int = 1) -> timedelta:
    return timedelta(microseconds=rate.interval_micros * max(quantity, 1))


def opening(free_at: datetime | None, rate: Rate) -> datetime | None:
    """When the next call is in time, the burst counted in. None: at any time."""
    if free_at is None or not rate.interval_micros:
        return None
    return free_at - interval(rate) * (max(rate.burst, 1) - 1)


def explained(free_at: datetime | None, rate: Rate, *, now: datetime) -> datetime | None:
    """As it is, or None when it lies further ahead than a whole burst: then the clock was set back since."""
    whole = interval(rate) * max(rate.burst, 1)
    return None if free_at is not None and free_at - now > whole + STEPPED else free_at


def taken(free_at: datetime | None, rate: Rate, *, at: datetime, quantity: int = 1) -> datetime | None:
    """The same after a call at that time. One of a larger quantity begins like any other, and those after it wait."""
    return max(free_at or at, at) + interval(rate, quantity) if rate.interval_micros else free_at
