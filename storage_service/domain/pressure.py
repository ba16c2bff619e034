"""When is too much waiting already? Then nothing more is accepted, and the caller hears it before a row is written."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from kit import metrics
from kit.errors import QueueFull
from storage_service.domain.database import Depths

RETRY_AFTER = timedelta(seconds=5)


@dataclass(slots=True)
class Pressure:
    """The last count, a second old at most."""

    max_open_turns: int
    max_queued_deliveries: int
    depths: Depths | None = None

    def check(self) -> None:
        if self.depths is None:
            return
        if self.depths.turns >= self.max_open_turns or self.depths.deliveries >= self.max_queued_deliveries:
            raise QueueFull(retry_after=RETRY_AFTER)

    @property
    def count_to(self) -> int:
        return max(self.max_open_turns, self.max_queued_deliveries)

    def note(self, depths: Depths, now: datetime) -> None:
        self.depths = depths
        metrics.queue_depth.labels(queue="turns").set(depths.turns)
        metrics.queue_depth.labels(queue="deliveries").set(depths.deliveries)
        metrics.queue_oldest_seconds.labels(queue="turns").set(_age(depths.oldest_turn_at, now))
        metrics.queue_oldest_seconds.labels(queue="deliveries").set(_age(depths.oldest_delivery_at, now))


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0
