"""When is a model left alone, and how is it found to be well again?

Three failures in a row open the breaker: for five minutes nobody calls. Then one caller at a time is let through as a
probe, with a deadline of its own; its end decides. A call that took too long counts as a failure, though its answer is
used. The state is this process's own: each replica finds out for itself, with three calls.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from kit.errors import ModelPaused


class State(Enum):
    """What a breaker lets through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Rule:
    """When to open, and for how long. A probe that has no end after `probe_seconds` and a moment is given up.

    A caller that gave a server less than `late_seconds`, and less than its operator does, says nothing of its health:
    its answers may well take three seconds, and who waits for two must not have it paused for those who wait for ten.
    """

    failures: int = 3
    open_seconds: float = 300.0
    probe_seconds: float = 10.0
    late_seconds: float = 10.0


# What a probe may take beyond its deadline to come to its end.
_GRACE_SECONDS = 1.0

Heard = Callable[[State], None]


class Breaker:
    """Of one model at one backend. `heard` is told of every transition."""

    __slots__ = ("_changes_at", "_clock", "_failures", "_heard", "_rule", "_state", "_turn")

    def __init__(self, rule: Rule, *, clock: Callable[[], float], heard: Heard) -> None:
        self._rule, self._clock, self._heard = rule, clock, heard
        self._state = State.CLOSED
        self._failures = 0
        self._changes_at = 0.0  # open: when a probe may go; half open: when the probe is given up
        self._turn = 0  # counts probes, so that one that was given up decides nothing any more

    @property
    def state(self) -> State:
        """As the next caller would find it."""
        return self._state

    @property
    def paused_seconds(self) -> float:
        """Time until a caller may be let through; 0 when it is now."""
        return 0.0 if self._state is State.CLOSED else max(0.0, self._changes_at - self._clock())

    def check(self) -> None:
        """Raises ModelPaused when nobody is let through at this moment."""
        if self._state is not State.CLOSED and (left := self.paused_seconds) > 0:
            raise ModelPaused(retry_after=timedelta(seconds=left))

    def enter(self) -> "Pass":
        """Lets a call through, or raises ModelPaused. Whoever was let through says how it ended."""
        self.check()
        if self._state is State.CLOSED:
            return Pass(self, probe=0, seconds=None)
        self._turn += 1
        self._changes_at = self._clock() + self._rule.probe_seconds + _GRACE_SECONDS
        self._become(State.HALF_OPEN)
        return Pass(self, probe=self._turn, seconds=self._rule.probe_seconds)

    def hurry(self) -> None:
        """What may have been the reason is over: failures so far count no more, and the next caller is the probe."""
        self._failures = 0
        if self._state is State.OPEN:
            self._changes_at = self._clock()

    def _succeeded(self, probe: int) -> None:
        if (probe and probe == self._turn) or self._state is State.CLOSED:
            self._failures = 0
            self._become(State.CLOSED)

    def _failed(self, probe: int) -> None:
        if probe and probe != self._turn:
            return
        self._failures += 1
        if probe or (self._state is State.CLOSED and self._failures >= self._rule.failures):
            self._changes_at = self._clock() + self._rule.open_seconds
            self._become(State.OPEN)

    def _left(self, probe: int) -> None:
        """A probe that nobody waited for any more found nothing out: the next caller is the next probe."""
        if probe and probe == self._turn and self._state is State.HALF_OPEN:
            self._changes_at = self._clock()

    def _become(self, state: State) -> None:
        if state is not self._state:
            self._state = state
            self._heard(state)


class Pass:
    """What a caller holds who was let through. `seconds` is the deadline of a probe, else None."""

    __slots__ = ("_breaker", "_probe", "seconds")

    def __init__(self, breaker: Breaker, *, probe: int, seconds: float | None) -> None:
        self._breaker, self._probe, self.seconds = breaker, probe, seconds

    def succeeded(self) -> None:
        """The model answered, and in good time."""
        self._breaker._succeeded(self._probe)

    def failed(self) -> None:
        """Its server is ill, or was too slow."""
        self._breaker._failed(self._probe)

    def left(self) -> None:
        """The call ended without a finding: its caller went away, or the request itself was refused."""
        self._breaker._left(self._probe)
