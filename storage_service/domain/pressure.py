"""When is too much waiting already? Then nothing more is accepted, and the caller hears it before a row is written."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kit import metrics
from kit.errors import QueueFull
from storage_service.domain.database import Crowd, Depths, Stopped
from storage_service.domain.rows import Key

RETRY_AFTER = timedelta(seconds=5)
# An account drains as fast as its provider lets it: whoever is refused for one need not ask every few seconds.
ACCOUNT_RETRY_AFTER = timedelta(seconds=30)
LEAST = 10  # deliveries; an account with fewer is never looked at
OPTION = "max_queued"


@dataclass(slots=True)
class Pressure:
    """The last count, a second old at most."""

    max_open_turns: int
    max_queued_deliveries: int
    max_account_deliveries: int = 10_000
    depths: Depths | None = None
    # Of accounts that have much to send: how much more they may be given.
    room: dict[Key, int] = field(default_factory=dict)

    def check(self) -> None:
        if self.depths is None:
            return
        if self.depths.turns >= self.max_open_turns or self.depths.deliveries >= self.max_queued_deliveries:
            raise QueueFull(retry_after=RETRY_AFTER)

    def refusal(self, account: Key) -> QueueFull | None:
        """Why nothing more is taken that the account would have to send."""
        if self.room.get(account, 1) > 0:
            return None
        return QueueFull(retry_after=ACCOUNT_RETRY_AFTER, metadata={"queue": "account"})

    def add(self, account: Key) -> None:
        """Something was queued since the last count."""
        if account in self.room:
            self.room[account] -= 1

    @property
    def count_to(self) -> int:
        return max(self.max_open_turns, self.max_queued_deliveries)

    def note(self, depths: Depths, now: datetime) -> None:
        self.depths = depths
        metrics.database_seen.set(now.timestamp())
        metrics.queue_depth.labels(queue="turns").set(depths.turns)
        metrics.queue_depth.labels(queue="deliveries").set(depths.deliveries)
        metrics.queue_oldest_seconds.labels(queue="turns").set(_age(depths.oldest_turn_at, now))
        metrics.queue_oldest_seconds.labels(queue="deliveries").set(_age(depths.oldest_delivery_at, now))

    def note_accounts(self, crowds: Sequence[Crowd], stopped: Stopped) -> None:
        self.room = {(each.tenant_id, each.account_id): self._most(each) - each.deliveries for each in crowds}
        metrics.accounts_full.set(sum(1 for room in self.room.values() if room <= 0))
        metrics.accounts_stopped.labels(why="throttled").set(stopped.throttled)
        metrics.accounts_stopped.labels(why="failing").set(stopped.failing)

    def _most(self, crowd: Crowd) -> int:
        """What the account says, if it can be read."""
        stated = json.loads(crowd.options).get(OPTION, "") if OPTION in crowd.options else ""
        return max(LEAST, int(stated)) if stated.isascii() and stated.isdigit() else self.max_account_deliveries


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0
