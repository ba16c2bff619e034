"""What is the summary job of a conversation, and how does it move? Leased, extended, given back, ended.

It stands beside the lane: it keeps no turn waiting, says nothing to anybody, and is dropped when it fails too often.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

# What is said lately is context by itself; what is older is summarised by so much at once. Less than the least is not
# worth a call: it is left over when a turn asked that had begun before the last summary was there.
NEWEST, LEAST_AT_ONCE, MOST_AT_ONCE = 20, 10, 30
MOST_LEASES = 3
# From its lease on: a summary that takes longer is not waited for.
LONGEST = timedelta(seconds=120)


@dataclass(slots=True)
class Summary:
    """A summary job as it is kept: the same names and order as its columns."""

    tenant_id: str
    conversation_id: str
    id: str
    state: str
    leased_by: str
    epoch: int
    expires_at: datetime
    deadline_at: datetime
    attempts: int
    from_seq: int
    to_seq: int
    correlation_id: str
    traceparent: str
    created_at: datetime

    @property
    def exhausted(self) -> bool:
        return self.attempts >= MOST_LEASES

    def may_be_leased(self, now: datetime) -> bool:
        """A lease that ended without a word is as good as none."""
        return self.state != "ended" and self.expires_at <= now

    def is_held(self, worker_id: str, epoch: int) -> bool:
        return (self.state, self.leased_by, self.epoch) == ("running", worker_id, epoch)

    def was_held(self, worker_id: str, epoch: int, *, state: str) -> bool:
        """The same thing was done before."""
        return (self.state, self.leased_by, self.epoch) == (state, worker_id, epoch)

    def lease(self, worker_id: str, *, now: datetime, lease: timedelta, from_seq: int, to_seq: int) -> None:
        self.state, self.leased_by = "running", worker_id
        self.epoch += 1
        self.attempts += 1
        self.from_seq, self.to_seq = from_seq, to_seq
        self.deadline_at = now + LONGEST
        self.expires_at = min(now + lease, self.deadline_at)

    def give_back(self, due_at: datetime) -> None:
        self.state, self.expires_at = "waiting", due_at
        if self.exhausted:
            self.end()

    def end(self) -> None:
        """Its row stays, as the record of how it ended, until the next job of the conversation takes it."""
        self.state = "ended"


@dataclass(frozen=True, slots=True)
class Origin:
    """The turn that asked for it, by what ties their logs together."""

    correlation_id: str
    traceparent: str


def wanted(key: tuple[str, str], summary_id: str, *, origin: Origin, now: datetime) -> Summary:
    """A job that waits, of the conversation with that key."""
    tie = (origin.correlation_id, origin.traceparent)
    return Summary(*key, summary_id, "waiting", "", 0, now, now, 0, 0, 0, *tie, now)
